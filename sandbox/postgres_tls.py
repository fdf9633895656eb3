# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS for a PostgreSQL that was built without it: a port that takes PostgreSQL's TLS alone and passes the rest on.

RDS for PostgreSQL refuses connections without TLS (rds.force_ssl); so does this.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import ssl
import struct
from pathlib import Path

import processes

CHUNK = 65536
# Codes of the messages that a client may begin with instead of a startup message (protocol-message-formats).
TLS_WANTED, GSS_WANTED = 80877103, 80877104
HANDSHAKE_SECONDS = 10.0


def refusal(client: str) -> bytes:
    """Return PostgreSQL's answer where no line of pg_hba.conf fits: FATAL, 28000."""
    text = f'no pg_hba.conf entry for host "{client}", no encryption'
    fields = b"".join(key + value.encode() + b"\0" for key, value in ((b"S", "FATAL"), (b"C", "28000"), (b"M", text)))
    return b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"


async def secured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> bool:
    """Take a client's wish for TLS; False: it has none, and was refused."""
    while True:
        length, code = struct.unpack("!ii", await reader.readexactly(8))
        if (length, code) == (8, GSS_WANTED):
            writer.write(b"N")
            await writer.drain()
            continue
        if (length, code) != (8, TLS_WANTED):
            writer.write(refusal(writer.get_extra_info("peername")[0]))
            await writer.drain()
            return False
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(context)
        return True


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until its end."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def serve(
    context: ssl.SSLContext, inner: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one client."""
    away = (OSError, EOFError, TimeoutError, ssl.SSLError)
    with contextlib.suppress(*away):
        if await asyncio.wait_for(secured(reader, writer, context), HANDSHAKE_SECONDS):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", inner)
            ways = [asyncio.create_task(copy(*way)) for way in ((reader, there_writer), (there_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
                with contextlib.suppress(asyncio.CancelledError, *away):
                    await way
            there_writer.close()
    writer.close()


async def listen(folder: Path, port: int, inner: int) -> None:
    """Listen for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    server = await asyncio.start_server(functools.partial(serve, context, inner), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--inner", type=int, required=True, help="port of the PostgreSQL")
    options = parser.parse_args()
    processes.write_pid_file(options.folder / "tls.json", port=options.port)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listen(options.folder, options.port, options.inner))


if __name__ == "__main__":
    main()
