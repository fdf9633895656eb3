# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate an environment's variables and find out what is there."""

from __future__ import annotations

import datetime
import os
import secrets
import socket
import typing as t
from urllib.parse import urlsplit

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    alerts,
    budget_options,
    domain_options,
    free_plan,
    gate,
    local_environment,
    server_options,
    staging_options,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import options as checks
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    SHARED_SESSION,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.state import default_operator

ARGUMENT_SPEC: dict[str, t.Any] = {
    "options_file": {"type": "path", "required": True},
    "sizes_file": {"type": "path", "required": True},
    "variables": {"type": "dict", "required": True},
    "runtime_source": {"type": "path"},
    "inventory": {"type": "str", "default": "inventories/<environment>"},
    "emergency": {"type": "bool", "default": False},
    "account_plan": {"type": "bool", "default": False},
    "offline": {"type": "bool", "default": False},
}
# In names of an estimate that asks nobody who is calling.
NO_ACCOUNT = "000000000000"
# In the order in which they are applied, but for the two that need each other.
LAYERS = {
    "staging": ("foundation", "network", "data", "edge", "app", "watch"),
    "production": ("foundation", "data", "edge", "app", "watch"),
}
# What the play itself, or the job before it in a workflow, hands on under the public prefix.
NOT_OPTIONS = frozenset({"mcp_deployment", "mcp_deployments"})


def read_yaml(path: str, what: str) -> dict[str, t.Any]:
    """Read a YAML mapping.

    :raises McpError: there is none, or it is broken
    """
    try:
        with open(path, encoding="utf-8") as handle:
            content = yaml_load(handle)
    except Exception as error:  # the YAML library's errors have no class that is known without it
        raise McpError(f"{what} {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise McpError(f"{what} {path} is not a mapping.")
    return content


def validated(ctx: Context) -> dict[str, t.Any]:
    """Return the validated variables; no AWS call is made before all are right."""
    options = read_yaml(ctx.params["options_file"], "The options file")["argument_specs"]["main"]["options"]
    variables = {name: value for name, value in ctx.params["variables"].items() if name not in NOT_OPTIONS}
    checks.refuse_unknown(variables, options)
    values = checks.validate(variables, options)
    if "mcp_phase" not in values:
        raise McpError(
            "mcp_phase is not set: allowed is one of " + ", ".join(options["mcp_phase"]["choices"]) + ". Choose an "
            "inventory that sets it, for example: ansible-playbook deploy.yml -i inventories/production"
        )
    checks.check_environment_name(values["mcp_environment"])
    checks.check_region(values["mcp_region"], SHARED_SESSION.get_available_regions("cloudformation"))
    if values["mcp_phase"] == "local":
        local_environment.check_values(values)
        for name in ("mcp_local_ports", "mcp_local_images"):
            values[name] = local_environment.merged(name, values[name], options[name])
        values["mcp_local_ports"] = local_environment.check_ports(values["mcp_local_ports"])
    else:
        checks.check_sandbox(
            values["mcp_sandbox"], values.get("mcp_aws_endpoint_url", ""), os.environ.get("AWS_ENDPOINT_URL", "")
        )
    if "mcp_app_entrypoint" in values:
        checks.check_entrypoint(values["mcp_app_entrypoint"])
    if "mcp_report_dir" in values:
        checks.check_report_dir(values["mcp_report_dir"])
    if "mcp_secret_rotation_days" in values:
        checks.check_secret_rotation_days(values["mcp_secret_rotation_days"])
    if "mcp_request_timeout" in values:
        checks.check_timeout(values["mcp_request_timeout"], values["mcp_phase"])
    if "mcp_maintenance_message" in values:
        checks.check_maintenance(values["mcp_maintenance_message"], values["mcp_maintenance_retry_after"])
    if "mcp_alert_email" in values:
        checks.check_alert_email(values["mcp_alert_email"])
    budget_options.check_values(values)
    checks.check_release(values)
    gate.check_values(values)
    server_options.check_server(values)
    if values["mcp_phase"] == "staging":
        staging_options.check_values(values)
    domain_options.check_domain(values)
    checks.check_issuer(values.get("mcp_issuer"), values.get("mcp_jwks_url"), values.get("mcp_verify_token_file"))
    return values


def describe_stack(client: t.Any, name: str) -> dict[str, t.Any]:
    """Return a stack's name, status, outputs and parameters; status None where there is no stack."""
    try:
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    except AWS_ERRORS as error:
        if error_code(error) != "ValidationError" or "does not exist" not in str(error):
            raise
        return {"name": name, "status": None, "outputs": {}, "parameters": {}}
    # A killed look at a plan leaves a stack without resources: it counts as none.
    status = None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack["StackStatus"]
    return {
        "name": name,
        "status": status,
        "outputs": {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
        "parameters": {item["ParameterKey"]: item.get("ParameterValue") for item in stack.get("Parameters", [])},
    }


def refuse_stopped_sandbox(endpoint_url: str) -> None:
    """:raises McpError: nothing listens at the emulated AWS (found at once, without the retries AWS deserves)"""
    where = urlsplit(endpoint_url)
    try:
        socket.create_connection((where.hostname or "", where.port or 80), timeout=2).close()
    except OSError as error:
        raise McpError(
            f"The emulated AWS does not answer at {endpoint_url} ({error.strerror or error}). "
            "Start it with: make deploy"
        ) from error


def describe_local(ctx: Context, values: dict[str, t.Any], sizes: dict[str, t.Any]) -> dict[str, t.Any]:
    """Look at this machine; AWS is not asked."""
    return {
        "region": None,
        "account": None,
        "caller": default_operator(),
        "state_bucket": None,
        "stacks": {},
        "local": local_environment.describe(values, sizes, ctx.params["runtime_source"] or "", ctx.params["inventory"]),
    }


def describe_offline(values: dict[str, t.Any]) -> dict[str, t.Any]:
    """Describe an environment of which nothing exists; nobody is asked."""
    environment = values["mcp_environment"]
    ending = f"{NO_ACCOUNT}-{values['mcp_region']}"
    layers = LAYERS.get(values["mcp_phase"], ())
    return {
        "account": NO_ACCOUNT,
        "caller": f"arn:aws:iam::{NO_ACCOUNT}:root",
        "state_bucket": f"mcp-{environment}-state-{ending}",
        "files_bucket": f"mcp-{environment}-files-{ending}",
        "stacks": {
            layer: {"name": f"mcp-{environment}-{layer}", "status": None, "outputs": {}, "parameters": {}}
            for layer in layers
        },
        "alerts": None,
    }


def describe(ctx: Context, values: dict[str, t.Any], sizes: dict[str, t.Any]) -> dict[str, t.Any]:
    """Look at what there is, unless nobody is to be asked."""
    if ctx.params.get("offline"):
        return describe_offline(values)
    if values["mcp_phase"] == "local":
        return describe_local(ctx, values, sizes)
    return describe_environment(ctx, values)


def describe_environment(ctx: Context, values: dict[str, t.Any]) -> dict[str, t.Any]:
    """Ask AWS who we are and what of the environment exists."""
    if values["mcp_sandbox"]:
        refuse_stopped_sandbox(values["mcp_aws_endpoint_url"])
    identity = ctx.client("sts").get_caller_identity()
    environment = values["mcp_environment"]
    cloudformation = ctx.client("cloudformation")
    layers = LAYERS[values["mcp_phase"]]
    stacks = {layer: describe_stack(cloudformation, f"mcp-{environment}-{layer}") for layer in layers}
    deployed = any(stack["status"] for stack in stacks.values())
    checks.check_account(
        identity["Account"], values.get("mcp_expected_account"), environment, deployed, values["mcp_sandbox"]
    )
    return {
        "account": identity["Account"],
        "caller": identity["Arn"],
        "state_bucket": f"mcp-{environment}-state-{identity['Account']}-{values['mcp_region']}",
        "files_bucket": f"mcp-{environment}-files-{identity['Account']}-{values['mcp_region']}",
        "stacks": stacks,
        "alerts": None if ctx.params["emergency"] else alerts.listener(ctx, stacks["foundation"]),
    }


def run(ctx: Context) -> dict[str, t.Any]:
    """Validate, look, and start the dictionary that every verb hands on."""
    values = validated(ctx)
    now = datetime.datetime.now(datetime.UTC)
    phase = values["mcp_phase"]
    sizes = read_yaml(ctx.params["sizes_file"], "The sizes file")["phases"].get(phase, {})
    deployment = {
        "phase": values["mcp_phase"],
        "environment": values["mcp_environment"],
        "sandbox": values["mcp_sandbox"],
        "region": values["mcp_region"],
        "run_id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        "started_at": now.isoformat(timespec="milliseconds"),
        "sizes": sizes,
        **describe(ctx, values, sizes),
    }
    asked = ctx.params.get("account_plan") and phase != "local"
    if asked and free_plan.matters(values, sizes, deployment["stacks"]):
        deployment["account_plan"] = free_plan.look(ctx, values["mcp_sandbox"])
        free_plan.check(deployment["account_plan"], values, sizes, deployment["stacks"])
    return {"changed": False, "deployment": deployment, "options": {**values, "mcp_aws_secret_key": None}}
