# SPDX-License-Identifier: MIT
"""Where a store is: a URL without a password, and the file that holds the password."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..settings import SettingsError


@dataclass(frozen=True)
class Address:
    """The address of a database.

    :param url: without a password
    :param password_file: file whose text is the password; None where none is needed
    """

    url: str
    password_file: str | None

    def password(self) -> str | None:
        """Read the password, anew for each connection: it may have been changed.

        :raises OSError: the file cannot be read
        """
        if self.password_file is None:
            return None
        return Path(self.password_file).read_text(encoding="utf-8").strip()


def database_address(env: Mapping[str, str] = os.environ) -> Address:
    """Read where PostgreSQL is: ``MCP_DATABASE_URL`` and ``MCP_DATABASE_PASSWORD_FILE``.

    :raises SettingsError: one of them cannot be used
    """
    return _address("MCP_DATABASE", ("postgresql", "postgres"), "postgresql://mcp@127.0.0.1:5432/mcp", env)


def redis_address(env: Mapping[str, str] = os.environ) -> Address:
    """Read where Redis is: ``MCP_REDIS_URL`` and ``MCP_REDIS_PASSWORD_FILE``.

    :raises SettingsError: one of them cannot be used
    """
    return _address("MCP_REDIS", ("redis", "rediss"), "redis://127.0.0.1:6379/0", env)


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
