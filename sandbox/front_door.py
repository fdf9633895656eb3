# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand for DNS and for the CDN's edge on loopback, so that a plain client can call an emulated CDN or load balancer.

A door is one loopback port that leads to one emulated CloudFront distribution. It sets the Host
by which the emulator finds the distribution, says that the viewer came by https, and renames what
API Gateway renames. The doors are managed by HTTP on the control port:

    GET    /_sandbox/status
    GET    /_sandbox/doors
    PUT    /_sandbox/doors/<name>   {"host": "d1.cloudfront.net", "health_url": "http://127.0.0.1:4566/..."}
    PUT    /_sandbox/doors/<name>   {"host": "name-1.us-east-1.elb.amazonaws.com", "kind": "load_balancer"}
    DELETE /_sandbox/doors/<name>
    GET    /_sandbox/stand-ins      what stands in for what, as the emulated AWS says

What a door cannot do: the emulator keeps a few paths of any host for itself (/oauth2/*, /logout, /iceberg/*).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
from pathlib import Path
from urllib.parse import urlsplit

import processes
from doors import LOOPBACK, BadDoor, Doors
from relay import UPSTREAM_TIMEOUT, Handler, LoopbackServer

KNOWN = "Known are /_sandbox/status, /_sandbox/stand-ins, /_sandbox/doors and /_sandbox/doors/<name>."


class ControlServer(LoopbackServer):
    """The listener of the control port."""

    def __init__(self, port: int, doors: Doors, directory: str) -> None:
        self.doors = doors
        self.directory = directory
        super().__init__((LOOPBACK, port), ControlHandler)


class ControlHandler(Handler):
    """Manage the doors."""

    server: ControlServer

    def parse_request(self) -> bool:
        """Refuse what a web page could send here by a name that resolves to loopback."""
        if not super().parse_request():
            return False
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"{LOOPBACK}:{port}", f"localhost:{port}"):
            self.close_connection = True
            self.answer(403, {"message": f"The control port only answers to the name {LOOPBACK}:{port}."})
            return False
        return True

    def do_GET(self) -> None:
        """Answer status, doors or what stands in for what."""
        if self.path == "/_sandbox/stand-ins":
            return self._stand_ins()
        if self.path == "/_sandbox/doors":
            return self.answer(200, {"doors": self.server.doors.list()})
        if self.path == "/_sandbox/status":
            return self.answer(200, {"directory": self.server.directory, "doors": self.server.doors.list()})
        return self._unknown()

    def _stand_ins(self) -> None:
        address = urlsplit(self.server.doors.emulator)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=UPSTREAM_TIMEOUT)
        try:
            connection.request("GET", self.path)
            return self.answer(200, json.loads(connection.getresponse().read()))
        except (OSError, ValueError, http.client.HTTPException) as error:
            return self.answer(502, {"message": f"The emulated AWS does not answer: {error}"})
        finally:
            connection.close()

    def do_PUT(self) -> None:
        """Make or change a door."""
        name = self._door_name()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not name:
            return self._unknown()
        try:
            return self.answer(200, self.server.doors.put(name, json.loads(body)))
        except BadDoor as error:
            return self.answer(400, {"message": f"This is no door: {error}."})
        except ValueError:
            return self.answer(400, {"message": "The body is not JSON."})

    def do_DELETE(self) -> None:
        """Close a door."""
        name = self._door_name()
        if name and self.server.doors.delete(name):
            self.answer(204, None)
        elif name:
            self.answer(404, {"message": f"There is no door '{name}'."})
        else:
            self._unknown()

    def _door_name(self) -> str:
        found = re.fullmatch(r"/_sandbox/doors/([^/?]+)", self.path)
        return found.group(1) if found else ""

    def _unknown(self) -> None:
        self.answer(404, {"message": KNOWN})


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Stand for DNS and the CDN's edge on loopback.")
    parser.add_argument("--port", type=int, required=True, help="control port; doors are opened after it")
    parser.add_argument("--emulator", required=True, help="base URL of the emulated AWS")
    parser.add_argument("--directory", type=Path, required=True, help="the sandbox's directory")
    parser.add_argument("--pid-file", type=Path, required=True)
    options = parser.parse_args()
    processes.write_pid_file(options.pid_file, port=options.port)
    doors = Doors(options.directory / "doors.json", options.emulator, options.port + 1)
    server = ControlServer(options.port, doors, str(options.directory))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(0.1)


if __name__ == "__main__":
    main()
