# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic on the emulated AWS: module and action plugin alike set what it then finds there."""

from __future__ import annotations

import io
import json
import typing as t
import uuid
import zipfile
from pathlib import Path

import pytest

from tests.support.emulated import TestSandbox
from tests.support.playbook import run_playbook

pytestmark = pytest.mark.integration
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  connection: local
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - pratikoai.mcp_servers.traffic: {options}
      environment: {environment}
      check_mode: {check_mode}
      register: result
    - ansible.builtin.copy:
        content: "{{{{ result | to_json }}}}"
        dest: {answer}
        mode: "0600"
      check_mode: false
"""


class Gateway:
    """An API with two deployments, a stage with a throttle, and two functions with two versions each."""

    def __init__(self, sandbox: TestSandbox) -> None:
        self.gateway, self.functions = sandbox.client("apigateway"), sandbox.client("lambda")
        self.api = str(self.gateway.create_rest_api(name="traffic")["id"])
        self.deployments = [str(self.gateway.create_deployment(restApiId=self.api)["id"]) for _ in range(2)]
        self.gateway.create_stage(restApiId=self.api, stageName="live", deploymentId=self.deployments[0])
        throttle = {"rateLimit": "20", "burstLimit": "40"}
        operations = [
            {"op": "replace", "path": f"/~1mcp/POST/throttling/{name}", "value": value}
            for name, value in throttle.items()
        ]
        self.gateway.update_stage(restApiId=self.api, stageName="live", patchOperations=operations)
        self.names = {kind: f"traffic-{kind}-{uuid.uuid4().hex[:8]}" for kind in ("server", "authorizer")}
        for name in self.names.values():
            self.function(name)

    def function(self, name: str) -> None:
        """Make a function with versions 1 and 2, and the alias live on 1 with a tenth on 2."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("main.py", "def handler(event, context):\n    return {}\n")
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/none",
            Handler="main.handler",
            Code={"ZipFile": package.getvalue()},
        )
        self.functions.publish_version(FunctionName=name)
        self.functions.update_function_configuration(FunctionName=name, Description="two")
        self.functions.publish_version(FunctionName=name)
        weights = {"AdditionalVersionWeights": {"2": 0.1}}
        self.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=weights)

    def seen(self) -> dict[str, t.Any]:
        """Return what the emulated AWS itself says."""
        stage = self.gateway.get_stage(restApiId=self.api, stageName="live")
        aliases = {kind: self.functions.get_alias(FunctionName=name, Name="live") for kind, name in self.names.items()}
        return {
            "stage_deployment": stage["deploymentId"],
            "throttle": stage["methodSettings"]["/mcp/POST"]["throttlingRateLimit"],
            "versions": {kind: alias["FunctionVersion"] for kind, alias in aliases.items()},
            "weights": [kind for kind, alias in aliases.items() if alias.get("RoutingConfig")],
        }


@pytest.fixture
def gateway(sandbox: TestSandbox) -> t.Iterator[Gateway]:
    made = Gateway(sandbox)
    yield made
    made.gateway.delete_rest_api(restApiId=made.api)
    for name in made.names.values():
        made.functions.delete_function(FunctionName=name)


@pytest.mark.parametrize("environment", [{}, {"FOR_THE_MODULE": "1"}], ids=["action plugin", "module"])
def test_what_is_set_is_what_the_emulated_aws_has(
    gateway: Gateway, sandbox: TestSandbox, tmp_path: Path, environment: dict[str, str]
) -> None:
    wanted = {"stage_deployment": gateway.deployments[1], "server_version": "2", "throttle_rate": "1.5"}

    def play(check_mode: bool, **options: t.Any) -> dict[str, t.Any]:
        options = {"api_id": gateway.api, "functions": gateway.names, **options}
        answer, book = tmp_path / "answer.json", tmp_path / "book.yml"
        text = PLAYBOOK.format(
            options=json.dumps(options),
            environment=json.dumps(environment),
            check_mode=json.dumps(check_mode),
            answer=answer,
        )
        book.write_text(text)
        run_playbook(str(book), home=tmp_path, env=sandbox.environment).require()
        return dict(json.loads(answer.read_text()))

    before = gateway.seen()
    read = play(False)
    assert not read["changed"] and read["fields"]["stage_deployment"] == gateway.deployments[0]
    assert read["before"]["server_version_weights"] == {"2": 0.1}
    look = play(True, set=wanted)
    assert look["changed"] and gateway.seen() == before and look["fields"] == read["fields"]
    done = play(False, set=wanted)
    assert done["changed"] and done["after"] == look["after"] and done["differences"] == look["differences"]
    assert gateway.seen() == {
        "stage_deployment": gateway.deployments[1],
        "throttle": 1.5,
        "versions": {"server": "2", "authorizer": "1"},
        "weights": ["authorizer"],
    }
    assert not play(False, set=wanted)["changed"]
    back = play(False, set=read["fields"])
    assert back["changed"] and gateway.seen() == {**before, "weights": []}
