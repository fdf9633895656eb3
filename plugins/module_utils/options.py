# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the collection's variables, before anything is touched."""

from __future__ import annotations

import difflib
import ipaddress
import os
import pathlib
import re
import typing as t
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

ENVIRONMENT_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,23}")
ENTRYPOINT_PATTERN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
# API Gateway ends a REST integration after 29 s, CloudFront waits 30 s for its origin (AWS quotas, 2026-11).
GATEWAY_LIMIT_S = 29
# The load balancer ends a connection on which nothing came for 60 s.
STAGING_LIMIT_S = 55
# The longest that the server itself takes (app/src/pratiko_mcp/settings.py).
LOCAL_LIMIT_S = 900
LIMITS_S = {
    "local": (LOCAL_LIMIT_S, ""),
    "staging": (STAGING_LIMIT_S, ", because the load balancer ends a silent call after 60 s"),
    "production": (
        GATEWAY_LIMIT_S,
        f", because API Gateway ends a call after {GATEWAY_LIMIT_S} s and CloudFront after 30 s",
    ),
}
EMAIL_PATTERN = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
# The gateway writes it into JSON by a template language: what either would take for its own is refused.
MAINTENANCE_TEXT = re.compile(r'[^"\\$#\x00-\x1f\x7f]{1,200}')
DAY_S = 86400


def closest(name: str, known: t.Iterable[str]) -> str:
    """Return `` Did you mean x?`` for a near match, else an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {match[0]}?" if match else ""


def quantity_of(value: t.Any) -> Decimal | None:
    """Return a number of at least 0, None for anything else."""
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def refuse_unknown(names: t.Iterable[str], known: t.Collection[str]) -> None:
    """Refuse variables that start with ``mcp_`` and are no option.

    :raises McpError: names them all, each with the nearest option
    """
    unknown = sorted(name for name in names if name.startswith("mcp_") and name not in known)
    if unknown:
        hints = " ".join(f"{name} is not an option.{closest(name, known)}" for name in unknown)
        raise McpError(
            f"{hints} Nothing was changed. List the options with: ansible-doc -t role pratikoai.mcp_servers.preflight",
            unknown_variables=unknown,
        )


def _allowed(spec: dict[str, t.Any]) -> str:
    if spec.get("choices"):
        return "one of " + ", ".join(str(choice) for choice in spec["choices"])
    return f"a value of type {spec.get('type', 'str')}"


def validate(values: dict[str, t.Any], options: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
    """Check each value against its option and return them with their types.

    :raises McpError: names the variable, its value, what is allowed and what to type
    """
    clean: dict[str, t.Any] = {}
    for name, value in values.items():
        spec = options[name]
        if value is None:
            continue
        single = {key: spec[key] for key in ("type", "choices", "elements") if key in spec}
        result = ArgumentSpecValidator({name: single}).validate({name: value})
        if result.error_messages:
            shown = "(hidden)" if spec.get("no_log") else repr(value)
            raise McpError(
                f"{name} is {shown}: allowed is {_allowed(spec)}. "
                f"Set it in the inventory or on the command line: -e {name}=...",
                variable=name,
            )
        clean[name] = result.validated_parameters[name]
    return clean


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine's loopback interface."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_environment_name(name: str) -> None:
    """:raises McpError: the name cannot be part of a bucket's and a stack's name"""
    if not ENVIRONMENT_PATTERN.fullmatch(name):
        raise McpError(
            f"mcp_environment is '{name}': allowed are 1 to 24 lower-case letters, digits and hyphens, a letter "
            "first, because it becomes part of bucket and stack names. Rename the inventory host or set "
            "mcp_environment for it."
        )


def check_region(region: str, known: t.Collection[str]) -> None:
    """:raises McpError: AWS has no such region"""
    if region not in known:
        raise McpError(
            f"mcp_region is '{region}': no such AWS region.{closest(region, known)} "
            f"Allowed: {', '.join(sorted(known))}. For example: -e mcp_region=us-east-1",
            variable="mcp_region",
        )


def check_entrypoint(entrypoint: str) -> None:
    """:raises McpError: it is not of the form package.module:object"""
    if not ENTRYPOINT_PATTERN.fullmatch(entrypoint):
        raise McpError(
            f"mcp_app_entrypoint is '{entrypoint}': allowed is package.module:object, for example "
            "-e mcp_app_entrypoint=my_server.main:mcp",
            variable="mcp_app_entrypoint",
        )


def check_timeout(seconds: int, phase: str = "production") -> None:
    """:raises McpError: a link of the chain CDN - gateway - function, or the server itself, would end the call first"""
    limit, why = LIMITS_S[phase]
    if not 1 <= seconds <= limit:
        raise McpError(
            f"mcp_request_timeout is {seconds}: allowed are 1 to {limit} seconds{why}. "
            "For example: -e mcp_request_timeout=28",
            variable="mcp_request_timeout",
        )


def check_maintenance(message: str, retry_after: int) -> None:
    """:raises McpError: callers could not read the maintenance answer

    :param retry_after: seconds
    """
    if not MAINTENANCE_TEXT.fullmatch(message):
        raise McpError(
            f"mcp_maintenance_message is {message!r}: allowed are 1 to 200 characters on one line, without double "
            "quotes, backslashes, $ and #. For example: -e 'mcp_maintenance_message=\"Back at 9 o'clock UTC\"'",
            variable="mcp_maintenance_message",
        )
    if not 1 <= retry_after <= DAY_S:
        raise McpError(
            f"mcp_maintenance_retry_after is {retry_after}: allowed are 1 to {DAY_S} seconds. "
            "For example: -e mcp_maintenance_retry_after=60",
            variable="mcp_maintenance_retry_after",
        )


def check_alert_email(address: str) -> None:
    """:raises McpError: SNS would refuse it, after half of the deploy"""
    if not EMAIL_PATTERN.fullmatch(address):
        raise McpError(
            f"mcp_alert_email is {address!r}: allowed is one address such as oncall@example.org. "
            "For several people give the address of a list. For example: -e mcp_alert_email=oncall@example.org",
            variable="mcp_alert_email",
        )


def check_release(values: dict[str, t.Any]) -> None:
    """:raises McpError: a release could never pass, or there would be nothing to list"""
    for name, example in (("mcp_release_max_ms", 3000), ("mcp_history", 20)):
        if values.get(name, 1) < 1:
            raise McpError(
                f"{name} is {values[name]}: allowed is a whole number from 1. For example: -e {name}={example}",
                variable=name,
            )
    pattern = values.get("mcp_verify_expect")
    if pattern and not values.get("mcp_verify_tool", True):
        raise McpError(
            "mcp_verify_expect is set but mcp_verify_tool is empty, so there is no text to compare. Name the tool: "
            "-e mcp_verify_tool=...",
            variable="mcp_verify_expect",
        )
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise McpError(
            f"mcp_verify_expect is {pattern!r}: allowed is a regular expression ({error}). For example: "
            "-e 'mcp_verify_expect=\"documents\"'",
            variable="mcp_verify_expect",
        ) from error


def check_secret_rotation_days(days: int) -> None:
    """:raises McpError: neither EventBridge nor Secrets Manager could keep that schedule, or it is no rotation"""
    if days and not 7 <= days <= 365:
        raise McpError(
            f"mcp_secret_rotation_days is {days}: allowed are 7 to 365 days, and 0 for no rotation by itself. "
            "For example: -e mcp_secret_rotation_days=90",
            variable="mcp_secret_rotation_days",
        )


def check_report_dir(directory: str) -> None:
    """:raises McpError: it cannot be made, or not be written to (found before anything is deployed)"""
    path = pathlib.Path(directory).absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise McpError(
            f"mcp_report_dir is '{directory}': allowed is a folder that you may write to, and {existing} is none. "
            "Nothing was changed. For example: -e mcp_report_dir=reports",
            variable="mcp_report_dir",
        )


def check_sandbox(sandbox: bool, endpoint_url: str, environment_endpoint: str) -> None:
    """Keep the sandbox and AWS apart.

    :param endpoint_url: mcp_aws_endpoint_url, or empty
    :param environment_endpoint: the environment variable AWS_ENDPOINT_URL, or empty
    :raises McpError: the sandbox would reach AWS, or the emulator would be taken for AWS
    """
    if sandbox and not endpoint_url:
        raise McpError("mcp_sandbox is true but mcp_aws_endpoint_url is not set. Add: -i inventories/sandbox")
    if sandbox and not is_loopback(endpoint_url):
        raise McpError(
            f"mcp_aws_endpoint_url is '{endpoint_url}': in the sandbox only a loopback address is allowed, so that "
            "a rehearsal never reaches AWS. Start the emulated AWS with: make deploy"
        )
    if not sandbox and is_loopback(endpoint_url or environment_endpoint):
        raise McpError(
            f"The AWS endpoint is '{endpoint_url or environment_endpoint}', an emulator on this machine, but "
            "mcp_sandbox is not set, so results would be taken for AWS's. Add: -i inventories/sandbox, or: "
            "unset AWS_ENDPOINT_URL"
        )


def check_account(account: str, expected: str | None, environment: str, deployed: bool, sandbox: bool) -> None:
    """Make sure that these credentials belong to the account that is meant.

    :param deployed: whether the environment already lives in this account
    :raises McpError: the account is another one, or a first deploy does not say which it expects
    """
    if expected and expected != account:
        raise McpError(
            f"mcp_expected_account is '{expected}' but these credentials belong to account {account}. Choose the "
            "right ones with AWS_PROFILE (check with: aws sts get-caller-identity)",
            variable="mcp_expected_account",
        )
    if not expected and not deployed and not sandbox:
        raise McpError(
            f"'{environment}' is not deployed in account {account} yet, so a first deploy has to name the account. "
            f"If it is the right one, type: -e mcp_expected_account={account}. To rehearse without AWS: make deploy",
            variable="mcp_expected_account",
        )


def check_issuer(issuer: str | None, jwks_url: str | None, token_file: str | None) -> None:
    """:raises McpError: a foreign issuer is named without what it takes to check and to make a call"""
    if not issuer and not jwks_url:
        return
    given = {"mcp_issuer": issuer, "mcp_verify_token_file": token_file}
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise McpError(
            f"{', '.join(missing)} not set: a foreign issuer needs mcp_issuer (its name in tokens) and "
            "mcp_verify_token_file (a token of it, for the verification). For example: "
            f"-e {missing[0]}=...",
            variable=missing[0],
        )
