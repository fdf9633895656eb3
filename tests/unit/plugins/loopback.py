# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP servers on loopback whose answers a test writes, and what the health tests share."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import typing as t
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context

RESULT_KEYS = {"environment", "check", "kind", "status", "latency_ms", "evidence", "since", "next_step"}


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def rpc(self) -> dict[str, t.Any]:
        return json.loads(self.body)


@dataclass
class Answer:
    """A response; ``chunks`` is sent piece by piece, with the pause in seconds after each."""

    status: int = 200
    body: t.Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: t.Iterable[tuple[bytes, float]] = ()


def rpc_result(request: Request, result: dict[str, t.Any], **options: t.Any) -> Answer:
    return Answer(body={"jsonrpc": "2.0", "id": request.rpc["id"], "result": result}, **options)


def rpc_error(request: Request, code: int, status: int, **extra: t.Any) -> Answer:
    error = {"code": code, "message": "no", **extra}
    return Answer(status, {"jsonrpc": "2.0", "id": request.rpc["id"], "error": error})


def write(handler: BaseHTTPRequestHandler, answer: Answer, stop: threading.Event) -> None:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    handler.send_response(answer.status)
    if not answer.chunks:
        handler.send_header("Content-Length", str(len(body)))
    for name, value in {"Content-Type": "application/json", **answer.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    for chunk, pause in answer.chunks:
        handler.wfile.write(chunk)
        handler.wfile.flush()
        if stop.wait(pause):
            break
    handler.close_connection = bool(answer.chunks)


@contextlib.contextmanager
def serving(
    answer: t.Callable[[Request], Answer], tls: ssl.SSLContext | None = None
) -> t.Iterator[tuple[str, list[Request]]]:
    """Serve on loopback; yield the base URL and the requests so far."""
    seen: list[Request] = []
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            seen.append(request)
            with contextlib.suppress(OSError):  # the client may have left
                write(self, answer(request), stop)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, format: str, *args: t.Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", seen
    finally:
        stop.set()
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    """Return a loopback port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def context(*probes: dict[str, t.Any], clients: t.Any = None, **options: t.Any) -> Context:
    """Return the context of a task with these probes, validated as Ansible does."""
    given = {"environment": "testing", "probes": list(probes), **options}
    checked = ArgumentSpecValidator(health.ARGUMENT_SPEC).validate(given)
    assert not checked.error_messages, checked.error_messages
    return Context(params=checked.validated_parameters, make_client=lambda service, region: clients)


def check(url: str, **options: t.Any) -> dict[str, t.Any]:
    """Run one probe and return its result."""
    outcome = health.run(context({"name": "it", "url": url, **options}))
    assert outcome["changed"] is False
    (result,) = outcome["results"]
    assert set(result) - {"json"} == RESULT_KEYS
    assert outcome["status"] == result["status"]
    assert (result["next_step"] == "") == (result["status"] == "healthy")
    return result
