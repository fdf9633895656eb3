# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source texts of templates under their hash, rollback alarms, stack policy: what the stack module sends to AWS."""

from __future__ import annotations

import hashlib
import io
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_operation import rolled_back_by
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import HASH_OUTPUT, build_template
from botocore.response import StreamingBody
from botocore.stub import ANY

from tests.unit.plugins.stack_world import ADD, ID, SET, TEMPLATE, Harness, event, quick_harness

OWNER = "123456789012"
SHA256 = hashlib.sha256(TEMPLATE.encode()).hexdigest()
KEY = f"templates/source-{SHA256}.yaml"
PLACE = {"Bucket": "b", "ExpectedBucketOwner": OWNER, "Key": KEY}
BUCKET: dict[str, t.Any] = {"template_bucket": "b", "template_bucket_owner": OWNER}
KEPT: dict[str, t.Any] = {"template": None, "template_key": KEY, **BUCKET}
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:mcp-production-errors"
POLICY = {"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """A task whose waiting takes no time."""
    return quick_harness(tmp_path, monkeypatch)


def answer_object(harness: Harness, text: str) -> None:
    """Expect the source text to be read, from the owner's bucket only."""
    body = {"Body": StreamingBody(io.BytesIO(text.encode()), len(text.encode())), "ETag": "e"}
    harness.stubs["s3"].add_response("get_object", body, PLACE)


def expect_update(harness: Harness, **expected: t.Any) -> None:
    """Expect an update that ends well; ``expected`` is what the change set has to say beside the usual."""
    harness.current(sha256="old")
    if "policy" in expected:
        harness.answer("get_stack_policy", expected.pop("policy"), StackName=ID)
    harness.answer("list_change_sets", {"Summaries": []})
    common = {key: ANY for key in ("ChangeSetName", "ClientToken", "Capabilities", "Parameters", "TemplateBody")}
    request = {"StackName": "s", "ChangeSetType": "UPDATE", **common}
    policy = expected.pop("set_policy", None)
    harness.answer("create_change_set", {"Id": SET, "StackId": ID}, **{**request, **expected})
    harness.change_set({**ADD, "Action": "Modify"})
    if policy:
        harness.answer("set_stack_policy", {}, StackName="s", StackPolicyBody=policy)
    harness.events(event(1, "CREATE_COMPLETE", "s"))
    harness.answer("execute_change_set")


def finish(harness: Harness) -> None:
    """Expect the update to end well."""
    harness.described("UPDATE_COMPLETE")
    harness.events(event(1, "x", "s"), event(2, "UPDATE_COMPLETE", "s"))
    harness.current("UPDATE_COMPLETE", sha256="new")


class TestSource:
    """Where the text comes from, and where it is kept."""

    def test_by_its_address(self, harness: Harness) -> None:
        """The same template as from the file, with no file."""
        answer_object(harness, TEMPLATE)
        harness.current(sha256=harness.sha256)
        result = harness.run(**KEPT)
        assert (result["changed"], result["template_sha256"]) == (False, harness.sha256)
        assert result["template_key"] == KEY

    def test_the_lock_knows_the_owner(self, harness: Harness) -> None:
        """Where the owner is not given for the templates themselves."""
        answer_object(harness, TEMPLATE)
        harness.current(sha256=harness.sha256)
        lock = {"bucket": "b", "key": "k", "run_id": "r", "lease": 900, "owner": OWNER}
        assert harness.run(**{**KEPT, "template_bucket_owner": None, "lock": lock})["changed"] is False

    def test_another_text_is_refused(self, harness: Harness) -> None:
        """Before CloudFormation is asked anything; says how to find the right version."""
        answer_object(harness, TEMPLATE + "# one byte more")
        message = harness.run(**KEPT)["msg"]
        assert f"s3://b/{KEY} is not the text that was kept" in message
        assert f"aws s3api list-object-versions --bucket b --prefix {KEY}" in message

    def test_a_text_that_is_gone(self, harness: Harness) -> None:
        """One clear error."""
        harness.fail("get_object", "NoSuchKey", service="s3")
        assert f"s3://b/{KEY} does not exist any more" in harness.run(**KEPT)["msg"]

    @pytest.mark.parametrize("key", ["x.yaml", "templates/source-abc.yaml", KEY + "x", KEY.replace("source", "other")])
    def test_what_is_no_address(self, harness: Harness, key: str) -> None:
        """Refused without a request."""
        assert f"template_key is '{key}'" in harness.run(**{**KEPT, "template_key": key})["msg"]

    def test_a_bucket_is_needed(self, harness: Harness) -> None:
        """The option is named."""
        assert "template_bucket is not set" in harness.run(template=None, template_key=KEY)["msg"]
        assert "template_bucket is not set" in harness.run(keep_template=True)["msg"]

    def test_the_template_that_the_stack_has(self, harness: Harness) -> None:
        """Its own hash again, so nothing differs but what was given; the file may be another by now."""
        body = build_template(str(harness.path), {}).body
        harness.path.write_text("Resources: {}", encoding="utf-8")
        deployed: dict[str, t.Any] = {"deployed_template": True, "template": None, "parameters": {"Size": "small"}}
        digest = json.loads(body)["Outputs"][HASH_OUTPUT]["Value"]
        for _attempt in range(2):
            harness.answer("get_template", {"TemplateBody": body}, StackName="s", TemplateStage="Original")
            harness.current(sha256=digest)
            assert harness.run(**deployed)["changed"] is False
        harness.answer("get_template", {"TemplateBody": body})
        expect_update(harness, TemplateBody=body)
        finish(harness)
        assert harness.run(**{**deployed, "parameters": {"Size": "big"}})["changed"] is True

    def test_a_stack_that_is_not_there_has_none(self, harness: Harness) -> None:
        """One clear error."""
        harness.fail("get_template", message="Stack with id s does not exist")
        assert "there is no stack s. Nothing was changed" in harness.run(deployed_template=True, template=None)["msg"]

    def test_kept_once(self, harness: Harness) -> None:
        """The text as it is in the file, in the owner's bucket; a second run writes nothing."""
        harness.fail("head_object", "404", service="s3")
        put = {**PLACE, "Body": TEMPLATE.encode(), "ContentType": "text/yaml"}
        harness.stubs["s3"].add_response("put_object", {"ETag": "e"}, put)
        harness.current(sha256=harness.sha256)
        assert harness.run(keep_template=True, **BUCKET)["template_key"] == KEY
        harness.stubs["s3"].add_response("head_object", {"ContentLength": 1}, PLACE)
        harness.current(sha256=harness.sha256)
        assert harness.run(keep_template=True, **BUCKET)["template_key"] == KEY

    @pytest.mark.parametrize("how", [{"state": "planned"}, {"check_mode": True}])
    def test_a_plan_keeps_nothing(self, harness: Harness, how: dict[str, t.Any]) -> None:
        """It only says where the text would lie."""
        harness.current(sha256=harness.sha256)
        assert harness.run(keep_template=True, **BUCKET, **how)["template_key"] == KEY

    def test_foreign_line_ends_survive(self, harness: Harness) -> None:
        """The hash is over the file's own bytes."""
        text = TEMPLATE.replace("\n", "\r\n")
        harness.path.write_bytes(text.encode())
        harness.current(sha256=harness.sha256)
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert digest in harness.run(keep_template=True, state="planned", **BUCKET)["template_key"]

    def test_long_templates_belong_to_the_owner_too(self, harness: Harness) -> None:
        """Every call about the bucket names the account that has to own it."""
        harness.path.write_text(TEMPLATE + f"  Long: {{Value: {'x' * 52_000}}}\n", encoding="utf-8")
        put = {**PLACE, "Key": ANY, "Body": ANY, "ContentType": "application/json"}
        harness.current()
        harness.stubs["s3"].add_response("put_object", {"VersionId": "v"}, put)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(ADD)
        harness.answer("delete_change_set")
        harness.stubs["s3"].add_response("delete_object", {}, {**PLACE, "Key": ANY, "VersionId": "v"})
        assert harness.run(state="planned", **BUCKET)["changed"]
        harness.current()
        harness.answer("list_change_sets", {"Summaries": []})
        harness.stubs["s3"].add_client_error(
            "head_object", "404", expected_params={**PLACE, "Key": ANY}, http_status_code=404
        )
        harness.stubs["s3"].add_response("put_object", {"VersionId": "v"}, put)
        harness.fail("create_change_set", message="stop here")
        assert "stop here" in harness.run(**BUCKET)["msg"]

    def test_unchanged_inputs_have_the_same_hash(self, harness: Harness) -> None:
        """And other ones another."""
        digests = []
        for size in ("a", "a", "b"):
            harness.missing()
            harness.answer("validate_template")
            digests.append(harness.run(state="planned", parameters={"Size": size})["inputs_sha256"])
        assert digests[0] == digests[1] != digests[2]


class TestAlarms:
    """Alarms that make CloudFormation roll back by itself."""

    def test_in_the_change_set(self, harness: Harness) -> None:
        """As the service model has them."""
        triggers = [{"Arn": ALARM, "Type": "AWS::CloudWatch::Alarm"}]
        configuration = {"RollbackTriggers": triggers, "MonitoringTimeInMinutes": 5}
        expect_update(harness, RollbackConfiguration=configuration)
        finish(harness)
        assert harness.run(rollback_alarms=[ALARM], rollback_monitoring_minutes=5)["changed"]

    def test_removed(self, harness: Harness) -> None:
        """An empty list is said to CloudFormation, which would keep those of the last update."""
        expect_update(harness, RollbackConfiguration={"RollbackTriggers": [], "MonitoringTimeInMinutes": 0})
        finish(harness)
        assert harness.run(rollback_alarms=[])["changed"]

    def test_the_alarm_is_named(self, harness: Harness) -> None:
        """No resource failed: the reason is in the stack's own event."""
        expect_update(harness, RollbackConfiguration=ANY)
        harness.described("UPDATE_ROLLBACK_COMPLETE")
        harness.events(
            event(1, "x", "s"),
            event(2, "UPDATE_ROLLBACK_IN_PROGRESS", "s", f"Rollback trigger [{ALARM}] went to ALARM"),
            event(3, "UPDATE_ROLLBACK_COMPLETE", "s"),
        )
        harness.answer("describe_events", {"OperationEvents": []})
        result = harness.run(rollback_alarms=[ALARM])
        assert "rolled back because of alarm mcp-production-errors: Rollback trigger" in result["msg"]
        assert result["status"] == "UPDATE_ROLLBACK_COMPLETE" and "back at the version before" in result["msg"]

    def test_another_reason(self) -> None:
        """Whatever CloudFormation says is told; where it says nothing, that."""
        assert rolled_back_by([event(1, "ROLLBACK_IN_PROGRESS", "s", "Cancelled by user")]) == "Cancelled by user"
        assert rolled_back_by([event(1, "UPDATE_COMPLETE", "s")]) == "CloudFormation gives no reason"

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"rollback_alarms": [ALARM] * 6}, "6 alarms are given: allowed are up to 5"),
            ({"rollback_alarms": [], "rollback_monitoring_minutes": 181}, "is 181: allowed are 0 to 180"),
            ({"rollback_alarms": [], "rollback_monitoring_minutes": -1}, "is -1: allowed are 0 to 180"),
        ],
    )
    def test_more_than_allowed(self, harness: Harness, options: dict[str, t.Any], words: str) -> None:
        """Said before a change set is made."""
        harness.missing()
        assert words in harness.run(**options)["msg"]


class TestPolicy:
    """Which updates CloudFormation itself refuses."""

    BODY = json.dumps(POLICY, sort_keys=True, separators=(",", ":"))

    def test_set_before_the_update(self, harness: Harness) -> None:
        """So that it holds for this update."""
        expect_update(harness, policy={}, set_policy=self.BODY)
        finish(harness)
        result = harness.run(stack_policy=POLICY)
        assert result["changes"][-1]["details"][0]["path"] == "StackPolicy"

    def test_set_alone(self, harness: Harness) -> None:
        """A stack that needs no update gets it all the same."""
        harness.current(sha256=harness.sha256)
        harness.answer("get_stack_policy", {"StackPolicyBody": '{"Statement": []}'}, StackName=ID)
        harness.answer("set_stack_policy", {}, StackName="s", StackPolicyBody=self.BODY)
        result = harness.run(stack_policy=POLICY)
        assert result["changed"] and "StackPolicy" in result["diff"][0]["prepared"]

    def test_equal_policies_are_left_alone(self, harness: Harness) -> None:
        """However they are written."""
        harness.current(sha256=harness.sha256)
        harness.answer("get_stack_policy", {"StackPolicyBody": json.dumps(POLICY, indent=4)})
        assert harness.run(stack_policy=POLICY)["changed"] is False

    def test_planned(self, harness: Harness) -> None:
        """A plan sets nothing."""
        harness.current(sha256=harness.sha256)
        harness.answer("get_stack_policy")
        result = harness.run(stack_policy=POLICY, state="planned")
        assert [row["scope"] for row in result["changes"]] == [["StackPolicy"]]

    def test_a_new_stack_gets_it_at_last(self, harness: Harness) -> None:
        """No policy can be set on a stack that is not there."""
        harness.missing()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(ADD)
        harness.events(event(1, "REVIEW_IN_PROGRESS", "s"))
        harness.answer("execute_change_set")
        harness.described("CREATE_COMPLETE")
        harness.events(event(1, "x", "s"), event(2, "CREATE_COMPLETE", "s"))
        harness.current(sha256="h")
        harness.answer("set_stack_policy", {}, StackName="s", StackPolicyBody=self.BODY)
        assert [row["logical_id"] for row in harness.run(stack_policy=POLICY)["changes"]] == ["Topic"]

    def test_what_is_no_policy(self, harness: Harness) -> None:
        """Said with an example."""
        harness.current(sha256=harness.sha256)
        assert '{"Statement": [{"Effect"' in harness.run(stack_policy={"Statement": []})["msg"]
