# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates in tests: of our templates, of small ones, and of lists."""

from __future__ import annotations

import datetime
import functools
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    allocation,
    estimate,
    estimate_template,
    estimate_types,
    price_book,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import Usage
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import Bill

from tests.support import expanded
from tests.support.checkout import ROOT

LISTS = ROOT / "tests" / "data" / "estimate"
TODAY = datetime.date(2026, 11, 23)
REGION = "us-east-1"
SIZES = ROOT / "aws-resource-allocation.yaml"
PRICES = ROOT / "price-book.yaml"
PRODUCTION = ("foundation", "data", "edge", "app", "watch")
STAGING = ("foundation", "network", "data", "edge", "app", "watch")


@functools.cache
def book() -> price_book.PriceBook:
    """Return the collection's price book."""
    return price_book.load(str(PRICES))


def price(item: str, region: str = REGION) -> Decimal:
    """Return a price of the book."""
    return book().price(item, region, TODAY).value


@functools.cache
def phase(name: str) -> allocation.Phase:
    """Return a phase of the collection's allocation file."""
    return allocation.load(str(SIZES)).phase(name)


def parameters(sizes: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """Return the values of all templates' parameters as the roles give them on AWS without any variable set.

    :param sizes: of the phase
    """
    values = {**expanded.PLAIN, "AlertsKey": "none", "AlertEmail": "none", "Secrets": "true", "Alarms": "true"}
    if "rds" in sizes:
        values |= {
            "InstanceType": sizes["ec2"]["instance_type"],
            "VolumeSize": sizes["ec2"]["volume_gb"],
            "MinSize": sizes["ec2"]["min"],
            "InstanceClass": sizes["rds"]["instance_class"],
            "AllocatedStorage": sizes["rds"]["storage_gb"],
        }
    return {**values, **more}


def stacks(name: str, **more: t.Any) -> dict[str, t.Any]:
    """Return the option ``stacks`` for a phase.

    :param more: parameters that differ
    """
    layers = STAGING if name == "staging" else PRODUCTION
    values = parameters(phase(name).sizes, **more)
    paths = {layer: expanded.LAYERS.get(f"staging-{layer}") if name == "staging" else None for layer in layers}
    return {
        layer: {"template": str(path or expanded.LAYERS[layer]), "parameters": values, "literals": {}}
        for layer, path in paths.items()
    }


def run(name: str, make_client: t.Any = None, **options: t.Any) -> dict[str, t.Any]:
    """Run the module and return its result."""
    ctx = {key: options.pop(key) for key in ("check_mode", "diff_mode", "progress") if key in options}
    params = {key: spec.get("default") for key, spec in estimate.ARGUMENT_SPEC.items()}
    params |= {
        "phase": name,
        "region": REGION,
        "allocation": str(SIZES),
        "price_book": str(PRICES),
        "today": str(TODAY),
        **options,
    }
    return estimate.run(Context(params, make_client or nobody, **ctx))


def nobody(service: str, _region: str | None) -> t.Any:
    """Be the client of an estimate that must not ask AWS."""
    raise AssertionError(f"{service} was asked")


def estimated(name: str, **options: t.Any) -> dict[str, t.Any]:
    """Return the estimate of a phase; staging's and production's are those of our templates."""
    if name in ("staging", "production") and not {"stacks", "lines_file"} & set(options):
        options["stacks"] = stacks(name)
    result: dict[str, t.Any] = run(name, **options)["estimate"]
    return result


def listed(name: str, **usage: t.Any) -> dict[str, t.Any]:
    """Return the estimate of a list of this folder."""
    return estimated(name.partition("-")[0], lines_file=str(LISTS / f"{name}.yaml"), usage=usage)


def total(result: dict[str, t.Any]) -> Decimal:
    """Return what an estimate comes to."""
    return Decimal(result["totals"]["always_free"])


def bill_of(
    resources: dict[str, t.Any], usage: dict[str, t.Any], region: str = REGION, used: dict[str, Decimal] | None = None
) -> Bill:
    """Return the bill of a small template.

    :param resources: logical id -> type and properties
    :param used: what is taken already of what is always free
    """
    siblings: dict[str, estimate_template.Resource] = {}
    for name, (kind, properties) in resources.items():
        siblings[name] = estimate_template.Resource("app", name, kind, properties, siblings)
    bill = Bill(book(), region, TODAY, used)
    values = {key: Decimal(str(value)) for key, value in usage.items()}
    estimate_types.add_resources(bill, list(siblings.values()), Usage(values, {}))
    return bill
