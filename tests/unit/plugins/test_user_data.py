# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""user_data: the real template's text with other addresses, and nothing else of it touched."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import user_data

from tests.support.checkout import ROOT

SETTINGS = {
    "MCP_RELEASE": "0123456789ab",
    "MCP_LOG_LEVEL": "INFO",
    "MCP_REQUEST_TIMEOUT": "28",
    "MCP_PUBLIC_URL": "https://old.example.com",
    "MCP_JWKS": '{"keys": [{"kid": "old"}]}',
    "MCP_JWKS_URL": "",
}


def rendered(**settings: str) -> str:
    """Return the user data of a release with these settings."""
    data = {
        "release": "0123456789ab",
        "package_bucket": "mcp-staging-state",
        "package_key": "releases/0123456789ab/ec2-x86_64.zip",
        "package_sha256": "0" * 64,
        "region": "us-east-1",
        "python_version": "3.13",
        "environment": {**SETTINGS, **settings},
        "port": 8000,
        "prepare": True,
        "master_secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds-AbCdEf",
        "migrates": True,
        "log_group": "/mcp/staging/server",
        "hook_name": "mcp-staging-ready",
        "group_name": "mcp-staging",
    }
    source = (ROOT / "roles" / "staging" / "templates" / "user-data.sh.j2").read_text(encoding="utf-8")
    return str(Templar(DataLoader(), variables={"_staging_user_data": data}).template(trust_as_template(source)))


def settings_of(text: str) -> dict[str, str]:
    """Return the settings as systemd reads them."""
    found = user_data.SETTINGS.search(text)
    assert found
    pairs = (line.partition("=") for line in found["lines"].splitlines())
    return {name: re.sub(r'\\(["\\$`])', r"\1", value[1:-1]) for name, _equals, value in pairs}


def test_only_the_addresses_change() -> None:
    before = rendered()
    today = {"MCP_PUBLIC_URL": "https://new.example.com", "MCP_JWKS": '{"keys": [{"kid": "new"}]}'}
    after = user_data.of_today(before, today)
    assert settings_of(after) == {**settings_of(before), **today}
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert sorted(line.partition("=")[0] for line, _new in changed) == ["MCP_JWKS", "MCP_PUBLIC_URL"]


def test_what_has_no_value_today_goes_and_what_is_new_comes() -> None:
    after = user_data.of_today(rendered(), {"MCP_JWKS": "", "MCP_JWKS_URL": "https://issuer.example.com/keys"})
    found = settings_of(after)
    assert "MCP_JWKS" not in found
    assert found["MCP_JWKS_URL"] == "https://issuer.example.com/keys"


def test_the_addresses_that_it_has_already_change_nothing() -> None:
    text = rendered()
    assert user_data.of_today(text, {"MCP_PUBLIC_URL": SETTINGS["MCP_PUBLIC_URL"], "MCP_JWKS_URL": ""}) == text


@pytest.mark.parametrize("value", ['a "quoted" $HOME `id` \\ end', "plain", '{"a": "b"}'])
def test_a_value_arrives_as_it_is_and_as_the_template_writes_it(value: str) -> None:
    after = user_data.of_today(rendered(MCP_ISSUER="old"), {"MCP_ISSUER": value})
    assert settings_of(after)["MCP_ISSUER"] == value
    assert after == rendered(MCP_ISSUER=value)


def test_a_text_without_settings_stays() -> None:
    assert user_data.of_today("#!/bin/bash\n", {"MCP_PUBLIC_URL": "x"}) == "#!/bin/bash\n"


def test_the_script_fits_into_an_instances_user_data() -> None:
    """EC2 takes 16 KB; the longest of what an inventory may set is 3 KB, and three keys and addresses need 2."""
    room: t.Final = 16384 - 3072 - 2048
    assert len(rendered().encode()) < room
