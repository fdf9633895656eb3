# SPDX-License-Identifier: MIT
"""What the environment may hold, and what is said when it holds something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pratiko_mcp import __main__
from pratiko_mcp.__main__ import check_bind
from pratiko_mcp.settings import (
    RotationSettings,
    SettingsError,
    is_loopback,
    load_authorizer_settings,
    load_rotation_settings,
    load_settings,
)

KEY = {"kty": "EC", "crv": "P-256", "kid": "1", "x": "x", "y": "y"}
JWKS = json.dumps({"keys": [KEY]})
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-AbCdEf"
GOOD = {"MCP_PUBLIC_URL": "https://mcp.example.com", "MCP_JWKS": JWKS}


def test_defaults() -> None:
    settings = load_settings(GOOD)
    assert settings.token is not None
    assert settings.token.issuer == "https://mcp.example.com"
    assert settings.token.audiences == ("https://mcp.example.com/mcp",)
    assert settings.allowed_hosts == ("mcp.example.com",)
    assert settings.allowed_origins == ()
    assert settings.resource == "https://mcp.example.com/mcp"
    assert settings.log_level == "INFO"


def test_everything_set() -> None:
    settings = load_settings(
        {
            "MCP_ENVIRONMENT": "staging",
            "MCP_RELEASE": "r1",
            "MCP_ENTRYPOINT": "pkg.mod:make.app",
            "MCP_SERVER_NAME": "docs",
            "MCP_PUBLIC_URL": "http://localhost:8080/base",
            "MCP_ALLOWED_HOSTS": "A.example.com, localhost, 127.0.0.1:*, [::1]:8080",
            "MCP_ALLOWED_ORIGINS": "https://App.example.com,http://localhost:*",
            "MCP_ISSUER": "https://issuer.example/pool",
            "MCP_AUDIENCE": "a, b",
            "MCP_JWKS_URL": "https://issuer.example/keys",
            "MCP_REQUEST_STATE_SECRET": ARN,
            "MCP_LOG_LEVEL": "ERROR",
            "MCP_SCOPES_SUPPORTED": "read,write admin",
        }
    )
    assert settings.allowed_hosts == ("a.example.com", "localhost", "127.0.0.1:*", "[::1]:8080")
    assert settings.allowed_origins == ("https://app.example.com", "http://localhost:*")
    assert settings.token is not None
    assert (settings.token.audiences, settings.token.jwks) == (("a", "b"), None)
    assert settings.scopes_supported == ("read", "write", "admin")
    assert settings.request_state_secret == ARN


def test_defaults_of_the_limits() -> None:
    settings = load_settings(GOOD)
    assert (settings.max_body_bytes, settings.request_timeout, settings.body_timeout) == (4194304, 28.0, 10.0)
    assert (settings.sessions, settings.tool_scopes, settings.on_lambda) == (False, None, False)
    assert (settings.limits_parameter, settings.limits_file) == (None, None)
    assert (settings.metrics, settings.metrics_by_tool) == ("prometheus", False)
    on_lambda = load_settings({**GOOD, "AWS_LAMBDA_FUNCTION_NAME": "mcp"})
    assert (on_lambda.metrics, on_lambda.on_lambda) == ("emf", True)


def test_limits_set() -> None:
    settings = load_settings(
        {
            **GOOD,
            "MCP_TOOL_SCOPES": '{"save_*": ["docs:write"]}',
            "MCP_LIMITS_PARAMETER": "/mcp/production/limits",
            "MCP_SESSIONS": "true",
            "MCP_MAX_BODY_BYTES": "1024",
            "MCP_REQUEST_TIMEOUT": "0.5",
            "MCP_BODY_TIMEOUT": "900",
            "MCP_METRICS": "off",
            "MCP_METRICS_BY_TOOL": "true",
        }
    )
    assert settings.tool_scopes == {"save_*": ["docs:write"]}
    assert (settings.limits_parameter, settings.limits_file) == ("/mcp/production/limits", None)
    assert (settings.sessions, settings.metrics, settings.metrics_by_tool) == (True, "off", True)
    assert (settings.max_body_bytes, settings.request_timeout, settings.body_timeout) == (1024, 0.5, 900.0)


def test_keys_of_a_foreign_issuer_are_found_by_discovery() -> None:
    foreign = {"MCP_PUBLIC_URL": "https://mcp.example.com", "MCP_ISSUER": "https://issuer.example/pool"}
    token = load_settings(foreign).token
    assert token is not None
    assert (token.issuer, token.jwks, token.jwks_url) == ("https://issuer.example/pool", None, None)
    with pytest.raises(SettingsError, match="MCP_JWKS is not set"):
        load_settings({**foreign, "MCP_ISSUER": "https://mcp.example.com"})


def test_empty_is_unset() -> None:
    empty = dict.fromkeys(
        ("MCP_JWKS_URL", "MCP_ISSUER", "MCP_AUDIENCE", "MCP_REQUEST_STATE_SECRET", "MCP_LOG_LEVEL"), ""
    )
    assert load_settings({**GOOD, **empty}) == load_settings(GOOD)


def test_without_authentication_nothing_needs_to_be_set() -> None:
    settings = load_settings({"MCP_AUTH": "none"})
    assert settings.token is None
    assert settings.entrypoint == "pratiko_mcp.reference.server:mcp"


BAD = {
    "auth": ({"MCP_AUTH": "off"}, "MCP_AUTH is 'off'. Allowed: jwt, none."),
    "no public url": ({"MCP_PUBLIC_URL": ""}, "MCP_PUBLIC_URL is not set"),
    "relative public url": ({"MCP_PUBLIC_URL": "mcp.example.com"}, "MCP_PUBLIC_URL is 'mcp.example.com'"),
    "public url with a slash": ({"MCP_PUBLIC_URL": "https://a.example/"}, "without a trailing slash"),
    "public url with /mcp": ({"MCP_PUBLIC_URL": "https://a.example/mcp"}, "without /mcp"),
    "public url with a quote": ({"MCP_PUBLIC_URL": 'https://a.example/"x'}, "MCP_PUBLIC_URL is"),
    "public url with a bad port": ({"MCP_PUBLIC_URL": "https://a.example:99999"}, "MCP_PUBLIC_URL is"),
    "public url with a password": ({"MCP_PUBLIC_URL": "https://u:p@a.example"}, "without credentials"),
    "entrypoint": ({"MCP_ENTRYPOINT": "server.py"}, "MCP_ENTRYPOINT is 'server.py'. Allowed: package.module:object."),
    "any host": ({"MCP_ALLOWED_HOSTS": "a.example,*"}, "MCP_ALLOWED_HOSTS is '*'"),
    "host pattern": ({"MCP_ALLOWED_HOSTS": "*.example.com"}, "MCP_ALLOWED_HOSTS is '*.example.com'"),
    "host with a scheme": ({"MCP_ALLOWED_HOSTS": "https://a.example"}, "MCP_ALLOWED_HOSTS is"),
    "any origin": ({"MCP_ALLOWED_ORIGINS": "*"}, "MCP_ALLOWED_ORIGINS is '*'"),
    "origin without a scheme": ({"MCP_ALLOWED_ORIGINS": "app.example"}, "MCP_ALLOWED_ORIGINS is 'app.example'"),
    "issuer": ({"MCP_ISSUER": "me"}, "MCP_ISSUER is 'me'"),
    "no keys": ({"MCP_JWKS": ""}, "MCP_JWKS is not set. Allowed: a JSON Web Key Set, or MCP_JWKS_URL"),
    "two sources of keys": ({"MCP_JWKS_URL": "https://i.example/k"}, "MCP_JWKS is set together with MCP_JWKS_URL"),
    "keys are no JSON": ({"MCP_JWKS": "{"}, "MCP_JWKS is not a set of public keys"),
    "keys are empty": ({"MCP_JWKS": '{"keys": []}'}, "MCP_JWKS is not a set of public keys"),
    "keys are text": ({"MCP_JWKS": '{"keys": ["a"]}'}, "MCP_JWKS is not a set of public keys"),
    "shared key": ({"MCP_JWKS": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'}, "MCP_JWKS is not a set of public keys"),
    "keys over http": ({"MCP_JWKS": "", "MCP_JWKS_URL": "http://i.example/k"}, "MCP_JWKS_URL is 'http://i.example/k'"),
    "keys from a file": ({"MCP_JWKS": "", "MCP_JWKS_URL": "file:///etc/passwd"}, "MCP_JWKS_URL is"),
    "log level": ({"MCP_LOG_LEVEL": "LOUD"}, "MCP_LOG_LEVEL is 'LOUD'. Allowed: DEBUG, INFO, WARNING, ERROR."),
    "request state secret": ({"MCP_REQUEST_STATE_SECRET": "s3cr3t"}, "MCP_REQUEST_STATE_SECRET is not an ARN"),
    "request state key": ({"MCP_REQUEST_STATE_KEY": "short"}, "MCP_REQUEST_STATE_KEY is 5 bytes long"),
    "sessions": ({"MCP_SESSIONS": "yes"}, "MCP_SESSIONS is 'yes'. Allowed: true, false."),
    "sessions on Lambda": (
        {"MCP_SESSIONS": "true", "AWS_LAMBDA_FUNCTION_NAME": "mcp"},
        "MCP_SESSIONS is 'true'. Allowed: false on Lambda",
    ),
    "metrics": ({"MCP_METRICS": "statsd"}, "MCP_METRICS is 'statsd'. Allowed: prometheus, emf, off."),
    "metrics by tool": ({"MCP_METRICS_BY_TOOL": "1"}, "MCP_METRICS_BY_TOOL is '1'. Allowed: true, false."),
    "scopes are no JSON": ({"MCP_TOOL_SCOPES": "save"}, "MCP_TOOL_SCOPES is 'save'. Allowed: a JSON object"),
    "scopes are a list": ({"MCP_TOOL_SCOPES": "[1]"}, "MCP_TOOL_SCOPES is '[1]'. Allowed: a JSON object"),
    "scopes are too deep": ({"MCP_TOOL_SCOPES": "[" * 100_000}, "Allowed: a JSON object"),
    "parameter": ({"MCP_LIMITS_PARAMETER": "a b"}, "MCP_LIMITS_PARAMETER is 'a b'. Allowed: the name of an SSM"),
    "two policies": (
        {"MCP_LIMITS_PARAMETER": "/a", "MCP_LIMITS_FILE": "b"},
        "MCP_LIMITS_FILE is set together with MCP_LIMITS_PARAMETER. Allowed: only one of the two.",
    ),
    "small body": ({"MCP_MAX_BODY_BYTES": "0"}, "MCP_MAX_BODY_BYTES is '0'. Allowed: bytes as a number from 1024"),
    "large body": ({"MCP_MAX_BODY_BYTES": "104857601"}, "MCP_MAX_BODY_BYTES is '104857601'"),
    "body with a unit": ({"MCP_MAX_BODY_BYTES": "4MB"}, "MCP_MAX_BODY_BYTES is '4MB'"),
    "no time": ({"MCP_REQUEST_TIMEOUT": "0"}, "MCP_REQUEST_TIMEOUT is '0'. Allowed: seconds as a number over 0"),
    "negative time": ({"MCP_REQUEST_TIMEOUT": "-1"}, "MCP_REQUEST_TIMEOUT is '-1'"),
    "endless time": ({"MCP_REQUEST_TIMEOUT": "inf"}, "MCP_REQUEST_TIMEOUT is 'inf'"),
    "too much time": ({"MCP_BODY_TIMEOUT": "900.1"}, "MCP_BODY_TIMEOUT is '900.1'. Allowed: seconds"),
    "discovery over http": (
        {"MCP_JWKS": "", "MCP_ISSUER": "http://issuer.example"},
        "MCP_ISSUER is 'http://issuer.example'. Allowed: an https URL",
    ),
    "variables are a list": ({"MCP_APP_ENVIRONMENT": "[]"}, "MCP_APP_ENVIRONMENT is no JSON object (value not shown)"),
    "variables are not JSON": ({"MCP_APP_ENVIRONMENT": "{"}, "MCP_APP_ENVIRONMENT is no JSON object"),
    "a variable is true": (
        {"MCP_APP_ENVIRONMENT": '{"A": true}'},
        "MCP_APP_ENVIRONMENT is not usable, A is neither text nor a number",
    ),
    "a variable is null": (
        {"MCP_APP_ENVIRONMENT": '{"A": null}'},
        "MCP_APP_ENVIRONMENT is not usable, A is neither text nor a number",
    ),
    "a variable is NaN": ({"MCP_APP_ENVIRONMENT": '{"A": NaN}'}, "MCP_APP_ENVIRONMENT is not usable, A is neither"),
    "a variable ends early": (
        {"MCP_APP_ENVIRONMENT": '{"A": "\\u0000"}'},
        "MCP_APP_ENVIRONMENT is not usable, A is neither",
    ),
    "half a character": (
        {"MCP_APP_ENVIRONMENT": '{"A": "\\ud800"}'},
        "MCP_APP_ENVIRONMENT is not usable, A is neither text nor a number",
    ),
    "a name with a dash": (
        {"MCP_APP_ENVIRONMENT": '{"A-B": ""}'},
        "MCP_APP_ENVIRONMENT is not usable, it names 'A-B'. Allowed:",
    ),
    "an empty name": ({"MCP_APP_ENVIRONMENT": '{"": ""}'}, "MCP_APP_ENVIRONMENT is not usable, it names ''"),
    "a name of ours": (
        {"MCP_APP_ENVIRONMENT": '{"Mcp_AUTH": ""}'},
        "MCP_APP_ENVIRONMENT is not usable, it names 'Mcp_AUTH'",
    ),
    "a name of AWS": (
        {"MCP_APP_ENVIRONMENT": '{"AWS_REGION": ""}'},
        "MCP_APP_ENVIRONMENT is not usable, it names 'AWS_REGION'",
    ),
    "a name of Lambda": (
        {"MCP_APP_ENVIRONMENT": '{"lambda_x": ""}'},
        "MCP_APP_ENVIRONMENT is not usable, it names 'lambda_x'",
    ),
    "two request state keys": (
        {"MCP_REQUEST_STATE_KEY": "k" * 32, "MCP_REQUEST_STATE_SECRET": ARN},
        "MCP_REQUEST_STATE_KEY is set together with MCP_REQUEST_STATE_SECRET",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_value(name: str) -> None:
    changes, expected = BAD[name]
    with pytest.raises(SettingsError) as error:
        load_settings({**GOOD, **changes})
    assert expected in str(error.value)


@pytest.mark.parametrize("text", ["", "{}"])
def test_no_variables_for_the_users_server(text: str) -> None:
    assert load_settings({**GOOD, "MCP_APP_ENVIRONMENT": text}).app_environment == {}


def test_variables_for_the_users_server_are_text_as_it_was_written() -> None:
    text = '{"A": "x y", "b_2": 7, "MCPX": 1.50, "E": -1e3, "EMPTY": "", "Awsome": "\\u00fc"}'
    found = load_settings({**GOOD, "MCP_APP_ENVIRONMENT": text}).app_environment
    assert found == {"A": "x y", "b_2": "7", "MCPX": "1.50", "E": "-1e3", "EMPTY": "", "Awsome": "ü"}


@pytest.mark.parametrize("text", ["hunter2", '{"A": ["hunter2"]}', '{"A": "hunter2", "A-B": "hunter2"}'])
def test_values_for_the_users_server_are_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({**GOOD, "MCP_APP_ENVIRONMENT": text})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["MCP_JWKS", "MCP_REQUEST_STATE_SECRET", "MCP_REQUEST_STATE_KEY"])
def test_secrets_are_not_shown(name: str) -> None:
    private = json.dumps({"keys": [{**KEY, "d": "hunter2"}]}) if name == "MCP_JWKS" else "hunter2"
    with pytest.raises(SettingsError) as error:
        load_settings({**GOOD, name: private})
    assert "hunter2" not in str(error.value)


def test_authorizer() -> None:
    settings = load_authorizer_settings({**GOOD, "MCP_ORIGIN_SECRET": ARN})
    assert settings.origin_secret == ARN
    assert settings.token.audiences == ("https://mcp.example.com/mcp",)
    with pytest.raises(SettingsError, match="MCP_ORIGIN_SECRET is not set"):
        load_authorizer_settings(GOOD)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "mcp.localhost", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    check_bind(load_settings({"MCP_AUTH": "none"}), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "127.0.0.1.example.com", ""])
def test_no_authentication_only_on_loopback(host: str) -> None:
    assert not is_loopback(host)
    check_bind(load_settings(GOOD), host)
    with pytest.raises(SettingsError, match="MCP_AUTH is 'none'"):
        check_bind(load_settings({"MCP_AUTH": "none"}), host)


def test_command_says_what_is_wrong_without_a_traceback() -> None:
    source = str(Path(__main__.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "MCP_AUTH": "none"}
    command = [sys.executable, "-m", "pratiko_mcp", "--host", "0.0.0.0"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("MCP_AUTH is 'none'. Allowed: jwt when listening on 0.0.0.0")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("source", [ARN, "ssm:/mcp/production/secrets/origin"])
def test_a_secret_lives_in_secrets_manager_or_in_a_parameter(source: str) -> None:
    both = {"MCP_ORIGIN_SECRET": source, "MCP_REQUEST_STATE_SECRET": source}
    assert load_authorizer_settings({**GOOD, **both}).origin_secret == source
    assert load_settings({**GOOD, **both}).request_state_secret == source
    assert load_rotation_settings({**both, "MCP_DISTRIBUTION_ID": ""}) == RotationSettings(source, source, None)


@pytest.mark.parametrize("name", ["MCP_ORIGIN_SECRET", "MCP_REQUEST_STATE_SECRET"])
@pytest.mark.parametrize("source", ["", "ssm:", "ssm:s3cr3t", "ssm:/s3cr3t value", "/s3cr3t"])
def test_a_place_that_is_none_is_said_without_showing_it(name: str, source: str) -> None:
    both = {"MCP_ORIGIN_SECRET": ARN, "MCP_REQUEST_STATE_SECRET": ARN, name: source}
    with pytest.raises(SettingsError, match=rf"{name} is not (set|an ARN).*ssm: and the path") as failure:
        load_rotation_settings(both)
    assert "s3cr3t" not in str(failure.value)
