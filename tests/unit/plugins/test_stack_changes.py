# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a plan: from change sets, from templates, as text, and which of them are refused."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import stack_changes as changes


def resource_change(action: str = "Modify", replacement: str = "False", **more: t.Any) -> dict[str, t.Any]:
    """Return one row as CloudFormation describes it."""
    base = {"Action": action, "LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table"}
    return {"Type": "Resource", "ResourceChange": {**base, "Replacement": replacement, **more}}


def target(path: str, recreation: str = "Never", **more: t.Any) -> dict[str, t.Any]:
    """Return one detail as CloudFormation describes it."""
    return {"Target": {"Attribute": "Properties", "Path": path, "RequiresRecreation": recreation, **more}}


def test_aws_change_set_with_values() -> None:
    """AWS tells path and values; a property mentioned twice is one detail with its cause."""
    details = [
        target("/Properties/Tags/0/a~1b", BeforeValue="x", AfterValue="y"),
        {**target("/Properties/Tags/0/a~1b", "Always"), "CausingEntity": "Environment"},
    ]
    (row,) = changes.from_change_set([resource_change(replacement="True", Details=details, Scope=["Properties"])])
    assert (row["action"], row["replacement"], row["scope"]) == ("replace", "True", ["Properties"])
    assert row["details"] == [
        {"path": "Tags.0.a/b", "before": "x", "after": "y", "recreation": "Always", "cause": "Environment"}
    ]


ORIGIN = "/Properties/DistributionConfig/Origins/0/OriginCustomHeaders/0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{ORIGIN}/HeaderValue", "old-and-new"),
        (ORIGIN, '{"HeaderName": "X", "HeaderValue": "old-and-new"}'),
        ("/Properties/DistributionConfig", '{"Origins": [{"C": [{"HeaderValue" : "old-and-new"}]}]}'),
        ("/Properties/SecretString", "old-and-new"),
        ("/Properties/MasterUserPassword", "old-and-new"),
    ],
)
def test_what_may_be_a_secret_is_told_to_change_and_not_how(path: str, value: str) -> None:
    """A terminal and a controller's log keep what they show."""
    details = [target(path, BeforeValue=value, AfterValue=value + "2")]
    rows = changes.from_change_set([resource_change(Details=details)])
    (detail,) = rows[0]["details"]
    assert (detail["before"], detail["after"]) == ("(hidden)", "(hidden)")
    assert "old-and-new" not in changes.render("edge", rows) and "(hidden) -> (hidden)" in changes.render("edge", rows)


def test_a_policy_that_names_secrets_is_shown() -> None:
    value = '{"Action": "secretsmanager:GetSecretValue"}'
    rows = changes.from_change_set([resource_change(Details=[target("/Properties/Policies/0", AfterValue=value)])])
    assert rows[0]["details"][0]["after"] == value


@pytest.mark.parametrize(
    ("action", "replacement", "expected"),
    [
        ("Add", "", "create"),
        ("Modify", "False", "update"),
        ("Modify", "Conditional", "update"),
        ("Modify", "True", "replace"),
        ("Remove", "", "delete"),
        ("Import", "", "import"),
        ("Dynamic", "", "update"),
    ],
)
def test_actions(action: str, replacement: str, expected: str) -> None:
    """CloudFormation's words become ours."""
    assert changes.from_change_set([resource_change(action, replacement)])[0]["action"] == expected


def test_values_are_filled_in_down_to_the_leaves() -> None:
    """Where the endpoint tells only the property, the templates tell what differs in it."""
    detail = {"Target": {"Attribute": "Properties", "Name": "Environment"}}
    policy = {"Target": {"Attribute": "DeletionPolicy"}}
    rows = changes.from_change_set([resource_change(Details=[detail, policy])])
    before = {"Properties": {"Environment": {"A": "1", "B": ["x", "y"]}}}
    after = {"Properties": {"Environment": {"A": "1", "B": ["x", "z"], "C": 1}}, "DeletionPolicy": "Retain"}
    changes.fill_values(rows, {"Table": before}, {"Table": after})
    assert [(leaf["path"], leaf["before"], leaf["after"]) for leaf in rows[0]["details"]] == [
        ("Environment.B.1", "y", "z"),
        ("Environment.C", None, 1),
        ("DeletionPolicy", None, "Retain"),
    ]


def test_conditions_that_turned_are_added_once() -> None:
    """A resource that the endpoint lists is not listed again."""
    rows = [changes.make_change("create", "New", "T")]
    both = changes.add_conditional(rows, {"Old": {"Type": "T"}}, {"New": {"Type": "T"}})
    assert [(row["action"], row["logical_id"]) for row in both] == [("create", "New"), ("delete", "Old")]


def test_local_comparison_with_unknown_values() -> None:
    """A property that follows an unknown parameter is shown as such, a known difference as a difference."""
    before = {
        "Same": {"Type": "T", "Properties": {"x": 1}},
        "Both": {"Type": "T", "Properties": {"x": "old", "y": {"z": 1}}},
        "Other": {"Type": "T"},
    }
    after = {
        "Same": {"Type": "T", "Properties": {"x": 1}},
        "Both": {"Type": "T", "Properties": {"x": {"Fn::Sub": "a-${Later}"}, "y": {"z": 2}}},
        "Other": {"Type": "U"},
    }
    rows = changes.compare_resources(before, after, {"Later"})
    assert [(row["logical_id"], row["action"]) for row in rows] == [("Both", "update"), ("Other", "replace")]
    assert [(item["path"], item["before"], item["after"], item["cause"]) for item in rows[0]["details"]] == [
        ("x", "old", None, "Later"),
        ("y.z", 1, 2, ""),
    ]
    assert "x: old -> (known after Later)" in changes.render("s", rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            resource_change(replacement="True", Details=[target("/Properties/KeySchema", "Always")]),
            "would be replaced by an empty one because KeySchema changes",
        ),
        (
            resource_change(replacement="Conditional", Details=[target("/Properties/Sse", "Conditionally")]),
            "may be replaced by an empty one because Sse changes",
        ),
        (resource_change("Remove", ""), "would be deleted"),
        (resource_change("Remove", "", PolicyAction="Retain"), "would leave the stack (Retain)"),
    ],
)
def test_data_is_guarded(change: dict[str, t.Any], words: str) -> None:
    """Refused with the resource, the reason and what to type; allowed by name only."""
    rows = changes.from_change_set([change])
    refused = changes.refusals(rows, ["Bucket"])
    assert refused == rows
    message = changes.describe_refusal("mcp-x-data", refused)
    assert words in message
    assert message.endswith("-e mcp_allow_replacement=Table")
    assert changes.refusals(rows, ["Table"]) == []


def test_harmless_changes_are_not_refused() -> None:
    """In-place updates, new tables, and replaced resources without data."""
    function = resource_change(replacement="True")
    function["ResourceChange"]["ResourceType"] = "AWS::Lambda::Function"
    rows = changes.from_change_set([resource_change(), resource_change("Add", ""), function])
    assert changes.refusals(rows, []) == []


@pytest.mark.parametrize(
    ("kind", "path", "refused"),
    [
        ("AWS::S3::Bucket", "LifecycleConfiguration", False),
        ("AWS::S3::Bucket", "BucketName", True),
        ("AWS::SecretsManager::Secret", "Tags", False),
        ("AWS::SecretsManager::Secret", "Name", True),
        ("AWS::DynamoDB::Table", "KeySchema", True),
        ("AWS::DynamoDB::Table", "OnDemandThroughput", True),
    ],
)
def test_perhaps_is_believed_only_where_the_property_can_replace(kind: str, path: str, refused: bool) -> None:
    """An endpoint that does not know a type says "conditionally" of all its properties; guard and plan agree."""
    change = resource_change(replacement="Conditional", Details=[target(f"/Properties/{path}", "Conditionally")])
    change["ResourceChange"]["ResourceType"] = kind
    rows = changes.from_change_set([change])
    changes.fill_values(rows, {"Table": {"Properties": {path: {"a": 1}}}}, {"Table": {"Properties": {path: {"a": 2}}}})
    assert rows[0]["details"][0]["path"] == f"{path}.a"
    assert changes.refusals(rows, []) == (rows if refused else [])
    assert ("(MAY BE REPLACED)" in changes.render("data", rows)) is refused


def test_readable_diff() -> None:
    """Aligned rows, values, and a mark where something is lost or kept."""
    rows = [
        changes.make_change("create", "Role", "AWS::IAM::Role"),
        changes.make_change(
            "replace",
            "Table",
            "AWS::DynamoDB::Table",
            replacement="True",
            details=[
                changes.make_detail("KeySchema", [{"a": 1}], None, "Always"),
                changes.make_detail("Tags", None, None),
            ],
        ),
        changes.make_change("delete", "Old", "AWS::IAM::Role", policy="Retain"),
        changes.make_change("update", "F", "T", details=[changes.make_detail("Code", "a" * 100, "b", cause="Key")]),
        changes.make_change("update", "G", "T", details=[changes.make_detail("Role", None, None, cause="Role.Arn")]),
        changes.make_change("update", "H", "AWS::S3::Bucket", replacement="Conditional"),
    ]
    assert changes.render("app", rows, "a note").splitlines() == [
        "stack app: 1 to create, 3 to update, 1 to replace, 1 to delete (a note)",
        "  +   create   AWS::IAM::Role        Role",
        "  -/+ REPLACE  AWS::DynamoDB::Table  Table (BY AN EMPTY ONE)",
        '        KeySchema: [{"a":1}] -> (none) (forces replacement)',
        "        Tags",
        "  -   delete   AWS::IAM::Role        Old (leaves the stack, stays on AWS)",
        "  ~   update   T                     F",
        f"        Code: {'a' * 77}... -> b",
        "  ~   update   T                     G",
        "        Role: follows Role.Arn",
        "  ~   update   AWS::S3::Bucket       H (MAY BE REPLACED)",
    ]
    assert changes.render("app", []) == ""


@pytest.mark.parametrize(
    "path, remark",
    [
        ("DBInstanceClass", " (keeps its data; restarts, some minutes without it)"),
        ("BackupRetentionPeriod", " (keeps its data)"),
        ("StorageEncrypted", " (MAY BE REPLACED)"),
    ],
)
def test_the_plan_of_a_database_says_what_happens_to_its_data(path, remark):
    details = [changes.make_detail(path, "before", "after", "Conditionally")]
    row = changes.make_change("update", "Database", "AWS::RDS::DBInstance", details=details, replacement="Conditional")
    assert changes.render("data", [row]).splitlines()[1] == f"  ~   update   AWS::RDS::DBInstance  Database{remark}"
    assert bool(changes.refusals([row], [])) is ("REPLACED" in remark)
