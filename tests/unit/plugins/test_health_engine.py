# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health module against servers that fail, and its deadline: one probe never hides or delays another."""

from __future__ import annotations

import dataclasses
import json
import re
import resource
import socket
import threading
import time
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health, health_clients, health_kinds
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_run_all as engine
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Finding, Kind, Look, Observation
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound, ReadTimeoutError

from tests.unit.plugins.broken_servers import SECONDS, Authority, half, hang, leave, listening, reset
from tests.unit.plugins.loopback import RESULT_KEYS, Answer, Request, check, context, rpc_result, serving


def has_ipv6() -> bool:
    """Tell whether this machine has the loopback address of IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("kind", ["http", "mcp"])
@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (hang, "no complete answer within 0.5 s"),
        (reset, "reset|closed connection without response"),
        (half, "IncompleteRead"),
        (leave, "closed connection without response"),
    ],
    ids=["hung", "reset", "half-closed", "left"],
)
def test_a_server_that_breaks_off_is_critical_within_its_timeout(kind: str, serve: t.Any, words: str) -> None:
    with listening(serve) as port:
        began = time.monotonic()
        result = check(f"http://127.0.0.1:{port}/", kind=kind, timeout=0.5)
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical" and re.search(words, result["evidence"], re.IGNORECASE), result["evidence"]


@pytest.mark.parametrize("kind", ["http", "tls"])
@pytest.mark.parametrize(
    ("lasts", "address", "trusted", "words"),
    [
        (timedelta(days=90), "127.0.0.2", True, "127.0.0.1"),
        (timedelta(days=-1), "127.0.0.1", True, "certificate has expired"),
        (timedelta(days=90), "127.0.0.1", False, "unable to get local issuer certificate"),
    ],
    ids=["wrong name", "expired", "untrusted"],
)
def test_a_wrong_certificate_is_critical(
    tmp_path: Path, kind: str, lasts: timedelta, address: str, trusted: bool, words: str
) -> None:
    authority = Authority(tmp_path)
    options = {"ca_file": str(authority.file)} if trusted else {}
    with serving(lambda _request: Answer(), tls=authority.context(lasts, address)) as (url, seen):
        (result,) = health.run(context(probe_of(kind, url, **options)))["results"]
    assert result["status"] == "critical" and words in result["evidence"], result["evidence"]
    assert seen == []


def probe_of(kind: str, url: str, **options: t.Any) -> dict[str, t.Any]:
    """Return a probe of a server on loopback."""
    place = {"url": url} if kind in ("http", "mcp") else {"host": "127.0.0.1", "port": int(url.rpartition(":")[2])}
    return {"name": "it", "kind": kind, **place, **options}


@pytest.mark.parametrize(
    ("days", "status"), [(90, "healthy"), (29, "warning"), (6, "critical")], ids=["long", "soon", "very soon"]
)
def test_the_days_of_a_good_certificate_are_counted(tmp_path: Path, days: int, status: str) -> None:
    authority = Authority(tmp_path)
    with serving(lambda _request: Answer(), tls=authority.context(timedelta(days=days, minutes=1))) as (url, _seen):
        (result,) = health.run(context(probe_of("tls", url, ca_file=str(authority.file), samples=3)))["results"]
    assert result["status"] == status, result["evidence"]
    assert ": TLSv1.3, issued by testing authority, ends 20" in result["evidence"]
    assert f"({days} days left); p95 " in result["evidence"] and " of 2" in result["evidence"]
    assert (result["next_step"] == "") == (status == "healthy")


def test_a_port_that_speaks_no_tls_is_critical() -> None:
    with serving(lambda _request: Answer()) as (url, _seen):
        (result,) = health.run(context(probe_of("tls", url)))["results"]
    assert result["status"] == "critical" and "no TLS 1.2 or later" in result["evidence"]
    assert result["next_step"].startswith("openssl s_client -connect 127.0.0.1:")


def test_a_hung_handshake_is_critical_in_time() -> None:
    with listening(hang) as port:
        began = time.monotonic()
        (result,) = health.run(context(probe_of("tls", f":{port}", timeout=0.3)))["results"]
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical" and "no answer within 0.3 s" in result["evidence"]


def test_a_port_is_open_or_not() -> None:
    with listening(hang) as port:
        (result,) = health.run(context(probe_of("tcp", f":{port}")))["results"]
    assert result["status"] == "healthy" and "accepts connections" in result["evidence"]
    (result,) = health.run(context(probe_of("tcp", f":{port}")))["results"]
    assert result["status"] == "critical" and result["next_step"] == f"nc -vz 127.0.0.1 {port}"


@pytest.mark.parametrize("kind", ["tcp", "tls", "http", "postgres", "redis", "prometheus"])
def test_a_name_that_does_not_resolve_is_unknown(kind: str) -> None:
    place = {"url": "http://nowhere.invalid/"} if kind in ("http", "prometheus") else {"host": "nowhere.invalid"}
    probe = {"name": "it", "kind": kind, **place} | ({"port": 1} if "host" in place else {})
    began = time.monotonic()
    (result,) = health.run(context(probe, deadline=10))["results"]
    assert time.monotonic() - began < 10
    assert result["status"] == "unknown" and "nowhere.invalid does not resolve from here" in result["evidence"]


def test_redirects_are_not_followed_in_circles() -> None:
    with serving(lambda _request: Answer(302, b"", {"Location": "/again?token=1"})) as (url, seen):
        result = check(f"{url}/here", kind="http")
        expected = check(f"{url}/here", kind="http", expect_status=302)
    assert result["status"] == "critical" and "HTTP 302 to /again (expected 200)" in result["evidence"]
    assert expected["status"] == "healthy" and len(seen) == 2


def test_a_huge_body_is_cut_off_and_costs_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(lambda _request: Answer(chunks=((b"x" * 65536, 0) for _ in range(1000)))) as (url, _seen):
        result = check(url, kind="http")
    assert result["status"] == "critical" and "larger than 8388608 bytes" in result["evidence"]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 60


@pytest.mark.parametrize("body", [b'{"a": ', b"[" * 100000, b"\xff\xfe", b""], ids=["half", "deep", "binary", "empty"])
def test_bad_json_is_not_healthy(body: bytes) -> None:
    with serving(lambda _request: Answer(body=body)) as (url, _seen):
        http = check(url, kind="http", expect_json={"status": "ok"}, return_json=True)
        mcp = check(url, kind="mcp")
    assert http["status"] == "critical" and mcp["status"] == "critical"


def test_a_handshake_of_a_protocol_that_nobody_speaks_is_critical() -> None:
    def answer(request: Request) -> Answer:
        if request.rpc["method"] == "initialize":
            return rpc_result(request, {"protocolVersion": "1999-01-01", "capabilities": {"tools": {}}})
        return Answer(400, b"no session")

    with serving(answer) as (url, _seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical"
    assert "the server answers with protocol version 1999-01-01, not one of 2024-11-05" in result["evidence"]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_server_that_has_ipv6_only_is_reached() -> None:
    def answer(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with listening(answer, socket.AF_INET6) as port:
        http = check(f"http://[::1]:{port}/", kind="http")
        (tcp,) = health.run(context({"name": "it", "kind": "tcp", "host": "::1", "port": port}))["results"]
    assert http["status"] == "healthy" and tcp["status"] == "healthy"
    assert tcp["evidence"].startswith(f"[::1]:{port} accepts connections")


def test_a_connection_that_the_server_closed_between_two_probes_says_nothing_about_it() -> None:
    def once(connection: socket.socket, _over: threading.Event) -> None:
        """Answer one request, read the next and close: as a server does whose patience ends at that moment."""
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.recv(65536)

    with listening(once) as port:
        result = check(f"http://127.0.0.1:{port}/", kind="http", samples=3)
    assert result["status"] == "healthy", result["evidence"]


def test_what_hangs_is_left_behind_at_the_deadline_and_hides_nobody() -> None:
    with listening(hang) as hung, serving(lambda _request: Answer()) as (url, _seen):
        probes = [
            {"name": f"hung {number}", "kind": "http", "url": f"http://127.0.0.1:{hung}/"} for number in range(40)
        ]
        good = {"name": "good", "kind": "http", "url": url}
        own = {"name": "own", "kind": "http", "url": f"http://127.0.0.1:{hung}/", "timeout": 0.2}
        began = time.monotonic()
        outcome = health.run(context(*probes, good, own, deadline=1))
        seconds = time.monotonic() - began
    assert 1 <= seconds < SECONDS
    *late, good_result, own_result = outcome["results"]
    assert {result["status"] for result in late} == {"unknown"}
    assert {result["evidence"] for result in late} == {"gave no answer within the deadline of 1 s"}
    assert late[0]["next_step"] == f"curl -i http://127.0.0.1:{hung}/" and set(late[0]) == RESULT_KEYS
    assert good_result["status"] == "healthy" and own_result["status"] == "critical"


def test_attempts_end_before_the_deadline_with_what_was_seen() -> None:
    probe = {"name": "it", "kind": "tcp", "host": "127.0.0.1", "port": 1, "attempts": 100, "delay": 0.4}
    began = time.monotonic()
    (result,) = health.run(context(probe, deadline=1))["results"]
    assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical" and "Connection refused" in result["evidence"]


def test_what_an_earlier_attempt_saw_stands_where_the_deadline_cuts_the_next_one() -> None:
    with listening(hang) as port:
        probe = {"name": "it", "kind": "http", "url": f"http://127.0.0.1:{port}/", "timeout": 0.6, "attempts": 3}
        began = time.monotonic()
        (result,) = health.run(context({**probe, "delay": 0.1}, deadline=1))["results"]
        assert time.monotonic() - began < 1.5
    assert result["status"] == "critical" and "no complete answer within 0.6 s" in result["evidence"]


def kind_of(look: t.Callable[[Look], Observation], **options: t.Any) -> Kind:
    return Kind("mine", look, frozenset({"target"}), **options)


@pytest.fixture
def own_kind(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    """Return what runs one probe of a kind whose function a test writes."""

    def run(
        look: t.Callable[[Look], Observation], make_client: t.Any = None, given: t.Any = None, **options: t.Any
    ) -> dict[str, t.Any]:
        http = health_kinds.KINDS["http"]
        monkeypatch.setitem(health_kinds.KINDS, "http", dataclasses.replace(http, look=look, **options))
        ctx = context({"name": "it", "kind": "http", "url": "http://127.0.0.1/", **(given or {})}, deadline=20)
        if make_client:
            ctx = Context(params=ctx.params, make_client=make_client)
        (result,) = health.run(ctx)["results"]
        return result

    return run


@pytest.mark.parametrize("error", [RuntimeError("Bearer abcdefghijklmnopqrstuvwx01"), SystemExit(3), MemoryError()])
def test_an_error_that_nobody_thought_of_is_unknown(
    own_kind: t.Callable[..., dict[str, t.Any]], error: BaseException
) -> None:
    def fails(_look: Look) -> Observation:
        raise error

    result = own_kind(fails)
    assert result["status"] == "unknown"
    assert result["evidence"].startswith(f"the check itself failed: {type(error).__name__}")
    assert "abcdefghij" not in json.dumps(result) and result["next_step"]


def test_what_a_source_says_is_published(own_kind: t.Callable[..., dict[str, t.Any]]) -> None:
    seen = Observation("warning", "pass-word is used", (4.0, 8.0), "2026-11-22T03:14:15Z", "say pass-word", {"a": 1})

    def look(look: Look) -> Observation:
        look.secrets.append("pass-word")
        assert 0 < look.seconds_left() <= 10 and look.environment == "testing" and not look.sandbox
        return seen

    result = own_kind(look, given={"return_json": True})
    assert result["evidence"] == "<password> is used; p95 8 ms of 2" and result["since"] == "2026-11-22T03:14:15Z"
    assert result["next_step"] == "say <password>" and result["json"] == {"a": 1} and result["kind"] == "http"
    assert result["latency_ms"] == {"p50": 4.0, "p95": 8.0}


def aws_error(code: str, operation: str = "GetBucketEncryption", status: int = 400) -> ClientError:
    response: t.Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


ACTIONS = {"actions": {"GetBucketEncryption": "s3:GetEncryptionConfiguration"}}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (aws_error("AccessDenied"), "AWS refuses s3:GetEncryptionConfiguration to these credentials (AccessDenied)"),
        (aws_error("UnauthorizedOperation", "DescribeThings"), "AWS refuses DescribeThings"),
        (aws_error("403", "HeadBucket"), "AWS refuses HeadBucket"),
        (aws_error("ExpiredToken"), "The AWS credentials have expired (ExpiredToken)"),
        (aws_error("UnrecognizedClientException"), "AWS does not know these credentials (UnrecognizedClientException)"),
        (aws_error("Throttling"), "Throttling"),
        (NoCredentialsError(), "No AWS credentials were found"),
    ],
)
def test_what_aws_refuses_is_unknown_and_named(
    own_kind: t.Callable[..., dict[str, t.Any]], error: Exception, words: str
) -> None:
    def fails(_look: Look) -> Observation:
        raise error

    result = own_kind(fails, **ACTIONS)
    assert result["status"] == "unknown" and words in result["evidence"], result["evidence"]


@pytest.mark.parametrize("error", [aws_error("x", status=501), aws_error("NotImplemented")])
def test_what_the_emulator_lacks_is_said_so_in_the_sandbox_only(error: Exception) -> None:
    from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_judge import aws_finding

    kind = kind_of(lambda _look: Observation("healthy", ""))
    assert "is not available on the emulator" in aws_finding(error, kind, sandbox=True).evidence
    assert "emulator" not in aws_finding(error, kind, sandbox=False).evidence


def test_clients_are_made_once_for_each_region_by_one_thread_and_end_early() -> None:
    made: list[tuple[str, str | None, int, dict[str, t.Any]]] = []
    lock = threading.Lock()

    def make(service: str, region: str | None) -> t.Any:
        assert lock.acquire(blocking=False), "two clients are made at the same time"
        time.sleep(0.02)
        made.append((service, region, threading.get_ident(), ctx.params["aws_config"]))
        lock.release()
        if service == "s3":
            raise ProfileNotFound(profile="mine")
        return SimpleClient()

    buckets = [{"name": f"b{n}", "kind": "bucket", "target": "b"} for n in range(30)]
    tables = [{"name": f"t{n}", "kind": "table", "target": "t", "region": "eu-west-1"} for n in range(3)]
    spend = {"name": "spend", "kind": "spend", "target": "123456789012:b", "region": None}
    ctx = context(*buckets, *tables, spend, deadline=20)
    ctx = Context(params={**ctx.params, "aws_config": {"read_timeout": 90, "connect_timeout": 1}}, make_client=make)
    outcome = health.run(ctx)
    assert sorted((service, region) for service, region, _thread, _config in made) == sorted(
        [("s3", None), ("dynamodb", "eu-west-1"), ("cloudwatch", "eu-west-1"), ("budgets", "us-east-1")]
    )
    assert len({thread for _service, _region, thread, _config in made}) == 1
    config = next(config for service, _region, _thread, config in made if service == "s3")
    assert (config["connect_timeout"], config["read_timeout"], config["max_pool_connections"]) == (1, 5, 30)
    assert ctx.params["aws_config"] == {"read_timeout": 90, "connect_timeout": 1}
    assert {result["status"] for result in outcome["results"]} == {"unknown"}
    assert "The config profile (mine) could not be found" in outcome["results"][0]["evidence"]


class SimpleClient:
    """A client whose every call is refused."""

    def __getattr__(self, name: str) -> t.Any:
        def call(**_arguments: t.Any) -> t.Any:
            raise aws_error("AccessDenied", name)

        return call


def test_a_config_of_the_plays_own_is_kept_where_it_is_not_about_time() -> None:
    config = health_clients.short_config({"signature_version": "v4", "retries": {"max_attempts": 99}}, 3)
    assert config["signature_version"] == "v4" and config["retries"]["total_max_attempts"] == 3
    assert config["max_pool_connections"] == 10


def test_a_function_that_takes_its_time_is_not_invoked_again_by_a_hurried_play() -> None:
    assert health_clients.patient_config({"read_timeout": 4, "connect_timeout": 2}) == {
        "read_timeout": 60, "connect_timeout": 2,
    }  # fmt: skip
    assert health_clients.patient_config({"read_timeout": 90}) == {"read_timeout": 90}
    assert health_clients.patient_config({"connect_timeout": 2}) == {"connect_timeout": 2}
    assert health_clients.patient_config(None) is None


def test_slow_clients_delay_nobody_else() -> None:
    def make(_service: str, _region: str | None) -> t.Any:
        time.sleep(30)

    with serving(lambda _request: Answer()) as (url, _seen):
        probes = [{"name": "s", "kind": "stack", "target": "x"}, {"name": "h", "kind": "http", "url": url}]
        ctx = Context(params=context(*probes, deadline=1).params, make_client=make)
        began = time.monotonic()
        results = health.run(ctx)["results"]
        assert time.monotonic() - began < SECONDS
    assert [result["status"] for result in results] == ["unknown", "healthy"]


def test_an_aws_that_fails_or_is_slow_now_and_then_hides_nothing() -> None:
    stack = {"StackName": "s", "StackStatus": "UPDATE_COMPLETE", "CreationTime": datetime(2026, 1, 1, tzinfo=UTC)}
    drift = {"DriftInformation": {"StackDriftStatus": "IN_SYNC", "LastCheckTimestamp": datetime.now(UTC)}}

    class Unsteady:
        meta = SimpleNamespace(region_name="us-east-1", endpoint_url="https://aws.invalid")

        def describe_stacks(self, StackName: str) -> t.Any:
            number = int(StackName[1:])
            if number % 10 == 3:
                raise ReadTimeoutError(endpoint_url="https://aws.invalid")
            if number % 10 == 4:
                raise aws_error("Throttling", "DescribeStacks")
            time.sleep(30 if number % 10 == 5 else 0.01)
            return {"Stacks": [{**stack, **drift}]}

    probes = [{"name": f"s{number}", "kind": "stack", "target": f"s{number}"} for number in range(100)]
    began = time.monotonic()
    results = health.run(context(*probes, clients=Unsteady(), deadline=2))["results"]
    assert 2 <= time.monotonic() - began < 2 + SECONDS
    for number, result in enumerate(results):
        assert result["status"] == ("unknown" if number % 10 in (3, 4, 5) else "healthy"), result["evidence"]
    assert "AWS did not answer" in results[3]["evidence"] and "Throttling" in results[4]["evidence"]
    assert results[5]["evidence"] == "gave no answer within the deadline of 2 s"


def test_results_keep_their_order_and_a_job_that_raises_has_one_too() -> None:
    def job(number: int) -> int:
        if number % 100 == 7:
            raise KeyboardInterrupt
        return number

    jobs = [lambda number=number: job(number) for number in range(1000)]
    found = engine.run_all(jobs, engine.Clock(None), lambda _n: -1, lambda n, _e: -n)
    assert found == [-number if number % 100 == 7 else number for number in range(1000)]


def test_threads_are_no_more_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, 4096))
    assert engine.thread_count(1000) == 128
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert engine.thread_count(5000) == 1024 and engine.thread_count(3) == 3


def test_many_that_hang_all_begin_within_their_timeout() -> None:
    with listening(hang) as port:
        probes = [
            {"name": str(n), "kind": "http", "url": f"http://127.0.0.1:{port}/", "timeout": 1.5} for n in range(200)
        ]
        began = time.monotonic()
        outcome = health.run(context(*probes))
        assert time.monotonic() - began < 2 * 1.5
    assert {result["status"] for result in outcome["results"]} == {"critical"}


def test_a_finding_is_told_as_it_is(own_kind: t.Callable[..., dict[str, t.Any]]) -> None:
    def finds(_look: Look) -> Observation:
        raise Finding("critical", "gone", "make deploy")

    result = own_kind(finds)
    assert (result["status"], result["evidence"], result["next_step"]) == ("critical", "gone", "make deploy")


def test_an_mcp_error_of_a_look_is_unknown(own_kind: t.Callable[..., dict[str, t.Any]]) -> None:
    def fails(_look: Look) -> Observation:
        raise McpError("Set x.")

    assert own_kind(fails)["evidence"] == "Set x."
