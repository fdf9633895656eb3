# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of variables: one clear error each, before anything is touched."""

from __future__ import annotations

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import options
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

SPEC = {
    "mcp_region": {"type": "str"},
    "mcp_request_timeout": {"type": "int"},
    "mcp_log_level": {"type": "str", "choices": ["INFO", "DEBUG"]},
    "mcp_aws_secret_key": {"type": "int", "no_log": True},
}


def refusal(check, *arguments) -> str:
    """Return the message that a check refuses with."""
    with pytest.raises(McpError) as refused:
        check(*arguments)
    return refused.value.message


def test_a_misspelt_variable_is_named_with_the_nearest_option():
    message = refusal(options.refuse_unknown, ["mcp_regoin", "other", "_mcp_internal"], SPEC)
    assert "mcp_regoin is not an option. Did you mean mcp_region?" in message
    assert "other" not in message and "_mcp_internal" not in message


def test_known_variables_pass():
    assert options.refuse_unknown(["mcp_region", "ansible_user"], SPEC) is None


@pytest.mark.parametrize(
    "name, value, parts",
    [
        ("mcp_request_timeout", "soon", ["mcp_request_timeout is 'soon'", "type int", "-e mcp_request_timeout="]),
        ("mcp_log_level", "LOUD", ["mcp_log_level is 'LOUD'", "one of INFO, DEBUG", "-e mcp_log_level="]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name, value, parts):
    message = refusal(options.validate, {name: value}, SPEC)
    assert all(part in message for part in parts), message


def test_a_secret_value_is_never_shown():
    message = refusal(options.validate, {"mcp_aws_secret_key": "hunter2"}, SPEC)
    assert "hunter2" not in message and "(hidden)" in message


def test_values_get_their_types_and_unset_ones_are_left_out():
    assert options.validate({"mcp_request_timeout": "20", "mcp_region": None}, SPEC) == {"mcp_request_timeout": 20}


@pytest.mark.parametrize("name", ["", "Production", "1st", "a_b", "x" * 25])
def test_a_name_that_cannot_be_part_of_a_bucket_is_refused(name):
    assert f"mcp_environment is '{name}'" in refusal(options.check_environment_name, name)


def test_an_unknown_region_is_named_with_the_nearest():
    message = refusal(options.check_region, "us-eats-1", ["us-east-1", "eu-central-1"])
    assert "mcp_region is 'us-eats-1'" in message and "Did you mean us-east-1?" in message
    assert "eu-central-1" in message and "-e mcp_region=" in message


@pytest.mark.parametrize("entrypoint", ["server", "a b:c", "pkg.mod:", ":mcp", "pkg/mod:mcp"])
def test_an_entrypoint_of_another_form_is_refused(entrypoint):
    assert f"mcp_app_entrypoint is '{entrypoint}'" in refusal(options.check_entrypoint, entrypoint)


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_timeout_that_a_link_of_the_chain_would_cut_is_refused(seconds):
    assert f"mcp_request_timeout is {seconds}" in refusal(options.check_timeout, seconds)


@pytest.mark.parametrize("days", [-1, 1, 6, 366])
def test_a_rotation_that_no_schedule_keeps_is_refused(days):
    assert f"mcp_secret_rotation_days is {days}" in refusal(options.check_secret_rotation_days, days)


@pytest.mark.parametrize("days", [0, 7, 365])
def test_rotations_that_are_right(days):
    options.check_secret_rotation_days(days)


def test_what_is_no_address_gets_no_alerts():
    for address in ("oncall", "a@b", "a b@example.org", "a@example.org,b@example.org", ""):
        assert f"mcp_alert_email is {address!r}" in refusal(options.check_alert_email, address)
    options.check_alert_email("on-call+mcp@example.org")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:1", "http://127.9.9.9"]
)
def test_loopback_is_recognised(url):
    assert options.is_loopback(url)


@pytest.mark.parametrize("url", ["", "https://sts.amazonaws.com", "http://10.0.0.1", "http://localhost.example.com"])
def test_what_is_not_loopback_is_recognised(url):
    assert not options.is_loopback(url)


@pytest.mark.parametrize("message", ["", "a\nb", 'say "no"', "a\\b", "cost $5", "ticket #3", "x" * 201])
def test_a_maintenance_message_fits_into_the_gateways_answer(message):
    said = refusal(options.check_maintenance, message, 60)
    assert f"mcp_maintenance_message is {message!r}" in said and "-e 'mcp_maintenance_message=" in said


@pytest.mark.parametrize("seconds", [0, -1, 86401])
def test_callers_are_asked_to_come_back_within_a_day(seconds):
    said = refusal(options.check_maintenance, "Zurück um 9 \N{EN DASH} it's {planned}", seconds)
    assert f"mcp_maintenance_retry_after is {seconds}" in said and "-e mcp_maintenance_retry_after=60" in said


def test_a_usable_maintenance_answer():
    assert options.check_maintenance("Zurück um 9 \N{EN DASH} it's {planned}", 86400) is None


def test_the_sandbox_never_reaches_aws():
    assert "only a loopback address" in refusal(options.check_sandbox, True, "https://sts.amazonaws.com", "")
    assert "-i inventories/sandbox" in refusal(options.check_sandbox, True, "", "")


def test_the_emulator_is_never_taken_for_aws():
    assert "mcp_sandbox is not set" in refusal(options.check_sandbox, False, "", "http://127.0.0.1:4566")
    assert "mcp_sandbox is not set" in refusal(options.check_sandbox, False, "http://localhost:1", "")


def test_sandbox_and_aws_as_they_should_be():
    assert options.check_sandbox(True, "http://127.0.0.1:4566", "") is None
    assert options.check_sandbox(False, "", "") is None


def test_another_account_is_refused_also_when_deployed():
    message = refusal(options.check_account, "222222222222", "111111111111", "production", True, False)
    assert "'111111111111'" in message and "222222222222" in message and "AWS_PROFILE" in message


def test_a_first_deploy_names_its_account():
    message = refusal(options.check_account, "222222222222", None, "production", False, False)
    assert "-e mcp_expected_account=222222222222" in message


@pytest.mark.parametrize(
    "expected, deployed, sandbox", [("2" * 12, False, False), (None, True, False), (None, False, True)]
)
def test_accounts_that_are_right(expected, deployed, sandbox):
    assert options.check_account("2" * 12, expected, "production", deployed, sandbox) is None


def test_a_foreign_issuer_is_complete_or_refused():
    message = refusal(options.check_issuer, "https://issuer.example", None, None)
    assert "mcp_verify_token_file not set" in message and "-e mcp_verify_token_file=" in message
    assert "mcp_issuer" in refusal(options.check_issuer, None, "https://issuer.example/jwks", None)
    assert options.check_issuer(None, None, None) is None
    assert options.check_issuer("https://issuer.example", "https://issuer.example/jwks", "token.json") is None


@pytest.mark.parametrize(
    "values, words",
    [
        ({"mcp_release_max_ms": 0}, "mcp_release_max_ms is 0"),
        ({"mcp_history": -1}, "mcp_history is -1"),
        ({"mcp_verify_expect": "(", "mcp_verify_tool": "x"}, "mcp_verify_expect is '('"),
        ({"mcp_verify_expect": "a", "mcp_verify_tool": ""}, "mcp_verify_tool is empty"),
    ],
)
def test_a_release_that_could_never_pass_is_refused(values, words):
    message = refusal(options.check_release, values)
    assert words in message and "-e " in message


def test_options_of_a_release_that_are_right():
    assert options.check_release({}) is None
    right = {"mcp_release_max_ms": 1, "mcp_history": 1, "mcp_verify_expect": "^a", "mcp_verify_tool": "x"}
    assert options.check_release(right) is None
