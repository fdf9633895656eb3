# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account holds, in a form that is equal exactly when nothing was changed: no times, no order."""

from __future__ import annotations

import hashlib
import json
import typing as t

from tests.support.emulated import TestSandbox

MakeClient = t.Callable[..., t.Any]


def snapshot(sandbox: TestSandbox) -> dict[str, t.Any]:
    """Return everything of the account by kind and name."""
    return {kind: read(sandbox.client) for kind, read in READERS.items()}


def difference(before: dict[str, t.Any], after: dict[str, t.Any]) -> list[str]:
    """Name what differs between two snapshots; an empty list means that they are equal."""
    return [
        f"{kind} {name}: {before[kind].get(name, 'absent')} -> {after[kind].get(name, 'absent')}"
        for kind in before
        for name in sorted(before[kind].keys() | after[kind].keys())
        if before[kind].get(name) != after[kind].get(name)
    ]


def names(snapshot: dict[str, t.Any]) -> set[str]:
    """Return ``kind name`` of everything there is."""
    return {f"{kind} {name}" for kind, found in snapshot.items() for name in found}


def _digest(value: t.Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pages(client: t.Any, operation: str, key: str, **arguments: t.Any) -> list[t.Any]:
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get(key) or []]


def _pairs(items: list[dict[str, t.Any]] | None, key: str, value: str) -> dict[str, t.Any]:
    return {item[key]: item.get(value) for item in items or []}


def _stacks(make_client: MakeClient) -> dict[str, t.Any]:
    client = make_client("cloudformation")
    return {
        stack["StackName"]: {
            "status": stack["StackStatus"],
            "parameters": _pairs(stack.get("Parameters"), "ParameterKey", "ParameterValue"),
            "outputs": _pairs(stack.get("Outputs"), "OutputKey", "OutputValue"),
            "tags": _pairs(stack.get("Tags"), "Key", "Value"),
            "protected": stack.get("EnableTerminationProtection"),
            "template": _digest(client.get_template(StackName=stack["StackName"])["TemplateBody"]),
            "resources": _pairs(
                client.describe_stack_resources(StackName=stack["StackName"])["StackResources"],
                "LogicalResourceId",
                "PhysicalResourceId",
            ),
            "change_sets": sorted(
                item["ChangeSetName"] for item in client.list_change_sets(StackName=stack["StackName"])["Summaries"]
            ),
        }
        for stack in _pages(client, "describe_stacks", "Stacks")
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }


def _tables(make_client: MakeClient) -> dict[str, t.Any]:
    client = make_client("dynamodb")
    tables = {}
    for name in _pages(client, "list_tables", "TableNames"):
        table = client.describe_table(TableName=name)["Table"]
        items = [_digest(item) for item in _pages(client, "scan", "Items", TableName=name)]
        kept = ("KeySchema", "DeletionProtectionEnabled", "OnDemandThroughput", "TableId")
        tables[name] = {**{key: table.get(key) for key in kept}, "items": sorted(items)}
    return tables


def _backups(make_client: MakeClient) -> dict[str, t.Any]:
    found = make_client("dynamodb").list_backups()["BackupSummaries"]
    return {backup["BackupArn"]: backup["TableName"] for backup in found}


def _buckets(make_client: MakeClient) -> dict[str, t.Any]:
    client = make_client("s3")
    return {
        name: sorted(
            f"{item['Key']} {item['VersionId']} {item.get('ETag', 'delete marker')}"
            for kind in ("Versions", "DeleteMarkers")
            for item in _pages(client, "list_object_versions", kind, Bucket=name)
        )
        for name in (bucket["Name"] for bucket in client.list_buckets()["Buckets"])
    }


def _ssm_parameters(make_client: MakeClient) -> dict[str, t.Any]:
    found = _pages(make_client("ssm"), "describe_parameters", "Parameters")
    return {item["Name"]: [item["Type"], item.get("Version")] for item in found}


def _secrets(make_client: MakeClient) -> dict[str, t.Any]:
    found = _pages(make_client("secretsmanager"), "list_secrets", "SecretList")
    return {item["Name"]: [item["ARN"], item.get("SecretVersionsToStages")] for item in found}


def _functions(make_client: MakeClient) -> dict[str, t.Any]:
    client = make_client("lambda")
    kept = ("CodeSha256", "MemorySize", "Timeout", "Runtime", "Environment", "Role", "Handler", "Description")
    functions = {}
    for function in _pages(client, "list_functions", "Functions"):
        name = function["FunctionName"]
        versions = _pages(client, "list_versions_by_function", "Versions", FunctionName=name)
        functions[name] = {
            **{key: function.get(key) for key in kept},
            "versions": _pairs(versions, "Version", "CodeSha256"),
            "aliases": _pairs(_pages(client, "list_aliases", "Aliases", FunctionName=name), "Name", "FunctionVersion"),
        }
    return functions


def _apis(make_client: MakeClient) -> dict[str, t.Any]:
    client = make_client("apigateway")
    apis = {}
    for api in client.get_rest_apis(limit=500)["items"]:
        stages = client.get_stages(restApiId=api["id"])["item"]
        resources = client.get_resources(restApiId=api["id"], limit=500)["items"]
        apis[f"{api['name']} {api['id']}"] = {
            "stages": {stage["stageName"]: [stage["deploymentId"], stage.get("methodSettings")] for stage in stages},
            "deployments": sorted(item["id"] for item in client.get_deployments(restApiId=api["id"])["items"]),
            "paths": {item["path"]: sorted(item.get("resourceMethods") or {}) for item in resources},
        }
    return apis


def _gateway_account(make_client: MakeClient) -> dict[str, t.Any]:
    role = make_client("apigateway").get_account().get("cloudwatchRoleArn")
    return {role: True} if role else {}


def _distributions(make_client: MakeClient) -> dict[str, t.Any]:
    found = make_client("cloudfront").list_distributions()["DistributionList"].get("Items", [])
    return {item["Id"]: [item["DomainName"], item["Comment"], _digest(item["Origins"])] for item in found}


def _cdn_functions(make_client: MakeClient) -> dict[str, t.Any]:
    found = make_client("cloudfront").list_functions(Stage="LIVE")["FunctionList"].get("Items", [])
    return {item["Name"]: item["FunctionMetadata"]["FunctionARN"] for item in found}


def _certificates(make_client: MakeClient) -> dict[str, t.Any]:
    found = _pages(make_client("acm"), "list_certificates", "CertificateSummaryList")
    return {item["CertificateArn"]: [item["DomainName"], item["Status"]] for item in found}


def _alarms(make_client: MakeClient) -> dict[str, t.Any]:
    found = _pages(make_client("cloudwatch"), "describe_alarms", "MetricAlarms")
    return {item["AlarmName"]: item.get("AlarmActions") for item in found}


def _log_groups(make_client: MakeClient) -> dict[str, t.Any]:
    found = _pages(make_client("logs"), "describe_log_groups", "logGroups")
    return {item["logGroupName"]: item.get("retentionInDays") for item in found}


def _topics(make_client: MakeClient) -> dict[str, t.Any]:
    return {item["TopicArn"]: True for item in _pages(make_client("sns"), "list_topics", "Topics")}


def _roles(make_client: MakeClient) -> dict[str, t.Any]:
    client = make_client("iam")
    roles = {}
    for role in _pages(client, "list_roles", "Roles"):
        name = role["RoleName"]
        inline = _pages(client, "list_role_policies", "PolicyNames", RoleName=name)
        policies = {
            policy: client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in inline
        }
        attached = _pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        roles[name] = {"inline": policies, "attached": sorted(item["PolicyName"] for item in attached)}
    return roles


READERS: dict[str, t.Callable[[MakeClient], dict[str, t.Any]]] = {
    "stack": _stacks,
    "table": _tables,
    "backup": _backups,
    "bucket": _buckets,
    "parameter": _ssm_parameters,
    "secret": _secrets,
    "function": _functions,
    "api": _apis,
    "gateway account": _gateway_account,
    "distribution": _distributions,
    "cdn function": _cdn_functions,
    "certificate": _certificates,
    "alarm": _alarms,
    "log group": _log_groups,
    "topic": _topics,
    "role": _roles,
}
