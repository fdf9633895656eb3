# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that runs direct: ``python -m pratiko_mcp`` on a loopback port of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.checkout import ROOT
from tests.support.emulated import free_ports

FOREIGN = ("MCP_", "OTEL_", "AWS_", "PYTHON")


class Issuer:
    """An issuer of access tokens with one key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwks(self) -> str:
        """The public key set, as JSON."""
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return json.dumps({"keys": [{**public, "kid": "test", "alg": "ES256", "use": "sig"}]})

    def token(self, public_url: str, **claims: t.Any) -> str:
        """Sign a token for the server at a public URL, which is its own issuer."""
        now = int(time.time())
        valid = {"iss": public_url, "aud": f"{public_url}/mcp", "sub": "tester", "client_id": "tests"}
        return jwt.encode({**valid, "iat": now, "exp": now + 600, **claims}, self._key, "ES256", {"kid": "test"})


@contextlib.contextmanager
def serve(folder: Path, python_path: Path, **variables: str) -> t.Iterator[str]:
    """Run a server and yield its public URL; its output goes into the folder.

    :param python_path: where the entry point's package lies
    :raises AssertionError: it does not start
    """
    url = f"http://127.0.0.1:{free_ports(1)}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    path = os.pathsep.join(map(str, (ROOT / "app" / "src", python_path)))
    env = {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "MCP_PUBLIC_URL": url, **variables}
    with (folder / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "pratiko_mcp", "--port", url.rpartition(":")[2]]
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            wait_for(f"{url}/health", server, folder / "server.log")
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> None:
    """Wait until a server answers.

    :raises AssertionError: it ended, or took too long
    """
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text(encoding='utf-8')[-4000:]}")
