# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 health probes of kind http, the last of them slow, against the slow one alone; and the memory of many rounds.

The server is a process of its own: what it takes is not the module's.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.figures import compare, in_turns, rounds

ROUNDS = 5
PROBES = 1000
SLOW_SECONDS = 5
MEMORY_ROUNDS = 10
SERVER = f"""
import asyncio

async def answer(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            if b" /slow " in head:
                await asyncio.sleep({SLOW_SECONDS})
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Yield the address of a server in another process."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def look(url: str, count: int, last: str) -> float:
    """Return the seconds of one task with so many probes.

    :raises SystemExit: a check is not answered
    """
    from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health

    from tests.unit.plugins.loopback import context

    paths = [*(str(number) for number in range(count - 1)), last]
    probes = [{"name": f"check {path}", "kind": "http", "url": f"{url}/{path}", "warning_ms": 60000} for path in paths]
    began = time.monotonic()
    outcome = health.run(context(*probes))
    seconds = time.monotonic() - began
    if outcome["status"] != "healthy" or len(outcome["results"]) != count:
        raise SystemExit(f"not healthy: {[r for r in outcome['results'] if r['status'] != 'healthy'][:3]}")
    return seconds


def megabytes() -> float:
    """Return the most that this process ever used."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure."""
    from tests.conftest import _make_collection_importable

    _make_collection_importable()
    with server() as url:
        count = rounds(ROUNDS)
        mine, others = in_turns(count, lambda: look(url, PROBES, "slow"), lambda: look(url, 1, "slow"))
        compare(f"health, {PROBES} probes, one slow by {SLOW_SECONDS} s", "s", mine, others, "alone", "goal <= 1.2")
        look(url, PROBES, "quick")
        before = megabytes()
        for _number in range(MEMORY_ROUNDS):
            look(url, PROBES, "quick")
        compare(f"health, memory after {MEMORY_ROUNDS} rounds", "MB", [megabytes()], [before], "one", "goal <= 1.1")


if __name__ == "__main__":
    main()
