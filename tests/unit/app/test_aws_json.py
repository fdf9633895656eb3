# SPDX-License-Identifier: MIT
"""Calls to AWS without a client of botocore: what is asked, what is tried again, and what is raised."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from pratiko_mcp import aws_json, restore
from pratiko_mcp.aws_json import call

from tests.support.checkout import ROOT
from tests.unit.app.test_discovery import trusted_certificate

Answer = tuple[int, bytes] | Callable[[], tuple[int, bytes]] | None


class Service:
    """A service that gives the answers of a list, the last one for ever, and keeps what it was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[Answer] = [(200, b"{}")]
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.connections: list[Any] = []
        self.paths: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                service.headers.append({name.lower(): value for name, value in self.headers.items()})
                service.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                service.connections.append(self.client_address)
                service.paths.append(self.path)
                answer = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
                self.close_connection = answer is None  # hang up without a word
                if answer is not None:
                    self._say(*(answer() if callable(answer) else answer))

            def do_GET(self) -> None:
                service.paths.append(self.path)
                found = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t"}
                self._say(200, json.dumps({**found, "Expiration": "2999-01-01T00:00:00Z"}).encode())

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(body)))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody waited
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.setattr(aws_json, "RETRY_PAUSE_SECONDS", 0.001)
    for cached in (aws_json._http, aws_json._session):
        cached.cache_clear()
    yield monkeypatch
    for cached in (aws_json._http, aws_json._session):
        cached.cache_clear()


@pytest.fixture
def service(environment: pytest.MonkeyPatch) -> Iterator[Service]:
    running = Service()
    environment.setenv("AWS_ENDPOINT_URL", running.url)
    yield running
    running.close()


def ask() -> Any:
    return call("ssm", "AmazonSSM.GetParameter", {"Name": "/x"})


def refusal(code: str, status: int = 400, **words: str) -> tuple[int, bytes]:
    return status, json.dumps({"__type": code, **words}).encode()


def test_a_call(service: Service, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_SESSION_TOKEN", "session")
    service.answers = [(200, b'{"Parameter": {"Value": "v"}}')]
    assert ask() == {"Parameter": {"Value": "v"}}
    assert (service.paths, service.bodies) == (["/"], [b'{"Name": "/x"}'])
    headers = service.headers[0]
    assert headers["x-amz-target"] == "AmazonSSM.GetParameter"
    assert headers["x-amz-security-token"] == "session"
    assert headers["content-type"] == "application/x-amz-json-1.1"
    scheme, credential, signed, _signature = headers["authorization"].split(" ")
    assert (scheme, credential.split("/")[0]) == ("AWS4-HMAC-SHA256", "Credential=AKID")
    assert credential.endswith("/eu-central-1/ssm/aws4_request,")
    assert signed == "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"


@pytest.mark.parametrize(
    "first",
    [
        refusal("ThrottlingException"),
        refusal("x.y#TooManyRequestsException"),
        (500, b""),
        (503, b"<html>"),
        refusal("InternalServerError", 500),
        None,
    ],
)
def test_what_may_pass_is_tried_once_more(service: Service, first: Answer) -> None:
    service.answers = [first, (200, b'{"a": 1}')]
    assert ask() == {"a": 1}
    assert [headers["x-amz-target"] for headers in service.headers] == ["AmazonSSM.GetParameter"] * 2
    service.answers, service.bodies = [first, first, (200, b"{}")], []
    with pytest.raises(Exception, match=r"GetParameter|Connection was closed"):
        ask()
    assert len(service.bodies) == 2


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (refusal("ParameterNotFound"), "ParameterNotFound", ""),
        (
            refusal("com.amazon#AccessDeniedException", Message="User: u is not authorized"),
            "AccessDeniedException",
            "User: u is not authorized",
        ),
        (refusal("ExpiredTokenException", message="expired"), "ExpiredTokenException", "expired"),
        ((404, b"<html>"), "404", "<html>"),
        ((302, b""), "302", ""),
        ((301, b""), "301", ""),
    ],
)
def test_a_refusal_is_raised_at_once(service: Service, answer: Answer, code: str, message: str) -> None:
    service.answers = [answer]
    with pytest.raises(ClientError) as caught:
        ask()
    assert caught.value.response["Error"] == {"Code": code, "Message": message}
    assert f"({code}) when calling the GetParameter operation: {message}" in str(caught.value)
    assert "the-secret" not in str(caught.value)
    assert service.paths == ["/"]


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, b'{"Parameter": {"Val'), (204, b"")])
def test_an_answer_that_is_not_json(service: Service, answer: Answer) -> None:
    service.answers = [answer]
    with pytest.raises(ResponseParserError, match=f"^{service.url}/? did not answer with JSON$"):
        ask()


def test_somebody_waits_so_a_late_answer_is_not_asked_for_again(
    service: Service, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(aws_json, "READ_SECONDS", 0.1)
    release = threading.Event()

    def late() -> tuple[int, bytes]:
        release.wait(10)
        return 200, b"{}"

    service.answers = [late]
    began = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        ask()
    assert time.monotonic() - began < 2
    release.set()
    assert len(service.bodies) == 1


def test_seconds_to_wait(environment: pytest.MonkeyPatch) -> None:
    timeout = aws_json._http("http://localhost")._timeout
    assert (timeout.connect_timeout, timeout.read_timeout) == (1, 2)


def test_nobody_there(service: Service, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1")
    with pytest.raises(EndpointConnectionError, match=r"http://127.0.0.1:1"):
        ask()
    assert service.headers == []


def test_a_connection_is_used_again_but_not_after_a_snapshot(service: Service) -> None:
    ask()
    ask()
    restore.run()
    ask()
    first, second, third = service.connections
    assert first == second != third


def test_a_region_is_needed(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_REGION")
    with pytest.raises(LookupError, match=r"^AWS_REGION is not set. Set it to a region such as us-east-1$"):
        ask()


def test_the_sdk_s_region(service: Service, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_REGION")
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    ask()
    assert "/eu-west-3/ssm/aws4_request" in service.headers[0]["authorization"]


@pytest.mark.parametrize("value", ["us east 1", "us-east-1.evil.example/", "-"])
def test_a_region_that_is_none(service: Service, environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("AWS_REGION", value)
    with pytest.raises(InvalidRegionError, match=value):
        ask()
    assert service.headers == []


@pytest.mark.parametrize(
    ("service_name", "region", "endpoint"),
    [
        ("ssm", "us-east-1", "https://ssm.us-east-1.amazonaws.com"),
        ("secretsmanager", "us-gov-west-1", "https://secretsmanager.us-gov-west-1.amazonaws.com"),
        ("ssm", "cn-north-1", "https://ssm.cn-north-1.amazonaws.com.cn"),
        ("ssm", "eusc-de-east-1", "https://ssm.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_the_public_endpoint(service_name: str, region: str, endpoint: str) -> None:
    assert aws_json._endpoint(service_name, region) == endpoint


@pytest.mark.parametrize(
    ("service_name", "variable"),
    [("ssm", "AWS_ENDPOINT_URL_SSM"), ("secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER")],
)
def test_the_endpoint_of_one_service(monkeypatch: pytest.MonkeyPatch, service_name: str, variable: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.example")
    monkeypatch.setenv(variable, "http://one.example")
    assert aws_json._endpoint(service_name, "us-east-1") == "http://one.example"
    assert aws_json._endpoint("kms", "us-east-1") == "http://all.example"


def test_credentials_of_a_restored_snapshot(service: Service, environment: pytest.MonkeyPatch) -> None:
    """Lambda offers them by a URL then."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    offers = Service()
    environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{offers.url}/credentials")
    ask()
    ask()
    assert all("Credential=ASIA/" in headers["authorization"] for headers in service.headers)
    assert offers.paths == ["/credentials"]
    environment.setenv("AWS_ACCESS_KEY_ID", "AKID")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    ask()
    assert "Credential=AKID/" in service.headers[2]["authorization"]
    aws_json._session.cache_clear()
    offers.close()


def test_no_credentials(service: Service, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PartialCredentialsError, match="AWS_SECRET_ACCESS_KEY"):
        ask()
    environment.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(NoCredentialsError):
        ask()
    assert service.headers == []


def test_certificates_are_checked(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = trusted_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    secure = Service(tls)
    environment.setenv("AWS_ENDPOINT_URL", secure.url)
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        ask()
    assert secure.headers == []
    aws_json._http.cache_clear()
    environment.setenv("AWS_CA_BUNDLE", str(certificate))
    assert ask() == {}
    secure.close()


def test_the_proxy_of_the_environment(service: Service, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("no_proxy", "localhost")
    environment.setenv("http_proxy", service.url)
    environment.setenv("AWS_ENDPOINT_URL", "http://ssm.invalid")
    ask()
    environment.setenv("AWS_ENDPOINT_URL", service.url)
    ask()
    assert [path.rstrip("/") for path in service.paths] == ["http://ssm.invalid", ""]


def test_who_reads_nothing_loads_nothing() -> None:
    script = "import sys, pratiko_mcp.limits, pratiko_mcp.authorizer; print('botocore' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "app" / "src")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")
