# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the start of a process to the first authorised call that reads the table, against the bare SDK.

Both sides are the same server from the same package, with bytecode and the same boto3, started by the same stand-in
for Lambda's bootstrap. Ours does all that it does when deployed: it checks the token, allowlists, scopes and the
message, reads its limits from an SSM parameter, writes metrics and a log line. The bare SDK stands on an adapter of
sixty lines that serves and logs; measured are it without any check of the token, and with PyJWT's.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tests.bench.figures import Sample, compare_samples, in_turns, measure, rounds
from tests.bench.package import ENTRYPOINT, HOST, PUBLIC_URL, Issuer, build_package, interpreter, tool_call
from tests.support.emulated import TestSandbox

ROUNDS = 21
TABLE = "documents"
LIMITS = "/mcp/bench/limits"
TEXT = "read from the table"


def make_state(sandbox: TestSandbox) -> None:
    """Make a table with one document, and the limits."""
    policy = json.dumps({"calls_per_minute": 120, "tools": {"get_document": {"calls_per_minute": 60}}})
    sandbox.client("ssm").put_parameter(Name=LIMITS, Value=policy, Type="String")
    client = sandbox.client("dynamodb")
    schema = [("pk", "HASH"), ("sk", "RANGE")]
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in schema],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in schema],
    )
    client.put_item(TableName=TABLE, Item={"pk": {"S": "doc#d1"}, "sk": {"S": "content"}, "text": {"S": TEXT}})


def function_environment(site: Path, sandbox: TestSandbox, issuer: Issuer) -> dict[str, str]:
    """Return the variables of a function, those of the runtime and those of the bare adapter."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(site),
        "AWS_LAMBDA_FUNCTION_NAME": "mcp",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        **sandbox.environment,
        "MCP_ENTRYPOINT": ENTRYPOINT,
        "MCP_PUBLIC_URL": PUBLIC_URL,
        "MCP_JWKS": issuer.jwks,
        "MCP_TABLE": TABLE,
        "MCP_LIMITS_PARAMETER": LIMITS,
        "MCP_TOOL_SCOPES": json.dumps({"get_document": ["documents:read"]}),
        "BARE_HOST": HOST,
    }


def write_event(path: Path, issuer: Issuer) -> None:
    """Write the event of a REST API for one call that reads the table."""
    headers, body = tool_call(issuer.token(), "get_document", document_id="d1")
    headers |= {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    event = {
        "httpMethod": "POST",
        "path": "/mcp",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {"stage": "live", "requestId": "bench-1", "identity": {"sourceIp": "192.0.2.1"}},
        "body": body,
        "isBase64Encoded": False,
    }
    path.write_text(json.dumps(event), encoding="utf-8")


def cold_start(folder: Path, sandbox: TestSandbox) -> None:
    """Print our cold start against the bare SDK's."""
    make_state(sandbox)
    issuer = Issuer()
    site, event = build_package(folder), folder / "event.json"
    write_event(event, issuer)
    environment = function_environment(site, sandbox, issuer)

    def first_call(module: str, **more: str) -> Sample:
        command = [interpreter(), "-m", "invoke", module, str(event)]
        return measure(command, folder, {**environment, **more}, TEXT)

    ours, bare, checked = in_turns(
        rounds(ROUNDS),
        lambda: first_call("pratiko_mcp.lambda_adapter"),
        lambda: first_call("bare_lambda"),
        lambda: first_call("bare_lambda", BARE_AUTH="pyjwt"),
    )
    compare_samples("cold start", ours, bare, "bare SDK without a token check", "goal <= 1.0")
    compare_samples("cold start", ours, checked, "bare SDK with PyJWT", "goal <= 1.0")


def main() -> None:
    """Measure in a sandbox of its own."""
    with tempfile.TemporaryDirectory(prefix="mcp-bench-") as name:
        folder = Path(name)
        sandbox = TestSandbox(folder / "sandbox").start()
        try:
            cold_start(folder, sandbox)
        finally:
            sandbox.stop()
