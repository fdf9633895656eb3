# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token module's logic: what is signed, where it goes, and that it goes nowhere else."""

from __future__ import annotations

import json
import os
import stat
import sys
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_store, token
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.unit.plugins.issuer_world import PREFIX, PRIVATE, Aws

KEY = keyring.new_private_jwk()
ISSUER = "https://x.example"
AUDIENCE = f"{ISSUER}/mcp"


def run(aws: Aws, path: Path, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    params = {
        "store": "ssm",
        "prefix": PREFIX,
        "key_path": None,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "subject": "operator",
        "client_id": "pratikoai-cli",
        "scopes": ["documents:read", "documents:write"],
        "lifetime": 3600,
        "path": str(path),
        **options,
    }
    return token.run(aws.context(params, check_mode))


def holding(key: dict[str, str] = KEY) -> Aws:
    """Return an account whose signing key is this one, as it was kept before keys could rotate."""
    aws = Aws()
    aws.PutParameter(PRIVATE, json.dumps(key), "SecureString", False)
    return aws


def verify(access_token: str, audience: str = AUDIENCE) -> dict[str, t.Any]:
    key = jwt.PyJWK(KEY)
    return jwt.decode(access_token, key.key, ["ES256"], audience=audience, issuer=ISSUER, options={"require": ["jti"]})


def test_the_token_says_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "testing" / "token.json"
    before = int(datetime.now(UTC).timestamp())
    result = run(holding(), path, lifetime=600)
    document = json.loads(path.read_text())
    claims = verify(document["access_token"])
    assert jwt.get_unverified_header(document["access_token"]) == {"alg": "ES256", "kid": KEY["kid"], "typ": "at+jwt"}
    assert set(claims) == {"iss", "aud", "sub", "client_id", "scope", "iat", "nbf", "exp", "jti"}
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("operator", "pratikoai-cli", AUDIENCE)
    assert claims["scope"] == "documents:read documents:write"
    assert before <= claims["iat"] == claims["nbf"] == claims["exp"] - 600
    expires_at = datetime.fromtimestamp(claims["exp"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    public = {"expires_at": expires_at, "scopes": ["documents:read", "documents:write"], "audience": AUDIENCE}
    assert document == {"access_token": document["access_token"], "token_type": "Bearer", **public}
    assert result == {"changed": False, "path": str(path), "kid": KEY["kid"], **public}


def test_each_token_has_its_own_id(tmp_path: Path) -> None:
    claims = []
    for name in ("a", "b"):
        run(holding(), tmp_path / name)
        claims.append(verify(json.loads((tmp_path / name).read_text())["access_token"]))
    assert claims[0]["jti"] != claims[1]["jti"]


def test_the_token_is_for_one_audience(tmp_path: Path) -> None:
    run(holding(), tmp_path / "t")
    with pytest.raises(jwt.InvalidAudienceError):
        verify(json.loads((tmp_path / "t").read_text())["access_token"], audience="https://y.example/mcp")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_its_owner_can_read_the_file(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "token.json"
    path.write_text("an older one")
    path.chmod(0o644)
    previous = os.umask(umask)
    try:
        run(holding(), path)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["token.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token.json"
    path.write_text("an older one")

    def full(_source: str, _target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(McpError, match=r"^path=.*token\.json cannot be written: No space left on device\."):
        run(holding(), path)
    assert path.read_text() == "an older one" and os.listdir(tmp_path) == ["token.json"]


def test_a_folder_in_the_way_of_the_path_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(McpError, match="cannot be written"):
        run(holding(), tmp_path / "file" / "token.json")


def test_check_mode_asks_nothing_and_writes_nothing(tmp_path: Path) -> None:
    aws = holding()
    result = run(aws, tmp_path / "new" / "token.json", check_mode=True)
    assert aws.calls == [] and result["changed"] is False and result["kid"] is None and result["audience"] == AUDIENCE
    assert os.listdir(tmp_path) == []


def test_without_a_key_it_says_to_deploy(tmp_path: Path) -> None:
    with pytest.raises(McpError, match=f"{PRIVATE} does not exist here .* ansible-playbook deploy.yml"):
        run(Aws(), tmp_path / "t")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lifetime": 59}, "lifetime=59 is not allowed. Allowed: 60 to 86400 seconds."),
        ({"lifetime": 86401}, "lifetime=86401"),
        ({"issuer": "x.example"}, "issuer=x.example is not allowed. Allowed: an http:// or https:// URL"),
        ({"audience": "https://"}, "audience=https://"),
        ({"audience": f"{AUDIENCE}#part"}, "without a fragment"),
        ({"subject": " "}, "subject= "),
        ({"client_id": ""}, "client_id="),
        ({"scopes": ["documents:read documents:write"]}, "scopes=documents:read documents:write"),
        ({"scopes": [""]}, "scopes= is"),
        ({"scopes": ['a"b']}, 'scopes=a"b'),
        ({"prefix": "mcp"}, "prefix=mcp is not a parameter path"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_wrong_inputs_are_refused_before_any_request(
    tmp_path: Path, options: dict[str, t.Any], words: str, check_mode: bool
) -> None:
    aws = holding()
    with pytest.raises(McpError) as failure:
        run(aws, tmp_path / "t", check_mode, **options)
    assert words in failure.value.message and aws.calls == []


def test_a_folder_without_a_key_is_said(tmp_path: Path) -> None:
    with pytest.raises(McpError, match=r"keys/private-key\.json does not exist here .* ansible-playbook deploy.yml"):
        run(Aws(), tmp_path / "t", store="file", prefix=None, key_path=str(tmp_path / "keys"))
    assert os.listdir(tmp_path) == []


def test_a_key_in_a_folder_needs_no_aws(tmp_path: Path) -> None:
    ring = [keyring.new_key("current", 0, KEY), keyring.new_key("next", 0, keyring.new_private_jwk())]
    issuer_store.make_private_folder(str(tmp_path / "keys"))
    issuer_store.FileStore(str(tmp_path / "keys")).write(ring)
    aws = Aws()
    assert run(aws, tmp_path / "t", store="file", prefix=None, key_path=str(tmp_path / "keys"))["kid"] == KEY["kid"]
    assert verify(json.loads((tmp_path / "t").read_text())["access_token"])["sub"] == "operator" and aws.calls == []


@pytest.mark.parametrize("option", ["issuer", "audience"])
def test_an_environment_without_an_address_is_to_be_deployed_first(tmp_path: Path, option: str) -> None:
    with pytest.raises(
        McpError, match=rf"^{option} is empty: .*no address yet.*ansible-playbook deploy.yml -i <inventory>"
    ):
        run(Aws(), tmp_path / "t", False, **{option: ""})


@pytest.mark.parametrize(
    "key", [{**KEY, "crv": "P-384"}, {**KEY, "d": "!"}, {**KEY, "kty": "RSA"}, {**KEY, "x": KEY["y"]}]
)
def test_a_key_that_cannot_sign_is_an_error_without_the_key(tmp_path: Path, key: dict[str, str]) -> None:
    with pytest.raises(McpError, match="cannot sign with ES256") as failure:
        run(holding(key), tmp_path / "t")
    assert KEY["d"] not in str(failure.value.message)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("library", ["jwt", "cryptography.hazmat.primitives.asymmetric"])
def test_a_missing_library_is_named_with_the_command(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(McpError, match=r"python3 -m pip install 'PyJWT\[crypto\]'"):
        token.sign_token(KEY, {}) if library == "jwt" else keyring.new_private_jwk()
