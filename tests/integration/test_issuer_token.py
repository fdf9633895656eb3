# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""issuer_key and token on the emulated AWS: as modules, in process, and a token that a server accepts."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import jwt
import pytest

from tests.support.playbook import PlaybookRun

pytestmark = pytest.mark.integration

AUDIENCE = "https://x.example/mcp"
# Ansible masks a secret wherever it shows up in a result: it must not be a part of any other word here.
CONNECTION = {"access_key": "test", "secret_key": "nowhere-else", "region": "us-east-1"}
PYTHON = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}


class Play:
    """Runs one task after the other and gives their results."""

    def __init__(self, folder: Path, ansible_playbook: t.Callable[..., PlaybookRun], endpoint: str) -> None:
        self.folder = folder
        self.ansible_playbook = ansible_playbook
        self.connection = {**CONNECTION, "endpoint_url": endpoint}
        self.output = ""

    def __call__(self, as_module: bool, *tasks: tuple[str, dict[str, t.Any], dict[str, t.Any]]) -> list[t.Any]:
        """Run (module, options, keywords) each; return the registered results."""
        listed: list[dict[str, t.Any]] = []
        for number, (name, options, keywords) in enumerate(tasks):
            task = {f"pratikoai.mcp_servers.{name}": {**self.connection, **options}, "register": f"r{number}"}
            # An environment of its own makes the in-process form hand over to the module.
            listed.append({**task, "environment": {"AS_MODULE": "1"} if as_module else {}, **keywords})
        saved = self.folder / "saved.json"
        content = "{{ [" + ", ".join(f"r{number}" for number in range(len(tasks))) + "] | to_json }}"
        copy = {"content": content, "dest": str(saved), "mode": "0600"}
        listed.append({"ansible.builtin.copy": copy, "check_mode": False, "no_log": True})
        book = self.folder / "play.yml"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": PYTHON, "tasks": listed}]))
        run = self.ansible_playbook("-vvv", "-i", "localhost,", "-c", "local", str(book)).require()
        assert (f"plugins/modules/{tasks[0][0]}.py" in run.stdout) is as_module
        self.output += run.output
        return json.loads(saved.read_text())


@pytest.fixture
def play(tmp_path: Path, ansible_playbook: t.Callable[..., PlaybookRun], sandbox_endpoint: str) -> Play:
    return Play(tmp_path, ansible_playbook, sandbox_endpoint)


@pytest.mark.parametrize("as_module", [False, True], ids=["in-process", "module"])
def test_the_life_of_a_key_in_ssm(
    play: Play, tmp_path: Path, aws: t.Callable[..., t.Any], as_module: bool, request: pytest.FixtureRequest
) -> None:
    prefix = f"/mcp/test-{request.node.callspec.id}/issuer"
    path = tmp_path / "reports" / "token.json"
    key = {"prefix": prefix, "tags": {"Environment": "test"}}
    wanted = {"prefix": prefix, "issuer": "https://x.example", "audience": AUDIENCE, "scopes": ["a", "b"]}
    minting = {**wanted, "path": str(path)}
    check = {"check_mode": True}
    looked, too_early, made, again, looked_again, untouched, minted = play(
        as_module,
        ("issuer_key", key, check),
        ("token", minting, {"ignore_errors": True}),
        ("issuer_key", key, {}),
        ("issuer_key", key, {}),
        ("issuer_key", {**key, "state": "absent"}, check),
        ("token", {**minting, "path": str(tmp_path / "unwritten")}, check),
        ("token", minting, {}),
    )
    assert (looked["changed"], looked["jwks"], looked["keys"]) == (True, None, [])
    assert too_early["failed"] and "ansible-playbook deploy.yml" in too_early["msg"]
    assert made["changed"] is True and again["changed"] is False
    assert again["jwks"] == made["jwks"] and again["kid"] == made["kid"] == made["jwks"]["keys"][0]["kid"]
    assert looked_again["changed"] is True and untouched["kid"] is None and not (tmp_path / "unwritten").exists()
    assert minted["changed"] is False and minted["kid"] == made["kid"]

    ssm = aws("ssm")
    stored = ssm.get_parameter(Name=made["parameters"]["private_key"], WithDecryption=True)["Parameter"]
    assert stored["Type"] == "SecureString"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=made["parameters"]["jwks"])["TagList"]
    assert tags == [{"Key": "Environment", "Value": "test"}]

    token = json.loads(path.read_text())["access_token"]
    public = jwt.PyJWKSet.from_dict(made["jwks"])[made["kid"]]
    claims = jwt.decode(token, public.key, ["ES256"], audience=AUDIENCE, issuer="https://x.example")
    assert claims["scope"] == "a b"
    secrets = (token, json.loads(stored["Value"])["keys"][0]["jwk"]["d"])
    assert not any(secret in play.output or secret in json.dumps([made, minted]) for secret in secrets)

    # As after a crash between the two writes, and as after somebody removed the private half.
    ssm.delete_parameter(Name=made["parameters"]["jwks"])
    (completed,) = play(as_module, ("issuer_key", key, {}))
    assert completed["changed"] is True and completed["jwks"] == made["jwks"]
    ssm.delete_parameter(Name=made["parameters"]["private_key"])
    renewed, rotated, promoted, removed, gone = play(
        as_module,
        ("issuer_key", key, {}),
        ("issuer_key", {**key, "rotate": True}, {}),
        ("issuer_key", {**key, "promote": True}, {}),
        ("issuer_key", {**key, "state": "absent"}, {}),
        ("issuer_key", {**key, "state": "absent"}, {}),
    )
    assert renewed["changed"] is True and renewed["kid"] != made["kid"]
    assert rotated["changed"] is True and promoted["kid"] == rotated["pending_kid"] != renewed["kid"]
    assert removed["changed"] is True and gone["changed"] is False
    assert ssm.get_parameters_by_path(Path=prefix)["Parameters"] == []


@pytest.mark.parametrize("store", ["ssm", "kms", "file"])
def test_a_rotation(
    play: Play,
    tmp_path: Path,
    aws: t.Callable[..., t.Any],
    store: str,
) -> None:
    prefix, folder = f"/mcp/rotates-{store}/issuer", str(tmp_path / "keys")
    key = {"store": store, **({"path": folder} if store == "file" else {"prefix": prefix})}
    place = {"store": store, **({"key_path": folder} if store == "file" else {"prefix": prefix})}
    wanted = {**place, "issuer": "https://x.example", "audience": AUDIENCE, "scopes": ["a"]}
    made, _, looked, rotated, again, planned, _, promoted, _, unchanged, due, dropped, settled = play(
        False,
        ("issuer_key", key, {}),
        ("token", {**wanted, "path": str(tmp_path / "0")}, {}),
        ("issuer_key", {**key, "rotate": True}, {"check_mode": True}),
        ("issuer_key", {**key, "rotate": True}, {}),
        ("issuer_key", {**key, "rotate": True}, {}),
        ("issuer_key", {**key, "promote": True}, {"check_mode": True}),
        ("token", {**wanted, "path": str(tmp_path / "1")}, {}),
        ("issuer_key", {**key, "promote": True}, {}),
        ("token", {**wanted, "path": str(tmp_path / "2")}, {}),
        ("issuer_key", {**key, "promote": True}, {}),
        ("issuer_key", {**key, "promote": True, "revoke": True}, {"check_mode": True}),
        ("issuer_key", {**key, "promote": True, "revoke": True, "pending_window": 7}, {}),
        ("issuer_key", key, {}),
    )
    changed = [made, looked, rotated, again, planned, promoted, unchanged, due, dropped, settled]
    assert [each["changed"] for each in changed] == [True, True, True, False, True, True, False, True, True, False]
    assert looked["jwks"] == made["jwks"] and looked["pending_kid"] is None
    assert rotated["kid"] == made["kid"] and rotated["pending_kid"] == promoted["kid"] == dropped["kid"]
    assert promoted["jwks"] == rotated["jwks"] and dropped["jwks"]["keys"] == rotated["jwks"]["keys"][1:]
    assert [each["state"] for each in promoted["keys"]] == ["retired", "current"] and due["keys"] == dropped["keys"]

    tokens = [json.loads((tmp_path / str(number)).read_text())["access_token"] for number in range(3)]
    signed_by = [jwt.get_unverified_header(token)["kid"] for token in tokens]
    assert signed_by == [made["kid"], made["kid"], promoted["kid"]]
    published = jwt.PyJWKSet.from_dict(rotated["jwks"])
    for token, kid in zip(tokens, signed_by, strict=True):
        assert jwt.decode(token, published[kid].key, ["ES256"], audience=AUDIENCE)["scope"] == "a"
    if store == "kms":
        states = [
            aws("kms").describe_key(KeyId=each["kms_key_id"])["KeyMetadata"]["KeyState"] for each in rotated["keys"]
        ]
        assert states == ["PendingDeletion", "Enabled"]
        stored = aws("ssm").get_parameter(Name=f"{prefix}/private-key", WithDecryption=True)["Parameter"]["Value"]
        assert '"d"' not in stored
    removed, gone = play(
        False, ("issuer_key", {**key, "state": "absent"}, {}), ("issuer_key", {**key, "state": "absent"}, {})
    )
    assert removed["changed"] is True and gone["changed"] is False and not Path(folder).exists()
