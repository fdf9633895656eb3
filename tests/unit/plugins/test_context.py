# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every client of AWS does when an answer breaks off in its middle."""

from __future__ import annotations

import typing as t

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import lambda_probe
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_CLIENT_CONFIG,
    AWS_ERRORS,
    LONGEST_ANSWER,
    describe_aws_error,
    patient,
)
from botocore.awsrequest import AWSResponse

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Raw:
    """The body of an answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> t.Iterator[bytes]:
        """Yield what came."""
        yield self.body

    def read(self, amt: int | None = None) -> bytes:
        """Return what came, once."""
        came, self.body = self.body[:amt], b"" if amt is None else self.body[amt:]
        return came


def client_of(service: str, *answers: tuple[int, bytes, int]) -> tuple[t.Any, list[t.Any]]:
    """Return a client that gets these answers (status, the body that comes, its length as told), and its requests."""
    client = patient(
        boto3.client(
            service, "eu-west-1", config=AWS_CLIENT_CONFIG, aws_access_key_id="none", aws_secret_access_key="none"
        )
    )
    left, sent = list(answers), []

    def answer(request: t.Any, **_event: t.Any) -> AWSResponse:
        sent.append(request)
        status, body, length = left.pop(0)
        return AWSResponse(request.url, status, {"Content-Length": str(length)}, Raw(body))

    client.meta.events.register_last("before-send", answer)
    return client, sent


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not wait; return for how long it would have been."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_without_its_end_is_asked_for_again(status: int, pauses: list[float]) -> None:
    cut, whole = (status, IDENTITY[:60], len(IDENTITY)), (200, IDENTITY, len(IDENTITY))
    client, sent = client_of("sts", cut, cut, cut, cut, whole)
    assert client.get_caller_identity()["Account"] == "123456789012"
    assert len(sent) == 5 and pauses == sorted(pauses) and 0 < sum(pauses) < 5


def test_half_of_json_is_not_taken_for_all() -> None:
    """Nothing at all is valid where a service speaks JSON."""
    body = b'{"TableNames": ["a"]}'
    client, sent = client_of("dynamodb", (200, b"", len(body)), (200, body, len(body)))
    assert client.list_tables()["TableNames"] == ["a"]
    assert len(sent) == 2


@pytest.mark.parametrize("came", [b"", b"half a "])
def test_a_stream_without_its_end_is_asked_for_again(came: bytes) -> None:
    body = b"half a function's answer"
    client, sent = client_of("lambda", (200, came, len(body)), (200, body, len(body)))
    payload = client.invoke(FunctionName="function")["Payload"]
    assert (payload.read(4), payload.read()) == (body[:4], body[4:])
    assert len(sent) == 2


def test_a_long_stream_is_left_to_who_reads_it() -> None:
    client, sent = client_of("s3", (200, b"half", LONGEST_ANSWER + 1))
    body = client.get_object(Bucket="bucket", Key="key")["Body"]
    with pytest.raises(AWS_ERRORS, match="read, but total bytes expected"):
        body.read()
    assert len(sent) == 1


def test_answers_that_break_off_without_end_are_a_failure() -> None:
    attempts = AWS_CLIENT_CONFIG.retries["total_max_attempts"]
    client, sent = client_of("sts", *[(200, IDENTITY[:60], len(IDENTITY))] * 20)
    with pytest.raises(AWS_ERRORS) as caught:
        client.get_caller_identity()
    assert len(sent) == attempts
    assert describe_aws_error(caught.value).startswith("AWS did not answer: Connection was closed")


def test_an_answer_that_has_no_body_is_whole() -> None:
    client, sent = client_of("s3", (200, b"", 12345))
    assert client.head_object(Bucket="bucket", Key="key")["ContentLength"] == 12345
    assert len(sent) == 1


def test_what_aws_throttles_is_not_the_functions_time(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    """A release that is slower than allowed is refused: only the function's own time may count."""
    monkeypatch.setattr("time.monotonic", lambda: sum(pauses))
    throttled = (429, b'{"Reason": "ConcurrentInvocationLimitExceeded"}', 47)
    client, sent = client_of("lambda", throttled, throttled, throttled, (200, b"{}", 2))
    target = {"function_name": "server", "qualifier": "7"}
    assert lambda_probe.invoke(client, target, {}, 1.0, "") == (b"{}", 0.0)
    assert len(sent) == 4 and sum(pauses) > 0
