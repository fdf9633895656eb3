# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module's logic may use, whether it runs as a module or in process as an action plugin."""

from __future__ import annotations

import io
import threading
import time
import typing as t
from dataclasses import dataclass, field

try:
    import boto3
    import botocore.exceptions
    import botocore.session
    from botocore.config import Config
    from botocore.response import StreamingBody

    # botocore's "standard" mode stops after 3 attempts: four throttles in a row would fail a run.
    AWS_CLIENT_CONFIG = Config(
        retries={"mode": "standard", "total_max_attempts": 10},
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra="pratikoai.mcp_servers",
    )
    # One session for the process: its loader keeps the parsed service models, so forked tasks share them. It has no
    # profile: a task's option says which, and takes the default from AWS_PROFILE.
    SHARED_SESSION = boto3.session.Session(
        botocore_session=botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    )
    AWS_ERRORS: tuple[type[Exception], ...] = (
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
    )
except ImportError:  # AnsibleAWSModule reports the missing library itself
    AWS_CLIENT_CONFIG = None
    SHARED_SESSION = None
    AWS_ERRORS = ()


# What note_cut_answer makes of an answer without its end; no service sends it.
CUT_STATUS = 598
LONGEST_PAUSE_S = 5.0
# Of a look that nothing hangs on: it may take a few seconds, no more.
SHORT_LOOK = {"connect_timeout": 2, "read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 2}}
# Of a stream in bytes: more than a function may answer, less than a package.
LONGEST_ANSWER = 8 * 1024 * 1024
# When this thread's newest request went out: the waits between attempts are not the slowness of who is asked.
SENT = threading.local()


def read_whole(response_dict: dict[str, t.Any], length: int) -> bytes:
    """Return what came of a body; one that is handed on as a stream is read, and can be read again."""
    body = response_dict["body"]
    if isinstance(body, bytes):
        return body
    try:
        data = bytes(body.read())
    except AWS_ERRORS:
        return b""
    response_dict["body"] = StreamingBody(io.BytesIO(data), length)
    return data


def note_cut_answer(operation_model: t.Any, response_dict: dict[str, t.Any], **_event: t.Any) -> None:
    """Make a failure of an answer without its end: botocore would fail on the half that came, or take it for all."""
    length = response_dict["headers"].get("Content-Length", "")
    if not length.isdigit() or int(length) > LONGEST_ANSWER or operation_model.http.get("method") == "HEAD":
        return
    if len(read_whole(response_dict, int(length))) < int(length):
        response_dict.update(status_code=CUT_STATUS, body=b"")


def ask_again(response: t.Any, attempts: int, request_dict: dict[str, t.Any], **_event: t.Any) -> float | None:
    """Return the seconds after which a request is repeated whose answer was cut; None: leave it to botocore.

    :raises ConnectionClosedError: that was the last attempt
    """
    status = response[1].get("ResponseMetadata", {}).get("HTTPStatusCode") if response else None
    if status != CUT_STATUS:
        return None
    if attempts >= AWS_CLIENT_CONFIG.retries["total_max_attempts"]:
        raise botocore.exceptions.ConnectionClosedError(endpoint_url=request_dict["url"])
    return float(min(0.05 * 2**attempts, LONGEST_PAUSE_S))


def note_sent(**_event: t.Any) -> None:
    """Remember that a request goes out, perhaps again."""
    SENT.at = time.monotonic()


def patient(client: t.Any) -> t.Any:
    """Return a boto3 client that also repeats requests whose answer was cut off, and notes when one goes out."""
    client.meta.events.register("before-send", note_sent)
    client.meta.events.register("before-parse", note_cut_answer)
    client.meta.events.register("needs-retry", ask_again)
    return client


class McpError(Exception):
    """A failure that its reader can act on: what is wrong, what is allowed, what to type next.

    :param details: extra keys of the failed result
    """

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


def _silent(_text: str) -> None:
    """Drop a message (a module has no channel for live output)."""


@dataclass
class Context:
    """The surroundings of one task.

    :param params: validated options
    :param make_client: builds a boto3 client from a service name and a region (None: the task's own)
    :param progress: shows one line to the operator while the task runs
    :param warn: adds a warning to the result
    """

    params: dict[str, t.Any]
    make_client: t.Callable[[str, str | None], t.Any]
    check_mode: bool = False
    diff_mode: bool = False
    progress: t.Callable[[str], None] = _silent
    warn: t.Callable[[str], None] = _silent
    _clients: dict[tuple[str, str | None], t.Any] = field(default_factory=dict)

    def client(self, service: str, region: str | None = None) -> t.Any:
        """Return the boto3 client of a service, made once a task."""
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self.make_client(service, region)
        return self._clients[key]

    def short_client(self, service: str, config: dict[str, t.Any] | None = None, region: str | None = None) -> t.Any:
        """Return a client that gives up within seconds, for a look that nothing hangs on.

        :param config: of botocore, instead of SHORT_LOOK
        :param region: instead of the task's own
        """
        given = self.params.get("aws_config")
        self.params["aws_config"] = given or config or SHORT_LOOK
        try:
            return self.make_client(service, region)
        finally:
            self.params["aws_config"] = given


def error_code(error: BaseException) -> str:
    """Return AWS's error code of a ClientError, else an empty string."""
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))


def describe_aws_error(error: BaseException) -> str:
    """Say in one sentence what AWS answered, and what to type when it is about credentials or reach."""
    name = type(error).__name__
    code = error_code(error)
    if name in ("NoCredentialsError", "PartialCredentialsError"):
        return (
            "No AWS credentials were found. Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "(check with: aws sts get-caller-identity), or try without AWS: make deploy"
        )
    if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired") or name == "TokenRetrievalError":
        return f"The AWS credentials have expired ({code or name}). Sign in again, for example: aws sso login"
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"):
        text = f"AWS does not know these credentials ({code}). Check them with: aws sts get-caller-identity"
        if code in ("InvalidClientTokenId", "UnrecognizedClientException"):
            text += (
                "  If that works, the region may not be enabled for this account; see: "
                "aws account get-region-opt-status --region-name <mcp_region>"
            )
        return text
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ReadTimeoutError"):
        return f"AWS did not answer: {error}. Check the network; in the sandbox start it again with: make deploy"
    return str(error)


def call_run(ctx: Context, run: t.Callable[[Context], dict[str, t.Any]]) -> dict[str, t.Any]:
    """Run a module's logic; a failure comes back as a failed result, never as a traceback."""
    try:
        return run(ctx)
    except McpError as error:
        return {"failed": True, "changed": False, "msg": error.message, **error.details}
    except AWS_ERRORS as error:
        return {
            "failed": True,
            "changed": False,
            "msg": describe_aws_error(error),
            "error_code": error_code(error) or type(error).__name__,
        }


def run_module(argument_spec: dict[str, t.Any], run: t.Callable[[Context], dict[str, t.Any]], **options: t.Any) -> None:
    """Be the ``main()`` of a module: validate, run, exit."""
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

    module = AnsibleAWSModule(argument_spec=argument_spec, supports_check_mode=True, **options)

    def make_client(service: str, region: str | None) -> t.Any:
        extra = {"region": region} if region else {}
        return patient(module.client(service, config=AWS_CLIENT_CONFIG, **extra))

    ctx = Context(
        params=module.params,
        make_client=make_client,
        check_mode=module.check_mode,
        diff_mode=module._diff,
        warn=module.warn,
    )
    result = call_run(ctx, run)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
