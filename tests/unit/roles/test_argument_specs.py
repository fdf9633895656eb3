# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options file is the one list: defaults, verbs and variables in use agree with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.checkout import ROOT

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PHASES = [name for name in ROLES if name in ("local", "staging", "production")]
# Task files that verbs include; nobody calls them from outside.
RUNTIMES = ("docker_", "process_")
PARTS = {
    "local": {
        "apply_services",
        "bucket",
        "bucket_look",
        "bucket_remove",
        "destroy_checks",
        "final_backup",
        "look",
        "look_at_data",
        "not_applicable",
        "ready",
        "record",
        "release_refused",
        "release_version",
        "restore_checks",
        "serve_again",
        "start_data",
        "take_backup",
        "verify_services",
        "write_files",
        "write_limits",
        "write_token",
    },
    "staging": {
        "address",
        "apply_app",
        "apply_stacks",
        "certificate",
        "destroy_certificates",
        "destroy_confirm",
        "destroy_data",
        "destroy_foundation",
        "door",
        "flip",
        "look",
        "look_beside",
        "release_move",
        "release_refused",
        "release_version",
        "restore_choose",
        "restore_compare",
        "restore_copy",
        "restore_discard",
        "restore_take_over",
        "rollback_release",
        "stack",
        "storage",
        "take_backup",
        "verify_diverted",
        "verify_traffic",
        "verify_undiverted",
    },
    "production": {
        "divert_gateway",
        "undivert_gateway",
        "flip",
        "gate",
        "verify_diverted",
        "verify_undiverted",
        "door",
        "stack",
        "apply_app",
        "apply_stacks",
        "look",
        "look_beside",
        "secrets",
        "release_gate",
        "rollback_at_once",
        "rollback_release",
        "release_version",
        "release_move",
        "release_refused",
        "keep_diverted",
        "verify_traffic",
        "address",
        "certificate",
        "divert_cdn",
        "undivert_cdn",
        "flip_cdn",
        "flip_cdn_secret",
        "destroy_data",
        "destroy_foundation",
    },
}


def specs(role: str) -> dict:
    """Return a role's argument specifications."""
    return yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]


OPTIONS = specs("preflight")["main"]["options"]


def test_defaults_are_those_of_the_options_file():
    defaults = yaml.safe_load((ROOT / "roles" / "preflight" / "defaults" / "main.yml").read_text())
    assert defaults.pop("mcp_environment") == "{{ inventory_hostname }}"
    assert defaults.pop("mcp_require_staging") == (
        "{{ mcp_phase | default('') == 'production' and not mcp_sandbox | bool }}"
    )
    assert defaults == {name: option["default"] for name, option in OPTIONS.items() if "default" in option}


@pytest.mark.parametrize("role", PHASES)
def test_every_verb_has_its_entry_point(role):
    files = {path.stem for path in (ROOT / "roles" / role / "tasks").glob("*.yml")}
    files = {name for name in files if not name.startswith(RUNTIMES)}
    assert files - PARTS[role] == set(specs(role))


@pytest.mark.parametrize("role", ROLES)
def test_entry_points_describe_options_as_the_options_file_does(role):
    for entry in specs(role).values():
        for name, option in entry["options"].items():
            if name == "mcp_deployment":
                continue
            assert option.get("type") == OPTIONS[name].get("type"), name
            assert option["description"] == OPTIONS[name]["description"] or name == "mcp_verb", name


PLUGINS = ("preflight.py", "server_options.py", "staging_options.py", "local_environment.py")


def used_variables(folder: Path) -> set[str]:
    """Return the public variables that task, variable and playbook files read."""
    text = "\n".join(path.read_text() for path in folder.rglob("*.yml") if path.parent.name not in ("meta", "defaults"))
    return set(re.findall(r"(?<![\w.-])(mcp_[a-z0-9_]+)", text.replace("_mcp_options.", "")))


@pytest.mark.parametrize("folder", ["roles", "playbooks", "inventories"])
def test_every_variable_in_use_is_an_option(folder):
    groups = {
        "mcp_env_local",
        "mcp_env_staging",
        "mcp_env_production",
        "mcp_deployment",
        "mcp_deployments",
        "mcp_servers",
    }
    assert used_variables(ROOT / folder) - groups - set(OPTIONS) == set()


def test_every_option_is_used_somewhere():
    checks = (ROOT / "plugins" / "module_utils" / name for name in PLUGINS)
    read_by_plugins = [name for path in checks for name in re.findall(r'"(mcp_[a-z0-9_]+)"', path.read_text())]
    used = used_variables(ROOT / "roles") | used_variables(ROOT / "playbooks") | set(read_by_plugins)
    assert set(OPTIONS) - used == set()


@pytest.mark.parametrize("folder", ["roles", "playbooks"])
def test_no_arn_is_of_one_partition(folder):
    """GovCloud and China have others than aws."""
    texts = {path: path.read_text() for kind in ("*.yml", "*.yaml") for path in (ROOT / folder).rglob(kind)}
    assert [str(path) for path, text in texts.items() if "arn:aws:" in text and path.parent.name != "meta"] == []
