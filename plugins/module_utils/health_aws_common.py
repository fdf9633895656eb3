# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of AWS share: how they ask, what they say, and the commands that they name."""

from __future__ import annotations

import re
import shlex
import typing as t
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import iso
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_judge import what_happened
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    STATUSES,
    Finding,
    Kind,
    Look,
    Observation,
)

NO_EMULATION = "not available on the emulator"
# Operations that IAM does not call service:Operation.
OTHER_ACTIONS = {
    ("budgets", "DescribeBudget"): "budgets:ViewBudget",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
}
PREFIXES = {"elbv2": "elasticloadbalancing"}

Row = dict[str, t.Any]


@dataclass(frozen=True)
class Part:
    """One of several things that a look found out.

    :param step: what to type about it
    :param since: since when it is so
    """

    status: str
    text: str
    step: str = ""
    since: datetime | None = None


# Commands


def play(look: Look, name: str) -> str:
    """Return the command that runs one of the collection's playbooks."""
    return f"ansible-playbook playbooks/{name}.yml -i INVENTORY --limit {shlex.quote(look.environment)}"


def placed(look: Look, service: str, line: str) -> str:
    """Return a command of the AWS CLI that asks where this look asked.

    :param service: whose client knows the place
    """
    meta = look.client(service).meta
    # boto3 calls the region of a global service aws-global; the CLI wants none there.
    named_already = " --region " in line or meta.region_name.endswith("-global")
    region = "" if named_already else f" --region {shlex.quote(meta.region_name)}"
    return f"{line}{region}" + (f" --endpoint-url {shlex.quote(meta.endpoint_url)}" * look.sandbox)


def aws(look: Look, service: str, line: str) -> str:
    """Return a command of the AWS CLI.

    :param line: without its first word, with its arguments quoted
    """
    return placed(look, service, f"aws {line}")


def command(template: str) -> Callable[[Row], str]:
    """Return what makes a kind's default command; ``{target}`` is the quoted option."""

    def step(probe: Row) -> str:
        region = f" --region {shlex.quote(probe['region'])}" if probe.get("region") else ""
        return f"aws {template.format(target=shlex.quote(str(probe.get('target'))))}{region}"

    return step


def target(look: Look) -> str:
    return str(look.probe["target"])


def quoted(look: Look) -> str:
    return shlex.quote(target(look))


# Questions


def ask(look: Look, service: str, operation: str, gone: Iterable[str] = (), **request: t.Any) -> Row | None:
    """Return AWS's answer, None where its error says that the thing does not exist.

    :param gone: the codes of such errors
    """
    try:
        return t.cast("Row", getattr(look.client(service), operation)(**request))
    except AWS_ERRORS as error:
        if error_code(error) in gone:
            return None
        raise


def pages(look: Look, service: str, operation: str, keys: str, **request: t.Any) -> t.Iterator[Row]:
    """Return the entries of all pages.

    :param keys: the lists of an answer
    :raises Finding: of `Look.seconds_left`, between two pages
    """
    for page in look.client(service).get_paginator(operation).paginate(**request):
        for key in keys.split():
            yield from page.get(key) or []
        look.seconds_left()


def action(service: str, operation: str) -> str:
    """Return what IAM calls an operation of boto3."""
    return OTHER_ACTIONS.get((service, operation), f"{PREFIXES.get(service, service)}:{operation}")


def actions(**operations: str) -> dict[str, str]:
    """Return the IAM action of each operation; the operations of a service are given in one text."""
    return {name: action(service, name) for service, names in operations.items() for name in names.split()}


def attempt(look: Look, what: str, kind: Kind, look_at: Callable[[], Part]) -> Part:
    """Return one part of several; where AWS does not tell it, the others are still told."""
    try:
        return look_at()
    except AWS_ERRORS as error:
        seen = what_happened(error, kind, look.sandbox)
        return Part(seen.status, f"{what} not known: {seen.evidence}", seen.next_step)


# Answers


def together(what: str, parts: list[Part]) -> Observation:
    """Return the worst part's status, time and command, and the evidence of all, the worst first."""
    ordered = sorted(parts, key=lambda part: STATUSES.index(part.status), reverse=True)
    worst = ordered[0]
    evidence = f"{what}: {'; '.join(part.text for part in ordered)}"
    return Observation(worst.status, evidence, since=iso(worst.since), next_step=worst.step)


def missing(look: Look, service: str, what: str, step: str = "") -> Observation:
    """Return that a thing is not there, and how to make it again."""
    where = look.client(service).meta.region_name
    return Observation("critical", f"{what} does not exist in {where}", next_step=step or play(look, "deploy"))


def must(pattern: str, example: str) -> Callable[[Row], str | None]:
    """Return a check of the option ``target``."""

    def check(probe: Row) -> str | None:
        if re.fullmatch(pattern, str(probe.get("target") or "")):
            return None
        return f"target={probe.get('target')!r} is nothing that kind {probe.get('kind')} takes: {example}. Correct it"

    return check


def with_step(kind: Kind) -> Kind:
    """Return a kind whose own command asks where the look asked: in the sandbox the emulator, never AWS."""

    def look_at(look: Look) -> Observation:
        try:
            seen = kind.look(look)
        except (Finding, *AWS_ERRORS) as error:
            seen = what_happened(error, kind, look.sandbox)
        step = seen.next_step or kind.step(look.probe)
        if seen.next_step or not step.startswith("aws "):
            return replace(seen, next_step=step)
        try:
            return replace(seen, next_step=placed(look, kind.services[0], step))
        except AWS_ERRORS:  # there is no client
            return replace(seen, next_step=step)

    return replace(kind, look=look_at)


def named(*kinds: Kind) -> dict[str, Kind]:
    """Return kinds by their names."""
    return {kind.name: with_step(kind) for kind in kinds}


TARGET = frozenset({"target", "region"})
ANY_NAME = must(r"\S+", "a name without spaces")
