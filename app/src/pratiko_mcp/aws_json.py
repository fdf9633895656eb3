# SPDX-License-Identifier: MIT
"""One call to an AWS service with the JSON protocol, by botocore's parts without its clients.

Cold starts wait for it, and a client loads a service model. Processor time to SSM's first answer over plain HTTP, with
bytecode, median of nine: boto3 249 ms, this module 86 ms; the authorizer's first decision: 331 ms and 180 ms.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.credentials import EnvProvider
from botocore.endpoint_provider import RuleSetStandardLibrary
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as NotConnected
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError, create_parser
from botocore.retries.standard import RetryContext, ThrottledRetryableChecker
from botocore.utils import get_environ_proxies, validate_region_name

from . import restore

CONNECT_SECONDS = 1
READ_SECONDS = 2
RETRY_PAUSE_SECONDS = 0.2


def call(service: str, target: str, document: Mapping[str, Any]) -> Any:
    """Call an action such as ``AmazonSSM.GetParameter``; a failure that may pass is tried once more.

    An answer that is late is not: somebody waits for this.

    :raises ClientError: AWS refused
    :raises Exception: any other of botocore's, or LookupError without a region
    """
    try:
        return _call_once(service, target, document)
    except (ClientError, HTTPClientError, NotConnected) as failed:
        if not _may_pass(failed):
            raise
    time.sleep(RETRY_PAUSE_SECONDS)
    return _call_once(service, target, document)


def _may_pass(failed: Exception) -> bool:
    if not isinstance(failed, ClientError):
        return not isinstance(failed, ReadTimeoutError)
    throttled = ThrottledRetryableChecker().is_retryable(RetryContext(1, parsed_response=failed.response))
    return throttled or failed.response["ResponseMetadata"]["HTTPStatusCode"] >= 500


def _call_once(service: str, target: str, document: Mapping[str, Any]) -> Any:
    region = region_name()
    url = _endpoint(service, region)
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    request = AWSRequest("POST", url, headers, json.dumps(document).encode())
    SigV4Auth(credentials(), service, region).add_auth(request)
    return _answer(_http(url).send(request.prepare()), target)


def region_name() -> str:
    """Return the region that is worked in.

    :raises LookupError: it is not known
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise LookupError("AWS_REGION is not set. Set it to a region such as us-east-1")
    validate_region_name(region)
    return region


def credentials() -> Any:
    """Return whom AWS knows this process as, at this moment; None when it finds nothing."""
    found = EnvProvider().load() or _session().get_credentials()
    return found and found.get_frozen_credentials()


def _answer(reply: AWSResponse, target: str) -> Any:
    if reply.status_code >= 301:  # where botocore's parser takes over
        parts = {"status_code": reply.status_code, "headers": reply.headers, "body": reply.content}
        raise ClientError(create_parser("json").parse(parts, None), target.rpartition(".")[2])
    try:
        return json.loads(reply.content)
    except ValueError as error:
        raise ResponseParserError(f"{reply.url} did not answer with JSON") from error


def _endpoint(service: str, region: str) -> str:
    """Return where a service answers, by the variables that every AWS SDK reads, else by the region's partition."""
    if given := ConfiguredEndpointProvider({}, {}, service).provide():
        return str(given)
    partition = RuleSetStandardLibrary(Loader().load_data("partitions")).aws_partition(region)
    return f"https://{service}.{region}.{partition['dnsSuffix']}"


@functools.cache
def _session() -> Any:
    """Return what finds the credentials that are not in the environment, and renews them."""
    import botocore.session  # takes as long to load as half of the rest

    return botocore.session.Session()


@functools.cache
def _http(url: str) -> URLLib3Session:
    verify = os.environ.get("AWS_CA_BUNDLE") or True
    return URLLib3Session(verify, get_environ_proxies(url), (CONNECT_SECONDS, READ_SECONDS))


restore.on_restore(_http.cache_clear)
