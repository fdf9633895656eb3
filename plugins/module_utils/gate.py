# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release was verified in an environment before this one: what counts as evidence, and where it is.

Evidence is a record that a verification leaves in the state bucket of its environment. It is bound to the account, the
region, and the sandbox or not: what the emulated AWS has shown says nothing about a real account.
"""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import records, releases
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import ENVIRONMENT_PATTERN
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, BucketMissing

ARGUMENT_SPEC: dict[str, t.Any] = {
    "release": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    "sandbox": {"type": "bool", "required": True},
    "app": {"type": "dict", "default": {}},
    "environments": {"type": "list", "elements": "str", "required": True},
    "phases": {"type": "list", "elements": "str", "required": True},
    "skip_reason": {"type": "str"},
    "command": {"type": "str", "default": "deploy"},
}
# Of an environment's evidence, newest first: months of it, a few seconds at worst.
LOOKED_AT = 500
PAGE = 50
# Own records of releases: two for each.
OWN_RELEASES = 50
REASON_LENGTH = 500
GOOD_STATUS = ("healthy", "warning")

Record = dict[str, t.Any]


# The options


def check_values(values: dict[str, t.Any]) -> None:
    """:raises McpError: the gate could never open, or a reason says nothing"""
    reason = values.get("mcp_skip_staging_reason")
    if reason is not None and not (reason.strip() and len(reason) <= REASON_LENGTH and reason.isprintable()):
        raise McpError(
            f"mcp_skip_staging_reason is {reason!r}: allowed is one line of 1 to {REASON_LENGTH} characters that says "
            "why this release goes to production without evidence; the audit trail keeps it. Nothing was changed. For "
            "example: -e 'mcp_skip_staging_reason=\"fix of the outage of today, staging follows\"'",
            variable="mcp_skip_staging_reason",
        )
    if values["mcp_phase"] != "production" or not values.get("mcp_require_staging"):
        return
    for name in ("mcp_gate_phases", "mcp_gate_environments"):
        if not values.get(name):
            raise McpError(
                f"{name} is empty, so no evidence could ever count. Nothing was changed. Name at least one, or ask for "
                "none: -e mcp_require_staging=false",
                variable=name,
            )
    for name in values["mcp_gate_environments"]:
        check_gate_environment(name, values["mcp_environment"])


def check_gate_environment(name: str, own: str) -> None:
    """:raises McpError: it is no name of an environment, or the one that asks"""
    if not ENVIRONMENT_PATTERN.fullmatch(name):
        raise McpError(
            f"mcp_gate_environments has '{name}': allowed are names of environments, 1 to 24 lower-case letters, "
            "digits and hyphens, a letter first. Nothing was changed. For example, in the inventory: "
            "mcp_gate_environments: [staging]",
            variable="mcp_gate_environments",
        )
    if name == own:
        raise McpError(
            f"mcp_gate_environments has '{name}', which is this environment itself: it cannot prove a release before "
            "it takes it. Nothing was changed. Name another one, or, where this one is the rehearsal, ask for none: "
            "-e mcp_require_staging=false",
            variable="mcp_gate_environments",
        )


# What counts


def objection(record: Record, params: dict[str, t.Any]) -> str:
    """Say why a record is no evidence for this release in this place; an empty text when it is.

    :param params: ``account``, ``region``, ``sandbox`` and ``phases``
    """
    body = record["body"]
    if body.get("sandbox") is not params["sandbox"]:
        return f"it is of {'the sandbox' if body.get('sandbox') else 'a real account'}"
    if body.get("account") != params["account"]:
        return f"it is of account {body.get('account')}"
    if body.get("region") != params["region"]:
        return f"it is of region {body.get('region')}"
    # The first versions of this collection had one phase that left evidence here.
    phase = body.get("phase", "production")
    if phase not in params["phases"]:
        return f"it is of phase {phase}, and mcp_gate_phases has {', '.join(params['phases'])}"
    if body.get("diverted"):
        return "callers got the maintenance answer then"
    if any(str(item.get("field")).endswith("_version") for item in body.get("overrides") or []):
        return "another release answered then, by an override"
    results = body.get("results") or []
    bad = [item.get("check") for item in results if item.get("status") not in GOOD_STATUS]
    if bad or not results:
        return f"not healthy then: {', '.join(map(str, bad))}" if bad else "nothing was asked then"
    return ""


def left_since(evidence: Record, release_records: list[Record]) -> Record | None:
    """Return the record of a rollback away from this release that came after its evidence.

    :param release_records: of the environment that verified it, newest first
    """
    for record in release_records:
        left = record["body"].get("rolled_back_from")
        source = releases.find_by_id(release_records, left) if left else None
        if (
            source
            and record["body"].get("outcome") in releases.GOOD
            and record["time"] > evidence["time"]
            and releases.release_id(source) == evidence["body"].get("release")
        ):
            return record
    return None


# Where it is looked for


def bucket_name(environment: str, account: str, region: str) -> str:
    """Return the name of an environment's state bucket."""
    return f"mcp-{environment}-state-{account}-{region}"


def newest_of(bucket: Bucket, release: str) -> tuple[list[Record], int]:
    """Return the evidence of one release, newest first, up to the first page that has some; and how many were read."""
    looked = 0
    with ThreadPoolExecutor(max_workers=records.READERS) as pool:
        for keys in bucket.pages("records/evidence/", PAGE):
            looked += len(keys)
            read = pool.map(lambda key: records.look(bucket, key), keys)
            found = [item for item in read if isinstance(item, dict) and item["body"].get("release") == release]
            if found or looked >= LOOKED_AT:
                return found, looked
    return [], looked


def ask(bucket: Bucket, params: dict[str, t.Any]) -> tuple[Record | None, str]:
    """Return an environment's evidence, else None and why there is none."""
    try:
        found, looked = newest_of(bucket, params["release"])
        if not found:
            return None, f"none of its {'newest ' if looked >= LOOKED_AT else ''}{looked} records is of this release"
        good = next((record for record in found if not objection(record, params)), None)
        if good is None:
            return None, f"{found[0]['id']} does not count: {objection(found[0], params)}"
        left = left_since(good, records.newest(bucket, "release", OWN_RELEASES).records)
    except BucketMissing:
        return None, "there is no such bucket"
    except McpError as error:
        return None, f"it cannot be read: {error.message}"
    if left:
        return None, f"verified at {good['time']}, but {left['who']} went back from it at {left['time']}"
    return good, ""


def in_service(bucket: Bucket, params: dict[str, t.Any]) -> bool:
    """Say whether the release takes traffic here already, and only settings around it change."""
    if not params["app"].get("outputs"):
        return False
    try:
        own = releases.present(records.newest(bucket, "release", OWN_RELEASES).records, params["app"])
    except BucketMissing:
        return False
    return bool(own and releases.release_id(own) == params["release"])


def typed(command: str) -> str:
    """Return the path of the playbook of a command."""
    return "deploy.yml" if command == "deploy" else f"playbooks/{command}.yml"


def refusal(params: dict[str, t.Any], looked: list[tuple[str, str, str]]) -> McpError:
    """Return the one error that a release without evidence gets, with both ways out.

    :param looked: environment, place and finding of each look
    """
    names = " or ".join(name for name, _place, _why in looked)
    places = "; ".join(f"{place} ({why})" for _name, place, why in looked)
    return McpError(
        f"Release {params['release']} has not been verified in {names}, which {params['environment']} asks for "
        f"(mcp_require_staging): looked for evidence of phase {' or '.join(params['phases'])} in {places}. Nothing was "
        f"changed. Verify it there first: ansible-playbook deploy.yml -i inventories/{looked[0][0]}  Or go on without, "
        "with a reason that the audit trail and the record of the release keep: ansible-playbook "
        f"{typed(params['command'])} -i <inventory> -e 'mcp_skip_staging_reason=\"...\"'"
    )


def run(ctx: Context) -> dict[str, t.Any]:
    """Find out whether the release may go on; changes nothing.

    :raises McpError: it may not
    """
    s3 = ctx.client("s3")
    params = {**ctx.params, "region": s3.meta.region_name}
    place = (params["account"], params["region"])
    gate = {"release": params["release"], "by": "release", "evidence": None, "reason": None}
    if in_service(Bucket(s3, bucket_name(params["environment"], *place), params["account"]), params):
        return {"changed": False, "gate": gate}
    if params["skip_reason"]:
        ctx.warn(f"NOT VERIFIED before {params['environment']}, on purpose: {params['skip_reason']}")
        return {"changed": False, "gate": {**gate, "by": "reason", "reason": params["skip_reason"]}}
    looked = []
    for name in params["environments"]:
        bucket = Bucket(s3, bucket_name(name, *place), params["account"])
        evidence, why = ask(bucket, params)
        if evidence:
            kept = {key: evidence[key] for key in ("id", "environment", "time", "who", "run_id")}
            return {"changed": False, "gate": {**gate, "by": "evidence", "evidence": kept}}
        looked.append((name, bucket.url("records/evidence/"), why))
    raise refusal(params, looked)
