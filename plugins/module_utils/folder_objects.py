# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that keeps small objects as a bucket does: conditional writes, whole or not at all, listed in order."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shlex
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_first
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Stored

GUARD = ".guard"


def etag(body: bytes) -> str:
    """Return what tells one content from another."""
    return hashlib.sha256(body).hexdigest()


@dataclass
class Folder:
    """The objects of one folder; their keys are paths below it. The same methods as a Bucket."""

    path: pathlib.Path
    # A process that holds the lock is on this machine, where it can be seen to live.
    watched: t.ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Return the folder's path."""
        return str(self.path)

    def url(self, key: str = "") -> str:
        """Return the path of a key."""
        return str(self.path / key)

    def look_command(self, key: str) -> str:
        """Return what shows an object."""
        return f"cat {shlex.quote(self.url(key))}"

    def versions_command(self, key: str) -> str:
        """Return what lists earlier versions: a folder has none."""
        return f"none are kept; its folder: ls -l {shlex.quote(str((self.path / key).parent))}"

    def remove_command(self, key: str) -> str:
        """Return what removes an object."""
        return f"rm {shlex.quote(self.url(key))}"

    def aside_command(self, key: str) -> str:
        """Return what puts an object aside."""
        return f"mv {shlex.quote(self.url(key))} {shlex.quote(self.url(key.replace('/', '-') + '.aside'))}"

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        """Let one process at a time compare and write."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path / GUARD, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self.failure(error, "write to", "") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def failure(self, error: OSError, verb: str, key: str) -> McpError:
        """Return the error to raise."""
        return McpError(
            f"Could not {verb} {self.url(key)}: {error.strerror or error}. Make the folder yours (ls -ld "
            f"{shlex.quote(self.name)}), or choose another one: -e mcp_local_dir=..."
        )

    def read(self, key: str) -> Stored | None:
        """Return an object, None when it is not there."""
        try:
            body = (self.path / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self.failure(error, "read", key) from error
        return Stored(body, etag(body))

    def write(self, key: str, body: bytes, **options: str) -> str | None:
        """Write an object and return its tag; None when the condition in ``options`` does not hold."""
        with self._alone():
            there = self.read(key)
            if "IfNoneMatch" in options and there is not None:
                return None
            if "IfMatch" in options and (there is None or there.etag != options["IfMatch"]):
                return None
            try:
                local_first.write_whole(self.path / key, body)
            except OSError as error:
                raise self.failure(error, "write", key) from error
        return etag(body)

    def delete(self, key: str, tag: str) -> bool:
        """Delete an object as long as it still is the one that was read."""
        with self._alone():
            there = self.read(key)
            if there is None or there.etag != tag:
                return False
            try:
                (self.path / key).unlink()
            except OSError as error:
                raise self.failure(error, "delete", key) from error
        return True

    def pages(self, prefix: str, size: int) -> t.Iterator[list[str]]:
        """Yield the keys of one folder in their order, at most ``size`` at a time."""
        folder = self.path / prefix
        try:
            names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and entry.name[0] != ".")
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise self.failure(error, "list", prefix) from error
        keys = [prefix + name for name in names if not name.endswith(".part")]
        for begin in range(0, len(keys), size):
            yield keys[begin : begin + size]

    def require(self) -> None:
        """Return: a folder is made when something is written to it."""

    def parse(self, key: str, stored: Stored | None) -> t.Any:
        """Return the JSON value of an object, None when it is not there.

        :raises McpError: the object is not JSON
        """
        try:
            return None if stored is None else json.loads(stored.body)
        except ValueError as error:
            raise McpError(
                f"{self.url(key)} is not JSON: {error}. Look at it with: {self.look_command(key)}", url=self.url(key)
            ) from error
