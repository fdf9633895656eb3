# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One environment in a sandbox: what a test runs on it, and what it finds there by asking AWS itself."""

from __future__ import annotations

import json
import re
import shutil
import typing as t
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from tests.support.emulated import TestSandbox
from tests.support.moments import DEADLINE_S, Live
from tests.support.playbook import PlaybookRun, start_playbook

ACCOUNT = "000000000000"
REGION = "us-east-1"
LAYERS = ("foundation", "data", "edge", "app", "watch")
CLIENTS: dict[tuple[str, str], t.Any] = {}
INVENTORIES = ("-i", "inventories/production", "-i", "inventories/sandbox")


def shared_packages(home: Path) -> Path:
    """Return the cache of packages in a home, where a run without settings looks as well."""
    return home / ".cache" / "pratikoai-mcp-servers"


@dataclass
class World:
    """One environment.

    :param folder: reports and home of its runs
    :param packages: cache of built packages; shared, so that each is built once
    """

    sandbox: TestSandbox
    project: Path
    folder: Path
    packages: Path
    name: str
    inventories: tuple[str, ...] = INVENTORIES

    def start(
        self,
        *extra: str,
        playbook: str = "deploy.yml",
        env: dict[str, str] | None = None,
        project: Path | None = None,
        inventories: tuple[str, ...] | None = None,
    ) -> Live:
        """Start a playbook on this environment."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        variables = {
            "mcp_environment": self.name,
            "mcp_report_dir": str(self.folder / "reports"),
            "mcp_build_dir": str(self.packages),
        }
        options = [text for name, value in variables.items() for text in ("-e", f"{name}={value}")]
        environment = {"SANDBOX_PORT": str(self.sandbox.port), **(env or {})}
        process = start_playbook(
            playbook,
            *(inventories or self.inventories),
            *options,
            *extra,
            home=home,
            cwd=project or self.project,
            env=environment,
        )
        return Live(process)

    def run(self, *extra: str, timeout: float = DEADLINE_S, **options: t.Any) -> PlaybookRun:
        """Run a playbook to its end."""
        live = self.start(*extra, **options)
        try:
            return live.end(timeout)
        finally:
            live.kill_tree()

    def copy_project(self, target: Path) -> Path:
        """Copy the project of this environment, which may be older than the checkout; return the target."""
        return shutil.copytree(self.project, target, symlinks=True)

    def client(self, service: str) -> t.Any:
        """Return a client that asks the emulated AWS directly; making one takes longer than its calls."""
        key = (self.sandbox.endpoint, service)
        if key not in CLIENTS:
            CLIENTS[key] = self.sandbox.client(service)
        return CLIENTS[key]

    @property
    def state_bucket(self) -> str:
        """Name of the bucket with lock and audit trail."""
        return f"mcp-{self.name}-state-{ACCOUNT}-{REGION}"

    @property
    def files_bucket(self) -> str:
        """Name of the documents' bucket."""
        return f"mcp-{self.name}-files-{ACCOUNT}-{REGION}"

    @property
    def table(self) -> str:
        """Name of the documents' table."""
        return f"mcp-{self.name}-documents"

    def report(self, name: str = "deployment") -> dict[str, t.Any]:
        """Return a report of the last run."""
        path = self.folder / "reports" / f"sandbox-{self.name}" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def stack(self, layer: str) -> dict[str, t.Any]:
        """Describe a stack; empty where there is none."""
        try:
            (stack,) = self.client("cloudformation").describe_stacks(StackName=f"mcp-{self.name}-{layer}")["Stacks"]
        except ClientError as error:
            assert "does not exist" in str(error)
            return {}
        return {} if stack["StackStatus"] == "DELETE_COMPLETE" else stack

    def status(self, layer: str) -> str:
        """Return a stack's status, ``ABSENT`` where there is none."""
        return self.stack(layer).get("StackStatus", "ABSENT")

    def statuses(self) -> dict[str, str]:
        """Return the status of every layer."""
        return {layer: self.status(layer) for layer in LAYERS}

    def outputs(self, layer: str) -> dict[str, str]:
        """Return a stack's outputs."""
        return {item["OutputKey"]: item["OutputValue"] for item in self.stack(layer).get("Outputs", [])}

    def parameters(self, layer: str) -> dict[str, str]:
        """Return a stack's parameters."""
        return {item["ParameterKey"]: item["ParameterValue"] for item in self.stack(layer).get("Parameters", [])}

    def resources(self, layer: str) -> dict[str, str]:
        """Return the newest status of each of a stack's resources."""
        pages = self.client("cloudformation").get_paginator("describe_stack_events")
        events = list(pages.paginate(StackName=f"mcp-{self.name}-{layer}").search("StackEvents[]"))
        of_resources = [event for event in events if event.get("PhysicalResourceId") != event["StackId"]]
        return {event["LogicalResourceId"]: event["ResourceStatus"] for event in reversed(of_resources)}

    def open_change_sets(self, layer: str) -> list[str]:
        """Return the names of change sets that were made and not executed."""
        if not self.stack(layer):
            return []
        answer = self.client("cloudformation").list_change_sets(StackName=f"mcp-{self.name}-{layer}")
        pending = ("AVAILABLE", "UNAVAILABLE")
        return [item["ChangeSetName"] for item in answer["Summaries"] if item["ExecutionStatus"] in pending]

    @property
    def token(self) -> str:
        """The access token that the last run wrote."""
        path = self.folder / "reports" / f"sandbox-{self.name}" / "token.json"
        return str(json.loads(path.read_text(encoding="utf-8"))["access_token"])

    def live_version(self, function: str = "server") -> str:
        """Return the version of a function that takes traffic."""
        alias = self.client("lambda").get_alias(FunctionName=f"mcp-{self.name}-{function}", Name="live")
        return str(alias["FunctionVersion"])

    def traffic(self) -> dict[str, str]:
        """Return what answers: the stage's deployment by its name in the app stack, and the versions."""
        outputs = self.outputs("app")
        stage = self.client("apigateway").get_stage(restApiId=outputs["ApiId"], stageName="live")
        names = {outputs[name]: name for name in ("ApiDeploymentId", "MaintenanceDeploymentId") if name in outputs}
        versions = {function: self.live_version(function) for function in ("server", "authorizer")}
        return {"stage": names.get(stage["deploymentId"], "another deployment"), **versions}

    def lock(self) -> dict[str, t.Any] | None:
        """Return the deploy lock; None where nobody holds it."""
        try:
            answer = self.client("s3").get_object(Bucket=self.state_bucket, Key="lock.json")
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket")
            return None
        return json.loads(answer["Body"].read())

    def put_lock(self, **changes: t.Any) -> dict[str, t.Any]:
        """Write a lock as another run would have."""
        lock = {
            "environment": self.name,
            "run_id": "20260101T000000Z-abc123",
            "operator": "anna@laptop",
            "host": "laptop",
            "machine_id": "another-machine",
            "pid": 1,
            "pid_started": "1",
            "since": "2026-01-01T00:00:00Z",
            "lease_until": "2099-01-01T00:00:00Z",
            "command": "deploy",
            **changes,
        }
        self.client("s3").put_object(Bucket=self.state_bucket, Key="lock.json", Body=json.dumps(lock).encode())
        return lock

    def keys(self, bucket: str) -> list[str]:
        """Return the keys in a bucket; none where there is no bucket."""
        try:
            pages = list(self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchBucket"
            return []
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def audit(self) -> list[dict[str, t.Any]]:
        """Return every audit line, in order."""
        s3, lines = self.client("s3"), []
        for key in sorted(key for key in self.keys(self.state_bucket) if key.startswith("audit/")):
            body = s3.get_object(Bucket=self.state_bucket, Key=key)["Body"].read().decode()
            lines += [json.loads(line) for line in body.splitlines()]
        return lines

    def buckets(self) -> list[str]:
        """Return the names of this environment's buckets."""
        names = [item["Name"] for item in self.client("s3").list_buckets()["Buckets"]]
        return sorted(name for name in names if name.startswith(f"mcp-{self.name}-"))

    def health(self) -> dict[str, t.Any]:
        """Ask /health through the front door, as a client does."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.report()["health_url"], timeout=30) as answer:
            return json.loads(answer.read())

    def inventory(self) -> dict[str, t.Any]:
        """Count what exists of the environment, with its name left out: two whole ones are equal."""
        apis = [api for api in self._all("apigateway", "get_rest_apis", "items") if api["name"] == f"mcp-{self.name}"]
        found = {
            "stacks": {layer: self.status(layer).rpartition("_")[2] for layer in LAYERS},
            "open change sets": {layer: self.open_change_sets(layer) for layer in LAYERS},
            "functions": {name: self._versions(name) for name in self._names("lambda", "list_functions", "Functions")},
            "apis": [self._api(api["id"]) for api in apis],
            "tables": self._names("dynamodb", "list_tables", "TableNames"),
            "buckets": self.buckets(),
            "logs": self._names("logs", "describe_log_groups", "logGroups", "logGroupName"),
            "secrets": self._names("secretsmanager", "list_secrets", "SecretList", "Name"),
            "roles": self._names("iam", "list_roles", "Roles", "RoleName"),
            "distributions": self._distributions(),
            "doors": [door["name"] for door in self.sandbox.status()["doors"] if door["name"] == self.name],
            "lock": self.lock(),
            "releases": [key for key in self.keys(self.state_bucket) if key.startswith("releases/")],
            "unfinished builds": [str(path) for path in self.packages.glob("releases/*/.building-*")],
            "unfinished reports": [str(path) for path in (self.folder / "reports").rglob(".*")],
        }
        return json.loads(json.dumps(found).replace(self.name, "E"))

    def _all(self, service: str, operation: str, key: str) -> list[t.Any]:
        client = self.client(service)
        return list(client.get_paginator(operation).paginate().search(f"{key}[]"))

    def _names(self, service: str, operation: str, key: str, field: str = "FunctionName") -> list[str]:
        items = self._all(service, operation, key)
        names = [item if isinstance(item, str) else item[field] for item in items if item]
        ours = [name for name in names if re.search(rf"mcp[-/]{self.name}[-/]", name)]
        return sorted(re.sub(r"-[A-Z0-9]{8,}$|-[A-Za-z0-9]{12,}$", "", name) for name in ours)

    def _versions(self, name: str) -> int:
        versions = self.client("lambda").list_versions_by_function(FunctionName=name)["Versions"]
        return len(versions) - 1  # without $LATEST

    def _api(self, api: str) -> dict[str, t.Any]:
        client = self.client("apigateway")
        return {
            "stages": [stage["stageName"] for stage in client.get_stages(restApiId=api)["item"]],
            "deployments": len(client.get_deployments(restApiId=api)["items"]),
            "paths": sorted(item["path"] for item in client.get_resources(restApiId=api, limit=500)["items"]),
            "authorizers": len(client.get_authorizers(restApiId=api)["items"]),
        }

    def _distributions(self) -> int:
        listed = self.client("cloudfront").list_distributions()["DistributionList"].get("Items", [])
        return Counter(item["Comment"] for item in listed)[f"mcp-{self.name}"]
