# SPDX-License-Identifier: MIT
"""Where a store is: a URL without a password, and where the password comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..settings import SettingsError, secret_source
from .login import IamLogin, Login, SecretLogin

DATABASE_AUTH = ("password", "iam")
# RDS asks another service about a token, and on its small classes takes its time. Two is libpq's least.
CONNECT_SECONDS, TOKEN_CONNECT_SECONDS = 2, 10


@dataclass(frozen=True)
class Address:
    """The address of a database.

    :param url: without a password
    :param password_file: file whose text is the password; None where none is needed
    :param login: knows the password where no file has it
    """

    url: str
    password_file: str | None
    login: Login | None = None

    @property
    def connect_seconds(self) -> int:
        """How long one connection may take to come about."""
        return TOKEN_CONNECT_SECONDS if isinstance(self.login, IamLogin) else CONNECT_SECONDS

    def password(self) -> str | None:
        """Return the password, anew for each connection: it may have been changed.

        :raises OSError: it cannot be had
        """
        if self.login is not None:
            return self.login.password()
        if self.password_file is None:
            return None
        return Path(self.password_file).read_text(encoding="utf-8").strip()

    def refused(self) -> None:
        """Learn that a connection with the password was not to be had."""
        if self.login is not None:
            self.login.refused()


def database_address(env: Mapping[str, str] = os.environ) -> Address:
    """Read where PostgreSQL is, and how to log in.

    ``MCP_DATABASE_URL``, and one at most of ``MCP_DATABASE_PASSWORD_FILE``, ``MCP_DATABASE_SECRET`` and
    ``MCP_DATABASE_AUTH=iam``.

    :raises SettingsError: one of them cannot be used
    """
    address = _address("MCP_DATABASE", ("postgresql", "postgres"), "postgresql://mcp@127.0.0.1:5432/mcp", env)
    secret, auth = secret_source(env, "MCP_DATABASE_SECRET"), env.get("MCP_DATABASE_AUTH") or "password"
    if auth not in DATABASE_AUTH:
        raise SettingsError("MCP_DATABASE_AUTH", auth, ", ".join(DATABASE_AUTH))
    used = {
        "MCP_DATABASE_PASSWORD_FILE": address.password_file,
        "MCP_DATABASE_SECRET": secret,
        "MCP_DATABASE_AUTH=iam": auth == "iam",
    }
    names = [name for name, value in used.items() if value]
    if len(names) > 1:
        raise SettingsError(names[0].partition("=")[0], None, "only one of them", f"set together with {names[1]}")
    if auth == "iam":
        _require_verified(address.url)
        return Address(address.url, None, IamLogin(address.url))
    return Address(address.url, None, SecretLogin(secret)) if secret else address


def redis_address(env: Mapping[str, str] = os.environ) -> Address:
    """Read where Redis is: ``MCP_REDIS_URL`` and ``MCP_REDIS_PASSWORD_FILE``.

    :raises SettingsError: one of them cannot be used
    """
    return _address("MCP_REDIS", ("redis", "rediss"), "redis://127.0.0.1:6379/0", env)


def _require_verified(url: str) -> None:
    """Make sure that a token, which is sent as it stands, reaches nobody but the database."""
    parts = urlsplit(url)
    if not parts.username or parse_qs(parts.query).get("sslmode") != ["verify-full"]:
        allowed = "with MCP_DATABASE_AUTH=iam a URL with a user and sslmode=verify-full, for example "
        allowed += "postgresql://mcp@host:5432/mcp?sslmode=verify-full&sslrootcert=/etc/mcp/rds-ca.pem"
        raise SettingsError("MCP_DATABASE_URL", url, allowed)


def _address(name: str, schemes: tuple[str, ...], example: str, env: Mapping[str, str]) -> Address:
    variable, file_variable = f"{name}_URL", f"{name}_PASSWORD_FILE"
    url, file = env.get(variable) or "", env.get(file_variable) or None
    allowed = f"a {schemes[0]}:// URL with a host and without a password, which belongs into the file of "
    allowed += f"{file_variable}, for example {example}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0 and not parts.password
    except ValueError:
        usable = False
    if not url or not usable:  # a password may be in it
        raise SettingsError(variable, None, allowed, "not usable (value not shown)" if url else "")
    if file is not None and not os.access(file, os.R_OK):
        raise SettingsError(file_variable, file, "the path of a file that this process may read")
    return Address(url, file)
