# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic: reads, sets only what is not so yet, and only what exists. The stubs refuse every call not listed here."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import traffic
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.exceptions import ClientError
from botocore.stub import Stubber

NAMES = {"server": "mcp-production-server", "authorizer": "mcp-production-authorizer"}
BEFORE = {
    "stage_deployment": "live01",
    "server_version": "7",
    "authorizer_version": "3",
    "throttle_rate": 20.0,
    "throttle_burst": 40,
}


class Aws:
    """Stubbed clients in the shape that AWS answers in."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.clients = {name: SHARED_SESSION.client(name, **options) for name in ("apigateway", "lambda", "cloudwatch")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.slept = 0.0
        self.warned: list[str] = []

    def stage(self, deployment: str = "live01", key: str = "~1mcp/POST", rate: float = 20.0, burst: int = 40) -> None:
        settings = {
            "*/*": {"throttlingRateLimit": 5.0, "throttlingBurstLimit": 10},
            key: {"throttlingRateLimit": rate, "throttlingBurstLimit": burst},
        }
        answer = {"stageName": "live", "deploymentId": deployment, "methodSettings": settings}
        self.stubs["apigateway"].add_response("get_stage", answer, {"restApiId": "api1", "stageName": "live"})

    def alias(self, function: str, version: str, **weights: float) -> None:
        answer: dict[str, t.Any] = {"Name": "live", "FunctionVersion": version}
        if weights:
            answer["RoutingConfig"] = {"AdditionalVersionWeights": {key[1:]: value for key, value in weights.items()}}
        wanted = {"FunctionName": NAMES[function], "Name": "live"}
        self.stubs["lambda"].add_response("get_alias", answer, wanted)

    def look(self, server: str = "7", authorizer: str = "3", **stage: t.Any) -> None:
        self.stage(**stage)
        self.alias("authorizer", authorizer)
        self.alias("server", server)

    def deployment(self, deployment: str, there: bool = True) -> None:
        wanted = {"restApiId": "api1", "deploymentId": deployment}
        if there:
            self.stubs["apigateway"].add_response("get_deployment", {"id": deployment}, wanted)
        else:
            self.stubs["apigateway"].add_client_error("get_deployment", "NotFoundException", "Invalid Deployment", 404)

    def version(self, function: str, version: str, there: bool = True) -> None:
        wanted = {"FunctionName": NAMES[function], "Qualifier": version}
        if there:
            self.stubs["lambda"].add_response("get_function_configuration", {"Version": version}, wanted)
        else:
            self.stubs["lambda"].add_client_error("get_function_configuration", "ResourceNotFoundException", "", 404)

    def patch(self, *operations: tuple[str, str]) -> None:
        patches = [{"op": "replace", "path": path, "value": value} for path, value in operations]
        wanted = {"restApiId": "api1", "stageName": "live", "patchOperations": patches}
        self.stubs["apigateway"].add_response("update_stage", {}, wanted)

    def move(self, function: str, version: str) -> None:
        wanted = {
            "FunctionName": NAMES[function],
            "Name": "live",
            "FunctionVersion": version,
            "RoutingConfig": {"AdditionalVersionWeights": {}},
        }
        self.stubs["lambda"].add_response("update_alias", {}, wanted)

    def run(self, check_mode: bool = False, diff_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        params = {
            "api_id": "api1",
            "stage": "live",
            "functions": NAMES,
            "alias": "live",
            "throttle_path": "/mcp",
            "set": None,
            "alarms": [],
            **options,
        }
        ctx = Context(
            params,
            lambda service, _region: self.clients[service],
            check_mode=check_mode,
            diff_mode=diff_mode,
            warn=self.warned.append,
        )
        try:
            return traffic.run(ctx)
        finally:
            for stub in self.stubs.values():
                stub.assert_no_pending_responses()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()

    def sleep(seconds: float) -> None:
        made.slept += seconds

    monkeypatch.setattr(traffic.time, "sleep", sleep)
    return made


def test_reading_changes_nothing(aws: Aws) -> None:
    aws.look()
    result = aws.run()
    assert result == {"changed": False, "fields": BEFORE, "before": BEFORE, "after": BEFORE, "differences": []}


@pytest.mark.parametrize("ringing", [[], ["mcp-production-error-rate"]])
def test_alarms_that_ring_already_are_named(aws: Aws, ringing: list[str]) -> None:
    aws.look()
    asked = ["mcp-production-error-rate", "mcp-production-latency-p95"]
    answer = {"MetricAlarms": [{"AlarmName": name, "StateValue": "ALARM"} for name in ringing]}
    wanted = {"AlarmNames": asked, "StateValue": "ALARM"}
    aws.stubs["cloudwatch"].add_response("describe_alarms", answer, wanted)
    assert aws.run(alarms=asked)["ringing"] == ringing
    assert [name in said for name, said in zip(ringing, aws.warned, strict=True)] == [True] * len(ringing)


@pytest.mark.parametrize("key", ["~1mcp/POST", "/mcp/POST", "mcp/POST"])
@pytest.mark.parametrize("path", ["/mcp", "/~1mcp"])
def test_the_throttle_is_found_however_its_key_is_written(aws: Aws, key: str, path: str) -> None:
    aws.look(key=key)
    assert aws.run(throttle_path=path)["fields"] == BEFORE


def test_without_a_throttle_of_its_own_the_stages_applies(aws: Aws) -> None:
    aws.look(key="~1other/POST")
    assert aws.run()["fields"]["throttle_rate"] == 5.0


def test_a_diversion_is_one_call_and_is_read_again(aws: Aws) -> None:
    aws.look()
    aws.deployment("maint1")
    aws.patch(("/deploymentId", "maint1"))
    aws.stage(deployment="maint1")
    result = aws.run(set={"stage_deployment": "maint1"})
    assert result["changed"] and result["fields"] == {**BEFORE, "stage_deployment": "maint1"}
    assert result["differences"] == [{"field": "stage_deployment", "before": "live01", "after": "maint1"}]


def test_everything_at_once_in_the_order_code_before_routes(aws: Aws) -> None:
    aws.look()
    aws.version("server", "6")
    aws.version("authorizer", "2")
    aws.deployment("old001")
    aws.move("authorizer", "2")
    aws.move("server", "6")
    throttling = "/~1mcp/POST/throttling/"
    aws.patch((throttling + "rateLimit", "1.5"), (throttling + "burstLimit", "3"), ("/deploymentId", "old001"))
    aws.look(server="6", authorizer="2", deployment="old001", rate=1.5, burst=3)
    after = {
        "stage_deployment": "old001",
        "server_version": "6",
        "authorizer_version": "2",
        "throttle_rate": 1.5,
        "throttle_burst": 3,
    }
    calls: list[str] = []
    for client in aws.clients.values():
        client.meta.events.register("before-parameter-build", lambda model, **_more: calls.append(model.name))
    # As a template gives them: text.
    result = aws.run(set={name: str(value) for name, value in after.items()})
    assert result["after"] == after and {item["field"] for item in result["differences"]} == set(after)
    assert [name for name in calls if name.startswith("Update")] == ["UpdateAlias", "UpdateAlias", "UpdateStage"]


def test_what_is_so_already_is_left_alone_also_as_text(aws: Aws) -> None:
    aws.look()
    assert not aws.run(set={name: str(value) for name, value in BEFORE.items()})["changed"]


def test_a_field_without_a_value_is_left_alone(aws: Aws) -> None:
    aws.look()
    assert not aws.run(set={"stage_deployment": None, "server_version": None})["changed"]


def test_weights_are_named_and_end_with_the_version_that_is_set(aws: Aws) -> None:
    aws.stage()
    aws.alias("authorizer", "3")
    aws.alias("server", "7", v8=0.1)
    aws.version("server", "7")
    aws.move("server", "7")
    aws.look()
    result = aws.run(set={"server_version": "7"})
    assert result["before"]["server_version_weights"] == {"8": 0.1}
    assert result["changed"] and "server_version_weights" not in result["after"]
    assert result["fields"] == BEFORE


@pytest.mark.parametrize("there", [True, False])
def test_check_mode_predicts_after_the_same_look(aws: Aws, there: bool) -> None:
    aws.look()
    aws.deployment("maint1", there)
    wanted = {"stage_deployment": "maint1"}
    if not there:
        with pytest.raises(McpError, match="a deployment that API api1 still has"):
            aws.run(check_mode=True, set=wanted)
        return
    result = aws.run(check_mode=True, diff_mode=True, set=wanted)
    assert result["changed"] and result["fields"] == BEFORE
    assert result["after"] == {**BEFORE, **wanted}
    assert result["diff"][0]["after"] == result["after"]


def test_nothing_is_set_when_one_target_is_missing(aws: Aws) -> None:
    aws.look()
    aws.deployment("maint1")
    aws.version("server", "99", there=False)
    with pytest.raises(McpError, match=r"set\.server_version is '99': allowed is a version that function mcp-prod"):
        aws.run(set={"stage_deployment": "maint1", "server_version": "99"})


def test_a_stage_and_aliases_that_are_not_there_read_as_none(aws: Aws) -> None:
    aws.stubs["apigateway"].add_client_error("get_stage", "NotFoundException", "", 404)
    for _function in NAMES:
        aws.stubs["lambda"].add_client_error("get_alias", "ResourceNotFoundException", "", 404)
    assert aws.run()["fields"] == dict.fromkeys(BEFORE)


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("stage_deployment", "maint1", "no stage live of API api1"),
        ("server_version", "6", "no alias live of function mcp-production-server"),
    ],
)
def test_nothing_can_be_set_on_what_is_not_there(aws: Aws, field: str, value: str, where: str) -> None:
    aws.stubs["apigateway"].add_client_error("get_stage", "NotFoundException", "", 404)
    for _function in NAMES:
        aws.stubs["lambda"].add_client_error("get_alias", "ResourceNotFoundException", "", 404)
    with pytest.raises(McpError, match=where):
        aws.run(set={field: value})


def test_a_function_that_is_not_given_is_not_asked_for(aws: Aws) -> None:
    aws.stage()
    result = aws.run(functions={"server": None, "authorizer": None})
    assert result["fields"]["server_version"] is None


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("server_version", "$LATEST", "the number of a published version"),
        ("authorizer_version", "", "the number of a published version"),
        ("stage_deployment", "", "the id of a deployment"),
        ("throttle_rate", "fast", "a number of requests a second"),
        ("throttle_rate", -1, "a number of requests a second"),
        ("throttle_burst", "1.5", "a whole number of requests"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_read(aws: Aws, field: str, value: t.Any, allowed: str) -> None:
    with pytest.raises(McpError) as caught:
        aws.run(set={field: value})
    assert f"set.{field} is '{value}': allowed is {allowed}" in caught.value.message


def test_a_misspelt_field_is_named_with_the_nearest(aws: Aws) -> None:
    with pytest.raises(McpError, match=r"'server_versoin'\. Did you mean server_version\?"):
        aws.run(set={"server_versoin": "1"})


def test_somebody_elses_change_is_waited_for(aws: Aws) -> None:
    aws.look()
    aws.deployment("maint1")
    for _attempt in range(3):
        aws.stubs["apigateway"].add_client_error("update_stage", "ConflictException", "concurrent modification", 409)
    aws.patch(("/deploymentId", "maint1"))
    aws.stage(deployment="maint1")
    assert aws.run(set={"stage_deployment": "maint1"})["changed"]
    assert aws.slept == 3


def test_waiting_ends(aws: Aws) -> None:
    aws.look()
    aws.deployment("maint1")
    for _attempt in range(10):
        aws.stubs["apigateway"].add_client_error("update_stage", "ConflictException", "concurrent modification", 409)
    with pytest.raises(ClientError, match="concurrent modification"):
        aws.run(set={"stage_deployment": "maint1"})
    assert aws.slept == 9


@pytest.mark.parametrize("service, operation", [("apigateway", "get_stage"), ("lambda", "get_alias")])
def test_a_refusal_is_not_taken_for_nothing_there(aws: Aws, service: str, operation: str) -> None:
    if service == "lambda":
        aws.stage()
    aws.stubs[service].add_client_error(operation, "AccessDeniedException", "not authorized", 403)
    with pytest.raises(ClientError, match="not authorized"):
        aws.run()


def lambda_away(aws: Aws) -> None:
    """Only once: who does not answer is not asked for the second alias."""
    aws.stubs["lambda"].add_client_error("get_alias", "ServiceException", "internal error", 500)


def test_the_stage_is_switched_where_lambda_does_not_answer(aws: Aws) -> None:
    """A diversion is for that hour; the way back names only what is known."""
    aws.stage()
    lambda_away(aws)
    aws.deployment("maint1")
    aws.patch(("/deploymentId", "maint1"))
    aws.stage(deployment="maint1")
    result = aws.run(set={"stage_deployment": "maint1"})
    assert result["changed"]
    assert result["differences"] == [{"field": "stage_deployment", "before": "live01", "after": "maint1"}]
    unknown = {"server_version": None, "authorizer_version": None}
    assert result["before"] == {**BEFORE, **unknown}
    assert result["after"] == {**BEFORE, **unknown, "stage_deployment": "maint1"}
    assert len(aws.warned) == 1 and "internal error" in aws.warned[0] and "lambda:GetAlias" in aws.warned[0]


def test_an_alias_is_not_moved_where_lambda_does_not_answer(aws: Aws) -> None:
    aws.stage()
    lambda_away(aws)
    with pytest.raises(ClientError, match="internal error"):
        aws.run(set={"stage_deployment": "maint1", "server_version": "6"})
