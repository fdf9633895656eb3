# SPDX-License-Identifier: MIT
"""Configuration from the environment, checked once; nothing else reads ``MCP_*`` variables of the runtime."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
AUTH_MODES = ("jwt", "none")
METRICS_MODES = ("prometheus", "emf", "off")
SWITCH = ("true", "false")
MIN_KEY_BYTES = 32
MAX_BODY_BYTES = 4 * 1024 * 1024
# Lambda's longest run; a call that takes more is a task to be polled, not a request.
MAX_SECONDS = 900.0
DEFAULT_ENTRYPOINT = "pratiko_mcp.reference.server:mcp"
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8000"
APP_ENVIRONMENT_ALLOWED = (
    'a JSON object of texts and numbers, {"ORDERS_TABLE": "orders"}, whose names are letters, digits and underscores, '
    "a letter first, and do not begin with MCP_, AWS_ or LAMBDA_"
)
TOOL_SCOPES_ALLOWED = 'a JSON object of tool names and lists of scopes, {"save_document": ["docs:write"], "get_*": []}'

# A host name or address, then nothing, a port, or ":*" for any port.
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:(\d{1,5}|\*))?")
_ENTRYPOINT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PARAMETER = re.compile(r"[A-Za-z0-9_./-]{1,1011}")
_APP_VARIABLE = re.compile(r"(?!(?:mcp|aws|lambda)_)[a-z]\w*", re.ASCII | re.IGNORECASE)
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")  # what no environment can hold
_SECRET = re.compile(r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+|ssm:(/[A-Za-z0-9_.-]+)+")
SECRET_ALLOWED = "the ARN of a Secrets Manager secret, or ssm: and the path of a parameter, ssm:/mcp/production/origin"


class SettingsError(ValueError):
    """A variable holds a value that cannot be used.

    :param name: the environment variable
    :param value: what it holds; None when it is not set
    :param allowed: what it may hold
    :param state: said in place of a value that must not be shown, or that is not the problem
    """

    def __init__(self, name: str, value: str | None, allowed: str, state: str = "") -> None:
        self.name = name
        shown = state or (repr(value) if value else "not set")
        super().__init__(f"{name} is {shown}. Allowed: {allowed}.")


@dataclass(frozen=True)
class TokenSettings:
    """What an access token must satisfy.

    At most one of ``jwks`` (a parsed key set) and ``jwks_url`` is set; with neither, the foreign issuer's own
    metadata names its keys (OIDC discovery).
    """

    issuer: str
    audiences: tuple[str, ...]
    jwks: Mapping[str, Any] | None
    jwks_url: str | None


@dataclass(frozen=True)
class Settings:
    """Configuration of the server.

    ``token`` is None when authentication is off (MCP_AUTH=none), ``tool_scopes`` when the entry point's module decides.
    ``app_environment`` is for the served application. Timeouts are in seconds.
    """

    environment: str
    release: str
    entrypoint: str
    server_name: str
    public_url: str
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    token: TokenSettings | None
    scopes_supported: tuple[str, ...]
    request_state_secret: str | None
    request_state_key: str | None
    log_level: str
    on_lambda: bool
    tool_scopes: Mapping[str, Sequence[str]] | None
    limits_parameter: str | None
    limits_file: str | None
    sessions: bool
    max_body_bytes: int
    request_timeout: float
    body_timeout: float
    metrics: str
    metrics_by_tool: bool
    app_environment: Mapping[str, str]

    @property
    def resource(self) -> str:
        """The MCP endpoint, which is also the resource identifier of RFC 8707 and RFC 9728."""
        return self.public_url + "/mcp"


@dataclass(frozen=True)
class AuthorizerSettings:
    """Configuration of the API Gateway authorizer."""

    token: TokenSettings
    origin_secret: str


@dataclass(frozen=True)
class RotationSettings:
    """Configuration of the function that rotates the two secrets; no distribution before the first deploy has ended."""

    origin_secret: str
    request_state_secret: str
    distribution_id: str | None


def load_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Read the server's configuration.

    :raises SettingsError: the first variable that cannot be used
    """
    auth = _choice(env, "MCP_AUTH", "jwt", AUTH_MODES)
    public_url = _public_url(env, DEFAULT_PUBLIC_URL if auth == "none" else None)
    _refuse_both(env, "MCP_REQUEST_STATE_KEY", "MCP_REQUEST_STATE_SECRET")
    _refuse_both(env, "MCP_LIMITS_FILE", "MCP_LIMITS_PARAMETER")
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in env
    return Settings(
        environment=env.get("MCP_ENVIRONMENT") or "local",
        release=env.get("MCP_RELEASE") or "unreleased",
        entrypoint=_matching(env, "MCP_ENTRYPOINT", DEFAULT_ENTRYPOINT, _ENTRYPOINT, "package.module:object"),
        server_name=env.get("MCP_SERVER_NAME") or "mcp",
        public_url=public_url,
        allowed_hosts=_allowed_hosts(env, public_url),
        allowed_origins=_allowed_origins(env),
        token=load_token_settings(env, public_url) if auth == "jwt" else None,
        scopes_supported=tuple(env.get("MCP_SCOPES_SUPPORTED", "").replace(",", " ").split()),
        request_state_secret=secret_source(env, "MCP_REQUEST_STATE_SECRET"),
        request_state_key=_request_state_key(env),
        log_level=_choice(env, "MCP_LOG_LEVEL", "INFO", LOG_LEVELS),
        on_lambda=on_lambda,
        tool_scopes=_tool_scopes(env),
        limits_parameter=_parameter(env, "MCP_LIMITS_PARAMETER"),
        limits_file=env.get("MCP_LIMITS_FILE") or None,
        sessions=_sessions(env, on_lambda),
        max_body_bytes=_bytes(env, "MCP_MAX_BODY_BYTES", MAX_BODY_BYTES),
        request_timeout=_seconds(env, "MCP_REQUEST_TIMEOUT", 28.0),
        body_timeout=_seconds(env, "MCP_BODY_TIMEOUT", 10.0),
        metrics=_choice(env, "MCP_METRICS", "emf" if on_lambda else "prometheus", METRICS_MODES),
        metrics_by_tool=_switch(env, "MCP_METRICS_BY_TOOL"),
        app_environment=_app_environment(env),
    )


def load_authorizer_settings(env: Mapping[str, str] = os.environ) -> AuthorizerSettings:
    """Read the authorizer's configuration.

    :raises SettingsError: the first variable that cannot be used
    """
    origin_secret = _required_secret(env, "MCP_ORIGIN_SECRET")
    return AuthorizerSettings(load_token_settings(env, _public_url(env, None)), origin_secret)


def load_rotation_settings(env: Mapping[str, str] = os.environ) -> RotationSettings:
    """Read the configuration of the function that rotates secrets.

    :raises SettingsError: the first variable that cannot be used
    """
    return RotationSettings(
        origin_secret=_required_secret(env, "MCP_ORIGIN_SECRET"),
        request_state_secret=_required_secret(env, "MCP_REQUEST_STATE_SECRET"),
        distribution_id=env.get("MCP_DISTRIBUTION_ID") or None,
    )


def load_token_settings(env: Mapping[str, str], public_url: str) -> TokenSettings:
    """Read whose tokens are accepted; issuer and audience default to our own."""
    inline, url = env.get("MCP_JWKS"), env.get("MCP_JWKS_URL")
    issuer = check_url("MCP_ISSUER", env.get("MCP_ISSUER") or public_url)
    allowed = "a JSON Web Key Set, or MCP_JWKS_URL instead, never both"
    if inline and url:
        raise SettingsError("MCP_JWKS", None, allowed, "set together with MCP_JWKS_URL")
    if not inline and not url:  # a foreign issuer is asked where its keys are
        if issuer == public_url:
            raise SettingsError("MCP_JWKS", None, allowed + "; neither for a foreign MCP_ISSUER with OIDC discovery")
        _secure_url("MCP_ISSUER", issuer)
    return TokenSettings(
        issuer=issuer,
        audiences=_list(env, "MCP_AUDIENCE") or (public_url + "/mcp",),
        jwks=_key_set(inline) if inline else None,
        jwks_url=_secure_url("MCP_JWKS_URL", url) if url else None,
    )


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address stays on this machine."""
    name = (host or "").lower()
    return name in ("localhost", "::1") or name.endswith(".localhost") or bool(re.fullmatch(r"127(\.\d+){3}", name))


def _list(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())


def _choice(env: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name) or default
    if value not in allowed:
        raise SettingsError(name, value, ", ".join(allowed))
    return value


def _switch(env: Mapping[str, str], name: str) -> bool:
    return _choice(env, name, "false", SWITCH) == "true"


def _sessions(env: Mapping[str, str], on_lambda: bool) -> bool:
    """Accept sessions where the next request of one is sure to reach this process."""
    if _switch(env, "MCP_SESSIONS") and on_lambda:
        raise SettingsError("MCP_SESSIONS", "true", "false on Lambda, where every request may reach another instance")
    return _switch(env, "MCP_SESSIONS")


def _bytes(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name) or str(default)
    if not re.fullmatch(r"\d{1,9}", value) or not 1024 <= int(value) <= 100 * 1024 * 1024:
        raise SettingsError(name, value, f"bytes as a number from 1024 to 104857600, for example {default}")
    return int(value)


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name) or str(default)
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", value) or not 0 < float(value) <= MAX_SECONDS:
        allowed = f"seconds as a number over 0 and up to {MAX_SECONDS:g}, for example {default:g}"
        raise SettingsError(name, value, allowed)
    return float(value)


def _refuse_both(env: Mapping[str, str], name: str, other: str) -> None:
    if env.get(name) and env.get(other):
        raise SettingsError(name, None, "only one of the two", f"set together with {other}")


def _parameter(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name)
    if value and not _PARAMETER.fullmatch(value):
        raise SettingsError(name, value, "the name of an SSM parameter, for example /mcp/production/limits")
    return value or None


def _tool_scopes(env: Mapping[str, str]) -> Mapping[str, Sequence[str]] | None:
    """Parse the JSON object; its entries are checked where the module's own ones are, by ToolScopes."""
    text = env.get("MCP_TOOL_SCOPES")
    if not text:
        return None
    try:
        scopes = json.loads(text)
    except (ValueError, RecursionError):
        scopes = None
    if not isinstance(scopes, dict):
        raise SettingsError("MCP_TOOL_SCOPES", text, TOOL_SCOPES_ALLOWED)
    return scopes


def _app_environment(env: Mapping[str, str]) -> Mapping[str, str]:
    """Parse the variables of the served application; numbers stay as they were written."""
    name = "MCP_APP_ENVIRONMENT"
    try:
        found = json.loads(env.get(name) or "{}", parse_int=str, parse_float=str, parse_constant=lambda word: None)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SettingsError(name, None, APP_ENVIRONMENT_ALLOWED, "no JSON object (value not shown)")
    for variable, value in found.items():
        if not _APP_VARIABLE.fullmatch(variable):
            raise SettingsError(name, None, APP_ENVIRONMENT_ALLOWED, f"not usable, it names {variable[:80]!r}")
        if not isinstance(value, str) or _NO_TEXT.search(value):
            state = f"not usable, {variable} is neither text nor a number (value not shown)"
            raise SettingsError(name, None, APP_ENVIRONMENT_ALLOWED, state)
    return found


def _matching(env: Mapping[str, str], name: str, default: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = env.get(name) or default
    if not pattern.fullmatch(value):
        raise SettingsError(name, value, allowed)
    return value


def check_url(name: str, value: str) -> str:
    """Accept an absolute http(s) URL without credentials, query or fragment."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.query or parts.fragment or re.search(r'[\s"\\]', value):
        raise SettingsError(name, value, "an absolute http(s) URL without credentials, query or fragment")
    return value


def _public_url(env: Mapping[str, str], default: str | None) -> str:
    value = env.get("MCP_PUBLIC_URL") or default
    if not value:
        raise SettingsError("MCP_PUBLIC_URL", None, "the public URL without /mcp, for example https://mcp.example.com")
    url = check_url("MCP_PUBLIC_URL", value)
    if url.endswith(("/", "/mcp")):
        raise SettingsError("MCP_PUBLIC_URL", value, "a URL without a trailing slash and without /mcp")
    return url


def _secure_url(name: str, value: str) -> str:
    url = urlsplit(check_url(name, value))
    if url.scheme != "https" and not is_loopback(url.hostname):
        raise SettingsError(name, value, "an https URL (http only on loopback: keys must not be replaceable)")
    return value


def _key_set(text: str) -> Mapping[str, Any]:
    """Parse the inline key set, which is published as it stands: a private or shared key must not be in it."""
    allowed = 'a JSON Web Key Set of public EC or RSA keys, {"keys": [{"kty": "EC", ...}]}'
    try:
        keys = json.loads(text)["keys"]
        public = bool(keys) and all(key["kty"] in ("EC", "RSA") and "d" not in key for key in keys)
    except (ValueError, TypeError, KeyError):
        public = False
    if not public:
        raise SettingsError("MCP_JWKS", text, allowed, "not a set of public keys (value not shown)")
    return {"keys": keys}


def secret_source(env: Mapping[str, str], name: str) -> str | None:
    """Check where a secret is to be read; None where none is named.

    :raises SettingsError: it is neither an ARN nor the name of a parameter
    """
    value = env.get(name)
    if value and not _SECRET.fullmatch(value):
        raise SettingsError(name, value, SECRET_ALLOWED, "not an ARN (value not shown)")
    return value or None


def _required_secret(env: Mapping[str, str], name: str) -> str:
    value = secret_source(env, name)
    if not value:
        raise SettingsError(name, None, SECRET_ALLOWED)
    return value


def _request_state_key(env: Mapping[str, str]) -> str | None:
    value = env.get("MCP_REQUEST_STATE_KEY")
    if value and len(value.encode()) < MIN_KEY_BYTES:
        length = f"{len(value.encode())} bytes long"
        raise SettingsError("MCP_REQUEST_STATE_KEY", value, f"at least {MIN_KEY_BYTES} random bytes", length)
    return value or None


def _allowed_hosts(env: Mapping[str, str], public_url: str) -> tuple[str, ...]:
    hosts = _list(env, "MCP_ALLOWED_HOSTS") or (urlsplit(public_url).netloc,)
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise SettingsError("MCP_ALLOWED_HOSTS", host, "host names, each as name, name:port or name:*; never *")
    return tuple(host.lower() for host in hosts)


def _allowed_origins(env: Mapping[str, str]) -> tuple[str, ...]:
    origins = _list(env, "MCP_ALLOWED_ORIGINS")
    for origin in origins:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not _HOST.fullmatch(host):
            raise SettingsError("MCP_ALLOWED_ORIGINS", origin, "origins such as https://app.example.com; never *")
    return tuple(origin.lower() for origin in origins)
