# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the action plugins: what it takes from amazon.aws, when it is the module, and whose end is its own."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import types
import typing as t

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.amazon.aws.plugins.module_utils.botocore import _aws_connection_info
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils import in_process

KEYS = {"access_key": "none", "secret_key": "none", "region": "eu-west-1"}
WENT_ON = 7


def connection(**given: t.Any) -> dict[str, t.Any]:
    """Return the connection options of a task, validated as Ansible does."""
    checked = ArgumentSpecValidator(aws_argument_spec()).validate({**KEYS, **given})
    assert not checked.error_messages, checked.error_messages
    return checked.validated_parameters


@pytest.mark.parametrize("config", [{}, {"aws_config": {"read_timeout": 5}}])
def test_amazon_aws_gives_what_a_session_takes(config: dict[str, t.Any]) -> None:
    """A private helper of amazon.aws: this is all that is known about it."""
    region, endpoint, options = _aws_connection_info(connection(endpoint_url="http://127.0.0.1:1", **config))
    assert (region, endpoint) == ("eu-west-1", "http://127.0.0.1:1")
    assert options["aws_access_key_id"] == options["aws_secret_access_key"] == "none"
    assert set(options) - {"aws_config"} <= set(inspect.signature(boto3.session.Session.client).parameters)
    assert ("aws_config" in options) is bool(config)


def test_a_profile_is_named_to_the_session() -> None:
    checked = {"profile": "production", "region": "eu-west-1"}
    assert _aws_connection_info(checked)[2]["profile_name"] == "production"
    with pytest.raises(McpError, match="profile and access tokens"):
        in_process.build_client(connection(profile="production"), "sts", None, os.getppid())


def test_the_shells_profile_and_token_have_no_say_where_a_task_says_that_there_are_none(monkeypatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-another-project")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-account")
    client = in_process.build_client(connection(profile="", session_token=""), "s3", None, os.getppid())
    keys = client._request_signer._credentials.get_frozen_credentials()
    assert (keys.access_key, keys.token) == ("none", None)


def test_a_client_has_the_tasks_options() -> None:
    params = connection(endpoint_url="http://127.0.0.1:1", aws_config={"read_timeout": 5})
    client = in_process.build_client(params, "sts", None, os.getppid())
    assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:1")
    assert client.meta.config.read_timeout == 5 and client.meta.config.retries["total_max_attempts"] == 10
    assert in_process.build_client(params, "sts", "us-west-2", os.getppid()).meta.region_name == "us-west-2"


@pytest.mark.parametrize(("parent_lives", "code"), [(True, WENT_ON), (False, 1)])
def test_no_request_is_sent_after_the_playbook_has_ended(parent_lives: bool, code: int) -> None:
    playbook = os.getpid() if parent_lives else os.getppid()
    client = in_process.build_client(connection(), "sts", None, playbook)

    def send() -> None:
        client.meta.events.emit("before-send.sts.GetCallerIdentity", request=None)
        os._exit(WENT_ON)

    task = multiprocessing.get_context("fork").Process(target=send)
    task.start()
    task.join(30)
    assert task.exitcode == code


class Action(in_process.InProcessAction):
    """An action plugin that was not loaded by Ansible, and tells which way a task went."""

    module_fqcn = "pratikoai.mcp_servers.any"
    argument_spec: t.ClassVar[dict[str, t.Any]] = {"name": {"type": "str", "required": True}}

    def __init__(self, transport: str, **task: t.Any) -> None:
        self._connection = types.SimpleNamespace(transport=transport)
        self._task = types.SimpleNamespace(**{"environment": [{}], "become": False, **task})
        self._task.check_mode = self._task.diff = True
        self.module: dict[str, t.Any] = {}

    def validate_argument_spec(self, argument_spec: t.Any, **_options: t.Any) -> t.Any:
        return None, ArgumentSpecValidator(argument_spec).validate({**KEYS, "name": "x"}).validated_parameters

    def _execute_module(self, **options: t.Any) -> dict[str, t.Any]:
        self.module = options
        return {"ran": "module"}

    @staticmethod
    def run_in_process(ctx: Context) -> dict[str, t.Any]:
        if ctx.params["name"] != "x":
            raise AssertionError(ctx.params)
        return {"ran": "here", "check_mode": ctx.check_mode, "diff": ctx.diff_mode}


@pytest.fixture(autouse=True)
def _without_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {"from": "ActionBase"})


def test_a_task_of_this_machine_runs_in_process() -> None:
    action = Action("local")
    assert action.run(None, {}) == {"from": "ActionBase", "ran": "here", "check_mode": True, "diff": True}
    assert not action.module


@pytest.mark.parametrize(
    ("transport", "task"),
    [("local", {"environment": [None, {"AWS_PROFILE": "x"}]}), ("local", {"become": True}), ("ssh", {})],
    ids=["environment", "become", "other machine"],
)
def test_a_task_with_other_surroundings_runs_as_the_module(transport: str, task: dict[str, t.Any]) -> None:
    action = Action(transport, **task)
    assert action.run(None, {"a": 1}) == {"from": "ActionBase", "ran": "module"}
    assert action.module == {"module_name": "pratikoai.mcp_servers.any", "task_vars": {"a": 1}}


@pytest.mark.parametrize(
    ("sources", "typed"),
    [
        (["inventories/production", "inventories/sandbox"], "-i inventories/production -i inventories/sandbox"),
        ([], "-i <inventory>"),
    ],
)
def test_the_command_that_an_error_names_has_the_inventory_as_it_was_typed(
    sources: list[str], typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_ctx: Context) -> dict[str, t.Any]:
        raise McpError("Nothing was changed. Deploy first: ansible-playbook deploy.yml -i <inventory>")

    monkeypatch.setattr(Action, "run_in_process", staticmethod(refuse))
    monkeypatch.setenv("PWD", os.getcwd())
    result = Action("local").run(None, {"ansible_inventory_sources": [os.path.abspath(path) for path in sources]})
    assert result["failed"]
    assert result["msg"] == f"Nothing was changed. Deploy first: ansible-playbook deploy.yml {typed}"
