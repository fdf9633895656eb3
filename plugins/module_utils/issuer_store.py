# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a ring of signing keys is kept: two parameters of SSM, or two files of a folder.

Whatever happens is written to the private half first and published from it, so that the next run can complete it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import tempfile
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer_keyring import Ring


class Look(t.NamedTuple):
    """What a look found.

    :param ring: the keys, perhaps without private halves; empty where there is none
    :param published: ids of the keys that were published
    :param complete: what is published is what the private half says
    """

    ring: Ring
    published: list[str]
    complete: bool


class Store(t.Protocol):
    """A place for one ring."""

    names: dict[str, str]

    def lock(self) -> t.ContextManager[object]:
        """Keep other runs out where the place can do that."""

    def look(self) -> Look:
        """Return what is there, decrypting it only where the two halves do not fit."""

    def exists(self) -> bool:
        """Tell whether anything is there."""

    def read(self) -> Ring:
        """Return the keys with their private halves; empty where there is none."""

    def write(self, ring: Ring) -> Ring:
        """Write the private half; return the ring that holds then."""

    def publish(self, ring: Ring) -> None:
        """Write the public half of the ring written or read last."""

    def remove(self) -> None:
        """Remove both halves."""


def make_store(ctx: Context, prefix: str | None, folder: str | None) -> Store:
    """Return the place that the options name."""
    return FileStore(folder) if folder else SsmStore(ctx, prefix or "")


def parameter_names(prefix: str) -> dict[str, str]:
    """Return the names of the two parameters.

    :raises McpError: the prefix is not one that SSM takes
    """
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", prefix) or re.match(r"/(aws|ssm)", prefix, re.I):
        raise McpError(
            f"prefix={prefix} is not a parameter path. It starts with / (not /aws or /ssm), has no / at its end and "
            "consists of letters, digits and _.-/ such as /mcp/production/issuer. Correct it and run again."
        )
    return {"private_key": f"{prefix}/private-key", "jwks": f"{prefix}/jwks"}


class SsmStore:
    """A SecureString and a String beside it.

    SSM cannot make a write depend on what is there, except that nothing is; what a second writer did is noticed by
    the version. The deploy lock keeps runs of the playbooks apart.
    """

    def __init__(self, ctx: Context, prefix: str) -> None:
        self.names = parameter_names(prefix)
        self._client = ctx.client("ssm")
        self._tags = [{"Key": str(key), "Value": str(tag)} for key, tag in (ctx.params.get("tags") or {}).items()]
        key_id = ctx.params.get("kms_key_id")
        self._sealed = {"Type": "SecureString", **({"KeyId": key_id} if key_id else {})}
        self._version = 0
        self._published: str | None = None

    def lock(self) -> t.ContextManager[object]:
        return contextlib.nullcontext()

    def look(self) -> Look:
        found = self._found()
        private, public = found.get(self.names["private_key"]), found.get(self.names["jwks"])
        self._published = public["Value"] if public else None
        parsed = keyring.read_public(self._published or "")
        published = [key["kid"] for key in parsed[0]] if parsed else []
        if not private:
            return Look([], published, False)
        if parsed and parsed[1] == private["Version"]:
            return Look(parsed[0], published, True)
        return Look(self.read(), published, False)

    def _found(self) -> dict[str, dict[str, t.Any]]:
        answer = self._client.get_parameters(Names=list(self.names.values()), WithDecryption=False)
        return {parameter["Name"]: parameter for parameter in answer["Parameters"]}

    def exists(self) -> bool:
        return bool(self._found())

    def read(self) -> Ring:
        name = self.names["private_key"]
        try:
            parameter = self._client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except self._client.exceptions.ParameterNotFound:
            return []
        ring = keyring.read_private(parameter["Value"])
        if ring is None:
            raise McpError(
                f"The SSM parameter {name} holds no signing key. If nothing else uses it, remove it and deploy again: "
                f"aws ssm delete-parameter --name {name}"
            )
        self._version = parameter["Version"]
        return ring

    def write(self, ring: Ring) -> Ring:
        value = keyring.private_document(ring)
        if not self._version:
            return self._create(ring, value)
        name, expected = self.names["private_key"], self._version + 1
        self._version = self._client.put_parameter(Name=name, Value=value, Overwrite=True, **self._sealed)["Version"]
        if self._version != expected:
            raise McpError(
                f"Another run changed the SSM parameter {name} during this one (version {expected} was expected, it is "
                f"{self._version}). Let one run end, then run the same command again: it publishes what holds then."
            )
        return ring

    def _create(self, ring: Ring, value: str) -> Ring:
        name = self.names["private_key"]
        if self._published is not None:
            # Keys whose private halves are gone; left there they would make an unfinished repair look finished.
            self._client.delete_parameters(Names=[self.names["jwks"]])
            self._published = None
        self._version = self._put_new(name, value, self._sealed)
        if self._version:
            return ring
        # Another run was faster: its key is the key.
        ring = self.read()
        if not ring:
            raise McpError(
                f"The SSM parameter {name} appeared and vanished during this run. Run the same command again."
            )
        return ring

    def _put_new(self, name: str, value: str, options: dict[str, str]) -> int:
        """Create a parameter and return its version; 0 when it exists already (it is left as it is)."""
        try:
            answer = self._client.put_parameter(Name=name, Value=value, Tags=self._tags, Overwrite=False, **options)
        except self._client.exceptions.ParameterAlreadyExists:
            return 0
        return answer["Version"]

    def publish(self, ring: Ring) -> None:
        name, value = self.names["jwks"], keyring.public_document(ring, self._version)
        # Tags can only be set when a parameter is made.
        if self._published is not None or not self._put_new(name, value, {"Type": "String"}):
            self._client.put_parameter(Name=name, Value=value, Overwrite=True, Type="String")

    def remove(self) -> None:
        self._client.delete_parameters(Names=list(self.names.values()))


class FileStore:
    """Two files in a folder that only its owner may open."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.abspath(folder)
        self.names = {
            name: os.path.join(self._folder, f"{name.replace('_', '-')}.json") for name in ("private_key", "jwks")
        }

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        handle = os.open(make_private_folder(self._folder), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def look(self) -> Look:
        ring = self.read()
        text = _read(self.names["jwks"])
        try:
            published = [key["kid"] for key in json.loads(text or "")["keys"]]
        except (ValueError, KeyError, TypeError):
            published = []
        return Look(ring, published, bool(ring) and text == _lines(keyring.public_jwks(ring)))

    def exists(self) -> bool:
        return any(os.path.exists(name) for name in self.names.values())

    def read(self) -> Ring:
        name = self.names["private_key"]
        text = _read(name)
        if text is None:
            return []
        for path in (self._folder, name):
            refuse_open_doors(path)
        ring = keyring.read_private(text)
        if ring is None:
            raise McpError(f"The file {name} holds no signing key. If nothing else uses it, remove it: rm {name}")
        return ring

    def write(self, ring: Ring) -> Ring:
        write_private_file(self.names["private_key"], _lines({"keys": ring}))
        return ring

    def publish(self, ring: Ring) -> None:
        write_private_file(self.names["jwks"], _lines(keyring.public_jwks(ring)))

    def remove(self) -> None:
        for name in self.names.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        with contextlib.suppress(OSError):  # something else may lie there
            os.rmdir(self._folder)


def _lines(document: t.Any) -> str:
    return json.dumps(document, indent=2) + "\n"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise McpError(f"path={os.path.dirname(path)} cannot be used: {path} cannot be read: {error}") from error


def refuse_open_doors(path: str) -> None:
    """Refuse a file or folder of keys that others may open.

    :raises McpError: with the command that closes it
    """
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        wanted = "700" if os.path.isdir(path) else "600"
        raise McpError(
            f"{path} is for signing keys and is open to others (mode {mode:04o}). Close it: chmod {wanted} {path}  "
            "If others use this machine, replace the key as well: rotate=true, then promote=true revoke=true"
        )


def make_private_folder(path: str) -> str:
    """Make a folder for its owner alone, unless it is there; return its path.

    :raises McpError: it cannot be made, or others may open it
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        refuse_open_doors(path)
        os.listdir(path)
    except OSError as error:
        raise McpError(
            f"path={path} cannot be used: {error.strerror}. Name a folder for the keys alone, in one that you may "
            "write to."
        ) from error
    return path


def write_private_file(path: str, text: str) -> None:
    """Write a file that only its owner may read; it is complete or not there.

    :raises McpError: the folder or the file cannot be written
    """
    folder = os.path.dirname(os.path.abspath(path))
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        # mkstemp makes it with mode 0600, so there is no moment in which others could read it.
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise McpError(
            f"path={path} cannot be written: {error.strerror}. Name a file in a folder that you may write to."
        ) from error
