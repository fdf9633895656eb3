# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The price book: what it says, which of it is doubtful, and what is refused in it."""

from __future__ import annotations

import copy
import datetime
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import price_book, price_book_file, price_book_text
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.support.checkout import ROOT

PATH = ROOT / "price-book.yaml"
BOOK = price_book.load(str(PATH))
DATA = price_book_file.read(str(PATH))
COLLECTED = datetime.date(2026, 11, 22)
MEMORY, FACTOR = price_book.FROM_MEMORY, "estimated by a regional factor (1.16 of us-east-1)"

# Written down from AWS's prices by hand, not read from the book.
US_EAST_1 = {
    "ec2.t3.micro": "0.0104",
    "ec2.t4g.medium": "0.0336",
    "ebs.gp3": "0.08",
    "ipv4.public": "0.005",
    "alb.hour": "0.0225",
    "alb.lcu": "0.008",
    "nat.hour": "0.045",
    "rds.postgres.db.t3.micro": "0.018",
    "rds.postgres.db.t4g.small": "0.032",
    "rds.gp3": "0.115",
    "lambda.requests": "0.20",
    "lambda.gb_seconds.arm64": "0.0000133334",
    "lambda.provisioned.x86_64": "0.0000041667",
    "apigateway.rest": "3.50",
    "apigateway.http": "1.00",
    "dynamodb.write": "0.625",
    "dynamodb.read": "0.125",
    "dynamodb.pitr": "0.20",
    "cloudfront.https.eu": "0.012",
    "s3.standard": "0.023",
    "s3.get": "0.0004",
    "secretsmanager.secret": "0.40",
    "cloudwatch.metric": "0.30",
    "logs.ingest": "0.50",
    "kms.key": "1.00",
    "eks.cluster": "0.10",
    "aurora.acu": "0.12",
    "elasticache.valkey.cache.t4g.micro": "0.0128",
    "fargate.arm64.vcpu": "0.03238",
    "data.out": "0.09",
    "ce.request": "0.01",
}


@pytest.mark.parametrize("item", US_EAST_1)
def test_prices_of_us_east_1(item: str) -> None:
    assert BOOK.price(item, "us-east-1", COLLECTED).value == Decimal(US_EAST_1[item])


@pytest.mark.parametrize(
    ("item", "region", "value", "marks"),
    [
        ("ec2.t3.micro", "eu-south-1", "0.0120", []),
        ("lambda.gb_seconds.x86_64", "eu-south-1", "0.0000195172", []),
        ("lambda.requests", "eu-south-1", "0.23", []),
        ("lambda.gb_seconds.arm64", "eu-central-1", "0.0000133334", []),
        ("ec2.t3.micro", "eu-west-1", "0.0114", []),
        ("alb.hour", "eu-south-1", "0.0261", [FACTOR]),
        ("s3.standard", "eu-south-1", "0.02668", [FACTOR]),
        ("rds.postgres.db.t3.micro", "eu-south-1", "0.02088", [FACTOR]),
        ("dynamodb.write", "eu-west-1", "0.675", ["estimated by a regional factor (1.08 of us-east-1)"]),
        ("rds.postgres.db.t3.micro", "eu-central-1", "0.021", [price_book.OLD]),
        ("nat.hour", "eu-central-1", "0.052", [MEMORY]),
        ("cloudfront.gb", "eu-south-1", "0.085", []),
    ],
)
def test_prices_of_europe_say_what_they_are_worth(item: str, region: str, value: str, marks: list[str]) -> None:
    price = BOOK.price(item, region, COLLECTED)
    assert (price.value, price.marks) == (Decimal(value), marks)


def test_what_is_unknown_of_milan_is_marked() -> None:
    for service in ("rds.", "alb.", "nat.", "apigateway.", "dynamodb.", "s3."):
        items = [item for item in BOOK.items if item.startswith(service)]
        assert items
        assert all(FACTOR in BOOK.price(item, "eu-south-1", COLLECTED).marks for item in items)


@pytest.mark.parametrize("region", price_book.REGIONS)
def test_every_item_has_a_price_with_a_source_in_every_region(region: str) -> None:
    assert len(BOOK.items) >= 45
    for item in BOOK.items:
        price = BOOK.price(item, region, COLLECTED)
        assert price.source and price.unit and price.confidence in "ABCM"
        assert datetime.date.fromisoformat(price.as_of) <= COLLECTED
        assert price.value > 0 or item in ("vpc_endpoint.gateway", "ssm.parameter.standard", "cloudfront.plan.free")


@pytest.mark.parametrize(("days", "old"), [(0, False), (90, False), (91, True)])
def test_a_price_ages(days: int, old: bool) -> None:
    today = COLLECTED + datetime.timedelta(days)
    assert (price_book.OLD in BOOK.price("alb.hour", "us-east-1", today).marks) is old
    both = [price_book.OLD, FACTOR] if old else [FACTOR]
    assert BOOK.price("alb.hour", "eu-south-1", today).marks == both


def test_the_source_of_a_derived_price_names_both_halves() -> None:
    price = BOOK.price("alb.hour", "eu-south-1", COLLECTED)
    base = BOOK.price("alb.hour", "us-east-1", COLLECTED)
    assert price.source.startswith(base.source) and "1.16" in price.source
    assert (base.confidence, price.confidence) == ("B", "C")


# Quantities in millions; the sums are done by hand.
@pytest.mark.parametrize(
    ("item", "quantity", "cost"),
    [
        ("apigateway.rest", "0", "0"),
        ("apigateway.rest", "0.5", "1.75"),
        ("apigateway.rest", "333", "1165.50"),
        ("apigateway.rest", "400", "1353.10"),
        ("apigateway.rest", "21000", "49763.10"),
        ("apigateway.http", "301", "300.90"),
        ("alb.hour", "730", "16.425"),
    ],
)
def test_costs_by_quantity(item: str, quantity: str, cost: str) -> None:
    assert BOOK.cost(item, "us-east-1", Decimal(quantity), COLLECTED) == Decimal(cost)


def test_tiers_of_a_derived_price_are_all_derived() -> None:
    tiers = BOOK.price("apigateway.rest", "eu-south-1", COLLECTED).tiers
    assert [(upto, value) for upto, value in tiers][:2] == [(333, Decimal("4.06")), (1000, Decimal("3.248"))]
    assert tiers[-1] == (None, Decimal("1.7516"))


def test_a_negative_quantity_is_no_credit() -> None:
    with pytest.raises(McpError, match=r"quantity of alb.hour is -1: allowed is a number from 0"):
        BOOK.cost("alb.hour", "us-east-1", Decimal(-1), COLLECTED)


@pytest.mark.parametrize(
    ("item", "pool", "amount"),
    [
        ("lambda.gb_seconds.x86_64", "lambda-compute", "400000"),
        ("lambda.gb_seconds.arm64", "lambda-compute", "400000"),
        ("dynamodb.wcu", "dynamodb-wcu", "18250"),
        ("cloudfront.https.us", "cloudfront-requests", "1000"),
        ("cloudfront.https.eu", "cloudfront-requests", "1000"),
        ("logs.ingest", "cloudwatch-logs", "5"),
        ("logs.storage", "cloudwatch-logs", "5"),
        ("data.out", "data-out", "100"),
    ],
)
def test_what_is_always_free_is_shared(item: str, pool: str, amount: str) -> None:
    allowance = BOOK.allowance(item)
    assert allowance is not None
    assert (allowance.pool, allowance.amount, allowance.scope) == (pool, Decimal(amount), "account")
    assert allowance.unit == BOOK.items[item].unit


@pytest.mark.parametrize(
    "item",
    ["dynamodb.write", "dynamodb.read", "s3.standard", "apigateway.rest", "ec2.t3.micro", "lambda.provisioned.arm64"],
)
def test_what_is_not_free_any_more_has_no_allowance(item: str) -> None:
    assert BOOK.allowance(item) is None


def test_a_region_without_prices_names_those_that_have_some() -> None:
    with pytest.raises(McpError, match=r"no prices for region 'eu-south-2'. Did you mean eu-south-1\?") as caught:
        BOOK.price("alb.hour", "eu-south-2", COLLECTED)
    assert all(region in caught.value.message for region in price_book.REGIONS)
    with pytest.raises(McpError, match="no prices for region"):
        BOOK.price("cloudfront.gb", "ap-south-1", COLLECTED)


def test_an_unknown_item_names_the_nearest_and_how_to_add_one() -> None:
    with pytest.raises(McpError, match=r"no item 'alb.hours'. Did you mean alb.hour\?$"):
        BOOK.price("alb.hours", "us-east-1", COLLECTED)
    with pytest.raises(McpError, match=r"Add it with the module price_book: items=\['ec2.m7i.large'\]"):
        BOOK.allowance("ec2.m7i.large")
    assert not BOOK.has("ec2.m7i.large") and BOOK.has("alb.hour")


# The file


def test_the_file_is_as_the_module_writes_it() -> None:
    assert price_book_text.dump(DATA) == PATH.read_text(encoding="utf-8")


def test_an_estimate_reads_all_but_the_lookups() -> None:
    assert {**price_book_file.read(str(PATH), lookups=False), "lookups": DATA["lookups"]} == DATA


def test_a_file_in_another_order_is_read_whole(tmp_path: Path) -> None:
    other = tmp_path / "book.yaml"
    reordered = {"lookups": DATA["lookups"], **DATA}
    other.write_text("# mine\nlookups:\n" + yaml.safe_dump(reordered, sort_keys=False).partition("lookups:\n")[2])
    assert price_book.load(str(other)).items == BOOK.items


def test_every_lookup_is_of_an_item_or_a_family() -> None:
    families = {f"{family}.*" for family in DATA["families"]}
    assert families <= set(DATA["lookups"]) <= families | set(DATA["items"])


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.0104000000", "0.0104"), ("3.5", "3.50"), ("15", "15.00"), ("0E-10", "0.00"), ("1E+3", "1000.00")],
)
def test_numbers_are_written_without_exponent(value: str, text: str) -> None:
    assert price_book_text.decimal_text(Decimal(value)) == text


@pytest.mark.parametrize("word", ["no", "on", "1", "0.5", "2026-11-22", "a: b", "", "a #b", "Größe", "x"])
def test_every_text_is_read_as_it_was_written(word: str) -> None:
    assert yaml.safe_load(price_book_text.flow({"note": [word, True, 3]})) == {"note": [word, True, 3]}


def change(place: str, value: t.Any) -> dict[str, t.Any]:
    """Return the book with a value put at a place; None takes it away."""
    data = copy.deepcopy(DATA)
    *way, last = place.split("/")
    node = data
    for key in way:
        node = node[int(key) if isinstance(node, list) else key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return data


PRICE = "items/alb.hour/prices/us-east-1"


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("format", 2, "another format"),
        ("currency", "EUR", "another format or currency"),
        ("items", None, "has no 'items'"),
        ("extra", 1, "has the key 'extra'"),
        ("as_of", "22.11.2026", "as_of is '22.11.2026': allowed is a date"),
        ("factors/eu-south-1", None, "factors.eu-south-1 is None"),
        ("factors/eu-south-1/factor", "x", "factors.eu-south-1.factor is 'x'"),
        ("allowances/data-out/amount", "-1", "allowances.data-out.amount is '-1'"),
        ("items/alb.hour/allowance", "data-uot", "Did you mean data-out?"),
        ("items/alb.hour/allowance", "data-out", "'data-out' is in GB, not in hour"),
        ("items/alb.hour/unit", None, "items.alb.hour has no 'unit'"),
        ("items/alb.hour/unti", "x", "Did you mean unit?"),
        ("items/alb.hour/prices", [], "is not a mapping of regions"),
        ("items/alb.hour/prices/eu-south-1", None, "has no eu-south-1; give a value, or {derived: true}"),
        ("items/alb.hour/prices/eu-suoth-1", {"derived": True}, "Did you mean eu-south-1?"),
        ("items/alb.hour/prices/everywhere", {"derived": True}, "Allowed: everywhere"),
        (PRICE, {"derived": True}, "has no 'source'"),
        (f"{PRICE}/value", 0.0225, "value is 0.0225: allowed is a number from 0 in quotes"),
        (f"{PRICE}/value", "-0.01", "value is '-0.01'"),
        (f"{PRICE}/value", "NaN", "value is 'NaN'"),
        (f"{PRICE}/value", None, "needs either a 'value' or 'tiers'"),
        (f"{PRICE}/source", "hearsay", "source is 'hearsay': allowed is one of aws-page"),
        (f"{PRICE}/confidence", "D", "confidence is 'D'"),
        (f"{PRICE}/as_of", "2026-13-01", "as_of is '2026-13-01'"),
        ("items/apigateway.http/prices/us-east-1/tiers", [], "is no list of tiers"),
        ("items/apigateway.http/prices/us-east-1/tiers/1", {"upto": "9", "value": "1"}, "every tier but the last"),
        ("items/apigateway.rest/prices/us-east-1/tiers/1/upto", "300", "allowed is more than 333"),
        ("lookups/alb.hours", {"service": "x"}, "lookups.alb.hours is no item. Did you mean alb.hour?"),
        ("lookups/alb.hour/usagetype", None, "lookups.alb.hour has no 'usagetype'"),
    ],
)
def test_each_mistake_in_the_file_has_one_clear_error(place: str, value: t.Any, told: str) -> None:
    if place.endswith("tiers/1"):
        data = change("format", 1)
        data["items"]["apigateway.http"]["prices"]["us-east-1"]["tiers"][1] = value
    else:
        data = change(place, value)
    with pytest.raises(McpError) as caught:
        price_book_file.check(data, "book.yaml")
    assert told in caught.value.message
    assert caught.value.message.startswith("The price book book.yaml: ")


@pytest.mark.parametrize("text", [None, "a: [", "- one", ""])
def test_a_file_that_is_none_names_the_variable(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "book.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(McpError, match=r"-e mcp_price_book=FILE"):
        price_book.load(str(path))
