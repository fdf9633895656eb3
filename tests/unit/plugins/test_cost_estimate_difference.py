# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cost_estimate against what is deployed: only what is about to change is asked for, and the sums are those by hand."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import estimate_template, template
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION
from botocore.stub import Stubber

from tests.unit.plugins import estimate_world as world
from tests.unit.plugins.estimate_world import price

MONTH = Decimal(730)
BIGGER = MONTH * (price("rds.postgres.db.t3.small") - price("rds.postgres.db.t3.micro"))


class Aws:
    """A CloudFormation that has templates of deployed stacks."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.client = SHARED_SESSION.client("cloudformation", **options)
        self.stub = Stubber(self.client)
        self.stub.activate()

    def has(self, name: str, body: t.Any) -> None:
        wanted = {"StackName": name, "TemplateStage": "Processed"}
        self.stub.add_response("get_template", {"TemplateBody": body}, wanted)

    def run(self, phase: str, deployed: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
        options.setdefault("stacks", world.stacks(phase))
        result = world.run(phase, lambda service, _region: self.client, deployed=deployed, **options)
        self.stub.assert_no_pending_responses()
        return result


def deployed(phase: str, planned: tuple[str, ...] = (), **changed: t.Any) -> dict[str, t.Any]:
    """Return what is known of deployed stacks.

    :param changed: parameters that they have otherwise
    """
    return {
        layer: {
            "name": f"mcp-{phase}-{layer}",
            "status": "UPDATE_COMPLETE",
            "planned": layer in planned,
            "parameters": {key: str(value) for key, value in {**stack["parameters"], **changed}.items()},
        }
        for layer, stack in world.stacks(phase).items()
    }


def text_of(phase: str, layer: str) -> str:
    """Return the template of a layer."""
    return Path(world.stacks(phase)[layer]["template"]).read_text()


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_nothing_planned_asks_nobody_and_is_no_difference(phase: str) -> None:
    shown: list[str] = []
    result = Aws().run(phase, deployed(phase), diff_mode=True, progress=shown.append)
    difference = result["estimate"]["difference"]
    assert difference["against"] == "deployed" and difference["monthly"] == "0" and difference["lines"] == []
    assert difference["before"] == difference["after"] == result["estimate"]["totals"]["always_free"]
    assert shown == []


def test_another_class_is_the_difference_of_its_hours() -> None:
    aws, shown = Aws(), list[str]()
    aws.has("mcp-staging-data", text_of("staging", "data"))
    stacks = world.stacks("staging", InstanceClass="db.t3.small")
    result = aws.run("staging", deployed("staging", ("data",)), stacks=stacks, diff_mode=True, progress=shown.append)
    difference = result["estimate"]["difference"]
    assert Decimal(difference["monthly"]) == BIGGER and difference["monthly"].startswith("+")
    assert {(line["resource"], line["item"]) for line in difference["lines"]} == {
        ("data.Database", "rds.postgres.db.t3.micro"),
        ("data.Database", "rds.postgres.db.t3.small"),
    }
    assert shown[0] == "monthly cost of staging, USD" and shown[-1].endswith(f"(+{BIGGER:.2f} a month)")


def test_the_order_of_a_deployed_template_makes_no_difference() -> None:
    """There are more alarms than an account has free: the same ones have to be billed."""
    document = template.load_template(text_of("staging", "watch"), "watch")
    document["Resources"] = dict(reversed(document["Resources"].items()))
    aws = Aws()
    aws.has("mcp-staging-watch", json.dumps(document))
    given = {**world.stacks("staging"), "more": {"template": str(Path(world.stacks("staging")["watch"]["template"]))}}
    stacks = {**deployed("staging", ("watch",)), "more": {**deployed("staging")["watch"]}}
    given["more"]["parameters"] = given["watch"]["parameters"]
    assert aws.run("staging", stacks, stacks=given)["estimate"]["difference"]["lines"] == []


def test_back_to_a_smaller_one_is_less() -> None:
    aws = Aws()
    aws.has("mcp-staging-data", text_of("staging", "data"))
    result = aws.run("staging", deployed("staging", ("data",), InstanceClass="db.t3.small"))
    assert Decimal(result["estimate"]["difference"]["monthly"]) == -BIGGER


def test_a_template_that_aws_has_expanded_is_read_as_it_is() -> None:
    aws = Aws()
    document = template.load_template(text_of("production", "app"), "app")
    values = {"MemorySize": "1024", "Architecture": "x86_64", "Environment": "production"}
    whole = template.expand(document, values, world.REGION)
    for name in ("MemorySize", "Architecture"):
        whole = template.substitute(whole, {name: values[name]})
    # botocore hands it on as data.
    aws.has("mcp-production-app", json.dumps(whole))
    busy = {
        "requests": 20_000_000,
        "cold_starts": 0,
        "authorizer_calls": 0,
        "authorizer_cold_starts": 0,
        "rotation_runs": 0,
    }
    known = deployed("production", ("app",))
    result = aws.run("production", known, usage=busy)
    lines = {line["item"]: Decimal(line["monthly"]) for line in result["estimate"]["difference"]["lines"]}
    free = Decimal(400_000)
    by_hand = {
        "lambda.gb_seconds.arm64": (20_000_000 * Decimal("0.1") - free) * price("lambda.gb_seconds.arm64"),
        "lambda.gb_seconds.x86_64": -(20_000_000 * Decimal("0.2") - free) * price("lambda.gb_seconds.x86_64"),
    }
    assert set(lines) == set(by_hand)
    assert all(abs(lines[item] - by_hand[item]) < Decimal("0.00001") for item in lines)


def test_where_nothing_is_deployed_all_of_it_is_new() -> None:
    nothing: dict[str, t.Any] = {layer: {"name": layer, "status": None, "parameters": {}} for layer in world.STAGING}
    estimate = Aws().run("staging", nothing)["estimate"]
    assert estimate["difference"]["against"] == "nothing is deployed"
    assert estimate["difference"]["before"] == "0"
    assert estimate["difference"]["monthly"] == f"+{estimate['totals']['always_free']}"


def test_a_stack_that_is_new_is_the_difference() -> None:
    known = deployed("staging")
    known["watch"]["status"] = None
    known["edge"]["status"] = "ROLLBACK_COMPLETE"
    estimate = Aws().run("staging", known)["estimate"]
    # Of the watch, one alarm is beyond those that are free: AWS makes two more for the group.
    lines = [line for line in estimate["difference"]["lines"] if not line["resource"].startswith("edge.")]
    assert [(line["resource"].partition(".")[0], line["item"]) for line in lines] == [("watch", "cloudwatch.alarm")]
    assert len(lines) < len(estimate["difference"]["lines"])


def key(**more: t.Any) -> list[dict[str, t.Any]]:
    """Return a key beside the stacks."""
    return [{"resource": "signing key", "item": "kms.key", "quantity": 1, **more}]


@pytest.mark.parametrize(
    ("there", "monthly"),
    [({}, "0"), ({"deployed": 1}, "0"), ({"deployed": 0}, "+1"), ({"deployed": 2}, "-1")],
)
def test_what_is_beside_the_stacks_is_new_where_it_is_not_there_yet(there: dict[str, t.Any], monthly: str) -> None:
    difference = Aws().run("staging", deployed("staging"), beside=key(**there))["estimate"]["difference"]
    assert difference["against"] == "deployed" and difference["monthly"] == monthly
    assert [line["resource"] for line in difference["lines"]] == ([] if monthly == "0" else ["signing key"])


def test_what_is_beside_nothing_is_all_new() -> None:
    nothing: dict[str, t.Any] = {layer: {"name": layer, "status": None, "parameters": {}} for layer in world.STAGING}
    for beside in (key(), key(deployed=0)):
        estimate = Aws().run("staging", nothing, beside=beside)["estimate"]
        assert estimate["difference"]["against"] == "nothing is deployed"
        assert estimate["difference"]["monthly"] == f"+{estimate['totals']['always_free']}"


def test_what_is_there_in_a_number_that_is_not_known_is_named() -> None:
    difference = Aws().run("staging", deployed("staging"), beside=key(deployed=None))["estimate"]["difference"]
    assert [item["resource"] for item in difference["unpriced"]] == ["signing key"]


def test_a_refused_look_leaves_the_difference_unknown_and_says_why() -> None:
    aws = Aws()
    aws.stub.add_client_error("get_template", "AccessDenied", "not authorized to perform GetTemplate", 403)
    result = aws.run("staging", deployed("staging", ("data",)))
    difference = result["estimate"]["difference"]
    assert difference["monthly"] is None and "GetTemplate" in difference["why"]
    assert Decimal(result["estimate"]["totals"]["always_free"]) > 0


def test_what_becomes_unknown_is_named() -> None:
    aws, shown = Aws(), list[str]()
    aws.has("mcp-staging-app", text_of("staging", "app"))
    stacks = world.stacks("staging", InstanceType="m7i.large", CpuCredits="none")
    result = aws.run("staging", deployed("staging", ("app",)), stacks=stacks, diff_mode=True, progress=shown.append)
    assert [item["resource"] for item in result["estimate"]["difference"]["unpriced"]] == ["app.ServerGroup"]
    assert "app.ServerGroup (AWS::AutoScaling::AutoScalingGroup): unknown" in "\n".join(shown)


SMALL = """
Parameters:
  Size: {Type: Number, Default: 20}
  Kind: {Type: String}
  Subnets: {Type: CommaDelimitedList}
  Where: {Type: String, Default: ""}
Mappings: {Sizes: {large: {Gb: 80}}}
Conditions:
  Big: !Equals [!Ref Kind, big]
  Somewhere: !Not [!Equals [!Ref Where, ""]]
Resources:
  Disk:
    Type: AWS::EC2::Volume
    Properties:
      VolumeType: !If [Big, gp2, gp3]
      Size: !If [Big, !FindInMap [Sizes, large, Gb], !Ref Size]
      Tags: !If [Big, !Ref AWS::NoValue, [x]]
      Name: !Join ["-", [a, !Select [1, !Split [".", "b.c"]]]]
  There: {Type: AWS::EC2::EIP, Condition: Somewhere}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Subnets: !Ref Subnets}}
"""


def read(**parameters: t.Any) -> dict[str, estimate_template.Resource]:
    """Return the resources of the small template."""
    found = estimate_template.read_resources("x", SMALL, "small", parameters, {}, region="us-east-1", translate=False)
    return {resource.logical_id: resource for resource in found}


def test_a_template_is_read_with_its_values() -> None:
    small, big = read(Kind="small", Subnets="a,b,c"), read(Kind="big", Size=1, Where="here", Subnets="")
    assert small["Disk"].properties == {"VolumeType": "gp3", "Size": "20", "Tags": ["x"], "Name": "a-c"}
    assert big["Disk"].properties == {"VolumeType": "gp2", "Size": 80, "Name": "a-c"}
    assert small["Balancer"].properties["Subnets"] == ["a", "b", "c"]
    assert "There" in big and "There" not in small
    # What is not known yet stays as it is, and so does what depends on it.
    unknown = read()
    assert unknown["Disk"].number("Size").value is None and unknown["Disk"].text("VolumeType") is None
    assert big["Balancer"].properties["Subnets"] == {"Ref": "Subnets"}
