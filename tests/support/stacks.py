# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack on the emulated AWS, and the tasks of the stack module that are run for it."""

from __future__ import annotations

import io
import json
import typing as t
import uuid
import zipfile
from pathlib import Path

import boto3
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import stack
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, call_run


class Driver:
    """One stack on the emulator and the tasks that are run for it."""

    def __init__(self, endpoint: str, tmp_path: Path, template: str = "") -> None:
        self.endpoint = endpoint
        self.name = f"t-{uuid.uuid4().hex[:8]}"
        self.path = tmp_path / "template.yaml"
        self.path.write_text(template, encoding="utf-8")
        self.lines: list[str] = []
        self.cloudformation = self.client("cloudformation")
        self.bucket = f"{self.name}-code"

    def client(self, service: str, region: str | None = None) -> t.Any:
        """Return a client of the emulator."""
        return boto3.client(
            service,
            region_name=region or "us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def upload(self, *keys: str) -> None:
        """Put packages where the function takes them from."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        for key in keys:
            data = io.BytesIO()
            with zipfile.ZipFile(data, "w") as archive:
                archive.writestr("index.py", f"def handler(event, context):\n    return {key!r}\n")
            s3.put_object(Bucket=self.bucket, Key=key, Body=data.getvalue())

    def options(self, code: str = "one.zip", **options: t.Any) -> dict[str, t.Any]:
        """Return the module's options for the template above."""
        base = {
            "name": self.name,
            "template": str(self.path),
            "literals": {"CodeBucket": self.bucket, "CodeKey": code},
            "parameters": {"Name": self.name},
            "tags": {"mcp:environment": "test"},
        }
        return {**base, **options}

    def task(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module's logic; return its result, failed or not."""
        params = {name: spec.get("default") for name, spec in stack.ARGUMENT_SPEC.items()}
        params.update({"name": self.name, "template": str(self.path), **options})
        ctx = Context(
            params=params, make_client=self.client, check_mode=check_mode, diff_mode=True, progress=self.lines.append
        )
        return call_run(ctx, stack.run)

    def good(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run a task that must succeed."""
        result = self.task(check_mode, **options)
        assert not result.get("failed"), result["msg"]
        return result

    def state(self) -> str:
        """Return everything CloudFormation holds about the stack, as text to compare."""
        client, name = self.cloudformation, self.name
        try:
            described = client.describe_stacks(StackName=name)["Stacks"]
        except client.exceptions.ClientError as error:
            return str(error)
        body = client.get_template(StackName=name)["TemplateBody"]
        sets = client.list_change_sets(StackName=name)["Summaries"]
        events = client.describe_stack_events(StackName=name)["StackEvents"]
        return json.dumps([described, body, sets, [event["EventId"] for event in events]], default=str, sort_keys=True)

    def signal(self, status: str = "SUCCESS") -> None:
        """Let the slow stack's wait condition pass, or fail."""
        self.cloudformation.signal_resource(StackName=self.name, LogicalResourceId="Wait", UniqueId="1", Status=status)

    def keys(self, bucket: str) -> list[str]:
        """Return the keys in a bucket."""
        return [item["Key"] for item in self.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]

    def remove(self) -> None:
        """Remove the stack, protected or not."""
        if "does not exist" not in self.state():
            self.cloudformation.update_termination_protection(StackName=self.name, EnableTerminationProtection=False)
        self.cloudformation.delete_stack(StackName=self.name)
