# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters that the stack plugin reads from SSM for the request alone."""

from __future__ import annotations

import json
import types
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_secrets import with_secrets
from botocore.stub import Stubber

NAME = "/mcp/production/secrets/origin"
SOURCE = {"ssm_parameter": NAME, "field": "pending"}
TEMPLATE: t.Any = types.SimpleNamespace(parameters={"Value": {"NoEcho": True}, "Shown": {"Type": "String"}})
GIVEN = [{"ParameterKey": "Shown", "ParameterValue": "x"}, {"ParameterKey": "Value", "UsePreviousValue": True}]


class Ssm:
    """A stubbed SSM, and what a request gets from it."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.client = SHARED_SESSION.client("ssm", **options)
        self.stub = Stubber(self.client)
        self.stub.activate()

    def holds(self, value: str | None) -> None:
        wanted = {"Name": NAME, "WithDecryption": True}
        if value is None:
            self.stub.add_client_error("get_parameter", "ParameterNotFound", expected_params=wanted)
        else:
            self.stub.add_response("get_parameter", {"Parameter": {"Value": value}}, wanted)

    def request(self, **sources: t.Any) -> list[dict[str, t.Any]]:
        ctx = Context({"secret_parameters": sources}, lambda _service, _region: self.client)
        return with_secrets(ctx, TEMPLATE, GIVEN)


@pytest.fixture
def ssm() -> Ssm:
    return Ssm()


def test_the_value_of_now_takes_the_place_of_the_stacks_own(ssm: Ssm) -> None:
    ssm.holds(json.dumps({"current": "old", "pending": "new"}))
    assert ssm.request(Value=SOURCE) == [GIVEN[0], {"ParameterKey": "Value", "ParameterValue": "new"}]
    ssm.holds("plain")
    assert ssm.request(Value={"ssm_parameter": NAME})[1]["ParameterValue"] == "plain"


def test_nothing_is_read_without_secrets(ssm: Ssm) -> None:
    assert ssm.request() == GIVEN


@pytest.mark.parametrize("value", [None, "s3cr3t", '{"pending": null}', '{"other": "s3cr3t"}', '["s3cr3t"]'])
def test_no_value_is_an_error_that_shows_none(ssm: Ssm, value: str | None) -> None:
    ssm.holds(value)
    with pytest.raises(McpError, match=f"parameter {NAME} has no value in its field pending") as failure:
        ssm.request(Value=SOURCE)
    assert "s3cr3t" not in failure.value.message


@pytest.mark.parametrize("name", ["Shown", "Unknown"])
def test_a_parameter_that_would_show_its_value_is_refused(ssm: Ssm, name: str) -> None:
    with pytest.raises(McpError, match=f"secret_parameters has '{name}': allowed are .* NoEcho"):
        ssm.request(**{name: SOURCE})
