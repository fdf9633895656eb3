# SPDX-License-Identifier: MIT
"""Passwords that are on no disk: read from a secret, or signed by what this process is to AWS."""

from __future__ import annotations

import json
import threading
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

# What RDS takes a token for; connections outlive it.
TOKEN_SECONDS = 900
DEFAULT_PORT = 5432


class PasswordUnavailable(OSError):
    """A password cannot be had now; it is part of no message."""


class Credentials(NamedTuple):
    """What a secret says. ``user`` is empty where it holds a password alone."""

    user: str
    password: str


class Login(Protocol):
    """Where the password for a connection comes from."""

    def password(self) -> str:
        """Return it.

        :raises PasswordUnavailable: it cannot be had
        """

    def refused(self) -> None:
        """Learn that a connection with it was not to be had."""


class SecretLogin:
    """The password in a secret: read once, and again after a connection was refused, for it may have been changed.

    :param source: the ARN of a secret, or ``ssm:`` and the name of a parameter
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._known: Credentials | None = None

    def credentials(self) -> Credentials:
        """Return the secret's user and password.

        :raises PasswordUnavailable: it cannot be read, or holds none
        """
        with self._lock:
            if self._known is None:
                self._known = _read(self._source)
            return self._known

    def password(self) -> str:
        """Return the password."""
        return self.credentials().password

    def refused(self) -> None:
        """Forget the password."""
        with self._lock:
            self._known = None


class IamLogin:
    """A token for each connection, signed with the credentials that this process has at AWS.

    :param url: of the database, with a user; a token is good for its host, port and user alone
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._user = unquote(parts.username or "")
        self._address = f"{parts.hostname}:{parts.port or DEFAULT_PORT}"

    def password(self) -> str:
        """Return a new token; nobody is asked for it."""
        try:
            from botocore.auth import SigV4QueryAuth
            from botocore.awsrequest import AWSRequest

            from .. import aws_json

            # Without boto3's client of RDS, for which a model of a megabyte is loaded.
            request = AWSRequest("GET", f"https://{self._address}/", params={"Action": "connect", "DBUser": self._user})
            signing = SigV4QueryAuth(aws_json.credentials(), "rds-db", aws_json.region_name(), expires=TOKEN_SECONDS)
            signing.add_auth(request)
        except Exception as error:  # botocore's have no common class that is cheap to load
            raise PasswordUnavailable(f"no IAM token for the database: {type(error).__name__}: {error}") from error
        return str(request.url).removeprefix("https://")

    def refused(self) -> None:
        """Do nothing: the next token is another one anyway."""


def _read(source: str) -> Credentials:
    """Read a secret: ``{"username": ..., "password": ...}``, or the password as it stands."""
    from .. import aws_secrets

    try:
        (text,) = aws_secrets.read_values(source, [aws_secrets.CURRENT])
    except Exception as error:  # as above
        reason = f"{type(error).__name__}: {error}"
        raise PasswordUnavailable(f"the database's secret {source} cannot be read: {reason}") from error
    try:
        document = json.loads(text)
    except ValueError:
        return Credentials("", text)
    if not isinstance(document, dict):  # a password of digits
        return Credentials("", text)
    password = document.get("password")
    if not isinstance(password, str) or not password:
        raise PasswordUnavailable(f'the secret {source} is a JSON object without "password"')
    return Credentials(str(document.get("username") or ""), password)
