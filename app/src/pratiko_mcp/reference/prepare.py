# SPDX-License-Identifier: MIT
"""The user that the server is to the database, made by the master user: what it may is to log in and to make tables.

On RDS it logs in by IAM tokens. From the moment it may, nobody needs the master user's password any more.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote, urlsplit

from ..settings import SettingsError, secret_source
from .address import Address
from .login import IamLogin, PasswordUnavailable, SecretLogin

PAUSE_SECONDS = 1.0
# RDS lets the members of this role log in by a token, and by nothing else.
IAM_ROLE = "rds_iam"
# Any number that nothing else here uses: one makes the user, others wait.
ADVISORY_LOCK = 6_277_101_735_386_681
MAY_ALL = """
    SELECT has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE')"""


class PrepareFailed(Exception):
    """The user is not there; the message says what to do."""


def master_login(source: str) -> SecretLogin:
    """Return the login of the master user.

    :raises SettingsError: the secret's name is none
    """
    checked = secret_source({"--master-secret": source}, "--master-secret")
    if not checked:
        raise SettingsError("--master-secret", None, "the ARN of a secret")
    return SecretLogin(checked)


def prepare(address: Address, master: SecretLogin, seconds: float) -> str:
    """Make sure that the address's user can log in and make tables; say whether something was changed.

    :param seconds: how long to wait for the database, and for AWS to let the user in
    :raises PrepareFailed: it cannot
    """
    ends, made = time.monotonic() + seconds, False
    user = unquote(urlsplit(address.url).username or "")
    while True:
        problem = _try_login(address)
        if problem is None:
            return f"changed: made the user {user}" if made else f"unchanged: the user {user} can log in"
        # The database answered; when it did not, the master user is not let in either.
        if not made and _is_refusal(problem):
            other = _try_making(address, user, master)
            made = other is None
            problem = other or problem
        if time.monotonic() > ends:
            raise PrepareFailed(f"the user {user} cannot log in within {seconds:g} s: {str(problem).strip()}")
        time.sleep(PAUSE_SECONDS)


def _is_refusal(problem: Exception) -> bool:
    return isinstance(problem, PermissionError) or "FATAL:" in str(problem)


def _try_login(address: Address) -> Exception | None:
    """Log in as the server will; return what stands in the way."""
    import psycopg

    try:
        with _connect(address, password=address.password()) as connection:
            (may,) = connection.execute(MAY_ALL).fetchone()
    except (psycopg.OperationalError, PasswordUnavailable) as error:
        address.refused()
        return error
    return None if may else PermissionError("the user may not make tables")


def _try_making(address: Address, user: str, master: SecretLogin) -> Exception | None:
    """Make the user as the master user; return what stands in the way."""
    import psycopg

    try:
        known = master.credentials()
        if known.user == user:
            return PrepareFailed(f"{user} is the master user itself, and is not let in")
        with _connect(address, user=known.user, password=known.password) as connection:
            _make(connection, address, user)
    except (psycopg.Error, PasswordUnavailable) as error:
        master.refused()
        return error
    return None


def _make(connection: Any, address: Address, user: str) -> None:
    """Make the user with all that it needs, or change nothing: it would be let in, and never finished.

    :raises PrepareFailed: the database takes no IAM tokens
    """
    from psycopg import sql

    name = sql.Identifier(user)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        if not _has_role(connection, user):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        if isinstance(address.login, IamLogin):
            if not _has_role(connection, IAM_ROLE):
                raise PrepareFailed(
                    f"there is no role {IAM_ROLE}: IAM database authentication is off. Turn it on "
                    "(EnableIAMDatabaseAuthentication), or leave MCP_DATABASE_AUTH=iam out"
                )
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(IAM_ROLE), name))
        else:
            # Made here, so that the database's log never sees the password.
            verifier = connection.pgconn.encrypt_password(
                (address.password() or "").encode(), user.encode(), b"scram-sha-256"
            )
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(name, sql.Literal(verifier.decode())))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(database, name))
        connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(name))


def _has_role(connection: Any, name: str) -> bool:
    found = connection.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [name]).fetchone()
    return bool(found[0])


def _connect(address: Address, **login: Any) -> Any:
    import psycopg

    return psycopg.connect(
        address.url,
        **login,
        autocommit=True,
        connect_timeout=address.connect_seconds,
        application_name="pratiko-mcp-migrate",
    )
