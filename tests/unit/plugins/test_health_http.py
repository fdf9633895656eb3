# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health module's logic with the probe kind http."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health, health_judge, health_kind, http_probe
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.unit.plugins.loopback import Answer, check, closed_port, context, serving

HEALTH = {"status": "ok", "release": "abc", "parts": {"table": "ok", "bucket": "ok"}}


def test_a_good_answer_is_healthy_with_its_evidence() -> None:
    with serving(lambda _request: Answer(body=HEALTH)) as (url, seen):
        result = check(f"{url}/health?secret=1", kind="http", samples=5, expect_json={"parts": {"table": "ok"}})
    assert result["status"] == "healthy"
    assert result["environment"] == "testing" and result["check"] == "it"
    assert result["evidence"].startswith(f"GET {url}/health: HTTP 200 ")
    assert "p95" in result["evidence"] and "of 4" in result["evidence"] and "secret" not in result["evidence"]
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p95"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["since"])
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("answer", "options", "words"),
    [
        (Answer(500, b"boom"), {}, "HTTP 500 boom (expected 200)"),
        (Answer(200, b"{}"), {"expect_status": 204}, "expected 204"),
        (Answer(307, b"", {"Location": "/elsewhere"}), {}, "HTTP 307"),
        (Answer(body=b"<html>"), {"expect_json": {"release": "abc"}}, "expected JSON"),
        (Answer(body=[1]), {"expect_json": {"release": "abc"}}, "the answer is [1]"),
        (Answer(body=HEALTH), {"expect_json": {"release": "def"}}, "release is \"abc\", not 'def'"),
        (Answer(body=HEALTH), {"expect_json": {"parts": {"cache": "ok"}}}, "parts.cache is missing"),
    ],
)
def test_a_wrong_answer_is_critical(answer: Answer, options: dict[str, t.Any], words: str) -> None:
    with serving(lambda _request: answer) as (url, _seen):
        result = check(f"{url}/health", kind="http", **options)
    assert result["status"] == "critical"
    assert words in result["evidence"]
    assert result["latency_ms"] is None
    assert result["next_step"] == f"curl -i {url}/health"


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("DELETE", b""), ("POST", b"{}")])
def test_a_refusal_that_is_expected_is_healthy_whatever_is_sent(method: str, body: bytes) -> None:
    said = {"error": {"code": -32050, "message": "under maintenance"}}
    options = {"kind": "http", "method": method, "expect_status": 503, "expect_json": {"error": {"code": -32050}}}
    with serving(lambda _request: Answer(503, body=said)) as (url, seen):
        result = check(f"{url}/mcp", **options)
    assert result["status"] == "healthy" and result["evidence"].startswith(f"{method} {url}/mcp: HTTP 503 ")
    assert [(request.method, request.body) for request in seen] == [(method, body)]
    with serving(lambda _request: Answer(200, body=said)) as (url, _seen):
        result = check(f"{url}/mcp", **options)
    look = "" if method == "GET" else f"-X {method} "
    assert result["status"] == "critical" and result["next_step"] == f"curl -i {look}{url}/mcp"


@pytest.mark.parametrize("status", [200, 503])
def test_the_answer_itself_is_returned_where_it_is_asked_for(status: int) -> None:
    said = {"status": "ready", "checks": [{"name": "schema", "reason": "x" * 300}]}
    with serving(lambda _request: Answer(status, body=said)) as (url, _seen):
        asked, other = check(url, kind="http", return_json=True), check(url, kind="http")
    assert asked["json"] == said and "json" not in other
    with serving(lambda _request: Answer(body=b"<html>")) as (url, _seen):
        assert check(url, kind="http", return_json=True)["json"] is None
    assert check(f"http://127.0.0.1:{closed_port()}/", kind="http", return_json=True)["json"] is None


def test_a_refused_connection_is_critical() -> None:
    url = f"http://127.0.0.1:{closed_port()}/"
    result = check(url, kind="http")
    assert result["status"] == "critical"
    assert result["evidence"].startswith(f"{url}: nobody accepts connections there (")
    assert "object at" not in result["evidence"]


def test_a_name_that_does_not_resolve_is_unknown() -> None:
    result = check("http://nowhere.invalid/", kind="http")
    assert result["status"] == "unknown"
    assert "nowhere.invalid does not resolve" in result["evidence"]
    assert result["next_step"] == "curl -i --max-time 10 http://nowhere.invalid/"


def hang(_request: t.Any) -> Answer:
    threading.Event().wait(1.5)
    return Answer()


def drip(_request: t.Any) -> Answer:
    return Answer(headers={"Content-Type": "text/event-stream"}, chunks=((b": ping\n\n", 0.1) for _ in range(40)))


@pytest.mark.parametrize("answer", [hang, drip], ids=["silent", "dripping"])
def test_a_server_that_does_not_finish_is_critical_in_time(answer: t.Callable[..., Answer]) -> None:
    with serving(answer) as (url, _seen):
        start = time.monotonic()
        result = check(url, kind="http", timeout=0.5)
        seconds = time.monotonic() - start
    assert result["status"] == "critical"
    assert "no complete answer within 0.5 s" in result["evidence"]
    assert 0.5 <= seconds < 1.3


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_probe, "MAX_BODY_BYTES", 1000)
    with serving(lambda _request: Answer(chunks=((b"x" * 900, 0) for _ in range(9)))) as (url, _seen):
        result = check(url, kind="http")
    assert result["status"] == "critical" and "larger than 1000 bytes" in result["evidence"]


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"warning_ms": 20, "critical_ms": 5000}, "warning"),
        ({"warning_ms": 20, "critical_ms": 40}, "critical"),
        ({"warning_ms": 5000, "critical_ms": 5000}, "healthy"),
    ],
)
def test_slowness_is_judged_by_p95(limits: dict[str, float], status: str) -> None:
    def slow(_request: t.Any) -> Answer:
        time.sleep(0.06)
        return Answer()

    with serving(slow) as (url, _seen):
        result = check(url, kind="http", **limits)
    assert result["status"] == status
    assert result["latency_ms"]["p95"] >= 60
    assert (" over " in result["evidence"]) == (status != "healthy")


def test_the_first_of_several_samples_only_warms_up() -> None:
    answers = iter([0.3, 0.0, 0.0])

    def cold(_request: t.Any) -> Answer:
        time.sleep(next(answers))
        return Answer()

    with serving(cold) as (url, _seen):
        result = check(url, kind="http", samples=3, warning_ms=250)
    assert result["status"] == "healthy" and result["latency_ms"]["p95"] < 250


def test_percentiles_are_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert health_judge.latency(values) == {"p50": 50.0, "p95": 95.0}
    assert health_judge.latency([7.0]) == {"p50": 7.0, "p95": 7.0}
    assert health_judge.latency([9.0, 1.0]) == {"p50": 1.0, "p95": 9.0}


def test_it_waits_until_the_server_answers() -> None:
    statuses = iter([503, 502, 200])
    probe = {"name": "it", "kind": "http", "attempts": 5, "delay": 0.01}
    shown: list[str] = []
    with serving(lambda _request: Answer(next(statuses))) as (url, seen):
        ctx = context({**probe, "url": url})
        ctx.progress = shown.append
        (result,) = health.run(ctx)["results"]
    assert result["status"] == "healthy" and len(seen) == 3
    assert shown == ["it: critical, attempt 1 of 5", "it: critical, attempt 2 of 5"]


def test_it_gives_up_after_its_attempts() -> None:
    with serving(lambda _request: Answer(503)) as (url, seen):
        result = check(url, kind="http", attempts=2, delay=0)
    assert result["status"] == "critical" and len(seen) == 2


def test_the_worst_status_counts_and_order_is_kept() -> None:
    assert health_kind.worst(["warning", "healthy"]) == "warning"
    assert health_kind.worst(["unknown", "warning"]) == "unknown"
    assert health_kind.worst(["unknown", "critical", "healthy"]) == "critical"
    assert health_kind.worst([]) == "unknown"
    with serving(lambda request: Answer(500 if request.path == "/1" else 200)) as (url, _seen):
        probes = [{"name": f"p{number}", "kind": "http", "url": f"{url}/{number}"} for number in range(3)]
        outcome = health.run(context(*probes))
    assert [(r["check"], r["status"]) for r in outcome["results"]] == [
        ("p0", "healthy"),
        ("p1", "critical"),
        ("p2", "healthy"),
    ]
    assert outcome["status"] == "critical"


def test_no_probes_is_unknown_not_healthy() -> None:
    assert health.run(context()) == {"changed": False, "status": "unknown", "results": []}


def test_probes_run_at_the_same_time() -> None:
    gate = threading.Barrier(8, timeout=5)

    def together(_request: t.Any) -> Answer:
        gate.wait()
        return Answer()

    with serving(together) as (url, _seen):
        outcome = health.run(context(*({"name": str(n), "kind": "http", "url": url} for n in range(8))))
    assert outcome["status"] == "healthy"


def test_fail_on_names_the_failing_checks_and_keeps_the_results() -> None:
    url = f"http://127.0.0.1:{closed_port()}/"
    good = {"kind": "http", "name": "good"}
    with serving(lambda _request: Answer()) as (good_url, _seen):
        ctx = context(
            {**good, "url": good_url},
            {"name": "bad", "kind": "http", "url": url, "next_step": "make deploy"},
            fail_on=["critical", "unknown"],
        )
        with pytest.raises(McpError) as failure:
            health.run(ctx)
    assert failure.value.message.startswith(f"1 of 2 checks of testing failed. bad is critical: {url}: ")
    assert failure.value.message.endswith("Next: make deploy")
    assert [r["status"] for r in failure.value.details["results"]] == ["healthy", "critical"]
    assert failure.value.details["status"] == "critical"


def test_fail_on_accepts_what_it_does_not_list() -> None:
    probe = {"name": "bad", "kind": "http", "url": f"http://127.0.0.1:{closed_port()}/"}
    assert health.run(context(probe, fail_on=["unknown"]))["status"] == "critical"


def token_file(path: Path, **content: t.Any) -> Path:
    path.write_text(json.dumps({"access_token": "very-secret", **content}))
    return path


def test_the_token_is_sent_and_never_shown(tmp_path: Path) -> None:
    file = token_file(tmp_path / "token.json", expires_at=(datetime.now(UTC) + timedelta(minutes=1)).isoformat())
    with serving(lambda request: Answer(body=request.headers["authorization"].encode())) as (url, seen):
        result = check(url, kind="http", token_file=str(file))
    assert seen[0].headers["authorization"] == "Bearer very-secret"
    assert result["status"] == "healthy" and "very-secret" not in json.dumps(result)
    assert "Bearer <token>" in result["evidence"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("not json", "not a token file"),
        ("[]", "not a token file"),
        ('{"token_type": "Bearer"}', "not a token file"),
        ('{"access_token": "x", "expires_at": "soon"}', "not a token file"),
        ('{"access_token": "x", "expires_at": "2020-01-01T00:00:00Z"}', "expired at 2020-01-01T00:00:00Z"),
    ],
)
def test_without_a_usable_token_nothing_is_known(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "token.json"
    if text is not None:
        file.write_text(text)
    with serving(lambda _request: Answer()) as (url, seen):
        result = check(url, kind="http", token_file=str(file))
    assert result["status"] == "unknown" and words in result["evidence"]
    assert result["next_step"] == "ansible-playbook playbooks/token.yml -i INVENTORY --limit testing"
    assert seen == []


def test_a_missing_ca_file_is_unknown() -> None:
    result = check("https://127.0.0.1:1/", kind="http", ca_file="/nonexistent/ca.pem")
    assert result["status"] == "unknown" and "/nonexistent/ca.pem" in result["evidence"]


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternatives, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_verified_against_the_ca_file(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    with serving(lambda _request: Answer(), tls=server_side) as (url, _seen):
        assert url.startswith("https://")
        refused = check(url, kind="http")
        trusted = check(url, kind="http", ca_file=str(certificate))
    assert refused["status"] == "critical" and "was not trusted" in refused["evidence"]
    assert trusted["status"] == "healthy"


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _request: Answer(body=b'"proxied"')) as (url, seen):
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "direct.invalid")
        proxied = check("http://server.invalid/x", kind="http")
        assert [request.path for request in seen] == ["http://server.invalid/x"]
        direct = check("http://direct.invalid/", kind="http")
        loopback = check(url, kind="http")
    assert proxied["status"] == "healthy" and direct["status"] == "unknown" and loopback["status"] == "healthy"
    assert [request.path for request in seen[1:]] == ["/"]


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({"url": "ftp://x/"}, "url=ftp://x/ is not an http:// or https:// URL"),
        ({"url": "https://"}, "is not an http"),
        ({"url": "https://me:hidden@x:port/"}, "url=x:port/ is not an http"),
        ({"url": "http://server.invalid/", "token_file": "t"}, "would carry the token unencrypted"),
        # A name that only begins like an address of this machine.
        ({"url": "http://127.server.invalid/", "token_file": "t"}, "would carry the token unencrypted"),
        ({"url": "http://x/", "samples": 0}, "samples=0 is less than 1"),
        ({"url": "http://x/", "attempts": 0}, "attempts=0"),
        ({"url": "http://x/", "timeout": 0}, "timeout=0"),
        ({"url": "http://x/", "delay": -1}, "delay=-1"),
        ({"url": "http://x/", "kind": "http", "tool": "t"}, "kind=http takes no tool. Use kind mcp, or remove it"),
        ({"url": "http://x/", "expect_json": {"a": 1}}, "kind=mcp takes no expect_json"),
        ({"url": "http://x/", "expect_status": 204}, "kind=mcp takes no expect_status"),
        ({"lambda": {"function_name": "f"}}, "lambda.host is not set"),
        (
            {"kind": "authorizer", "lambda": {"function_name": "f"}, "token_file": "t", "method_arn": "a", "tool": "x"},
            "kind=authorizer takes no tool",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_request(probe: dict[str, t.Any], words: str) -> None:
    with pytest.raises(McpError, match=r"^Probe it: .* run the same command again\.$") as failure:
        health.run(context({"name": "it", **probe}))
    assert words in failure.value.message


def test_names_are_unique() -> None:
    probe = {"name": "it", "url": "http://x/"}
    with pytest.raises(McpError, match="two probes have this name"):
        health.run(context(probe, dict(probe)))


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({}, "exactly one of url and lambda is wanted"),
        ({"url": "http://x/", "lambda": {"function_name": "f", "host": "h"}}, "exactly one of url and lambda"),
        ({"url": "http://x/", "arguments": {"a": 1}}, "arguments is of no use without tool"),
        ({"url": "http://x/", "expect": "x"}, "expect is of no use without tool"),
        ({"lambda": {"host": "h"}}, "missing required arguments: function_name found in lambda"),
        ({"kind": "authorizer", "lambda": {"function_name": "f"}, "method_arn": "a"}, "token_file"),
        ({"kind": "authorizer", "lambda": {"function_name": "f"}, "token_file": "t"}, "method_arn"),
        ({"kind": "authorizer", "url": "http://x/", "token_file": "t", "method_arn": "a"}, "takes no url"),
        ({"url": "http://x/", "kind": "tcp"}, "kind=tcp takes no url"),
    ],
)
def test_contradictions_are_refused(probe: dict[str, t.Any], words: str) -> None:
    with pytest.raises(McpError, match=words):
        health.run(context({"name": "it", **probe}))
