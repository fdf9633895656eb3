# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module price_book: what AWS's price list says gets in, what it does not say stays. Stubs refuse other calls."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    price_book,
    price_book_file,
    price_book_refresh,
    price_list,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    SHARED_SESSION,
    Context,
    McpError,
    call_run,
)
from botocore.stub import Stubber

from tests.support.checkout import ROOT

BOOK = ROOT / "price-book.yaml"
SHIPPED = price_book.PriceBook(price_book_file.read(str(BOOK)))
NOW = datetime.date(2027, 1, 2)


def product(usagetype: str, *prices: tuple[str, str, str], terms: int = 1) -> str:
    """Return one entry of the list as AWS writes it: begin, end and price of each dimension."""
    dimensions = {
        f"SKU.T.{number}": {
            "unit": "Hrs",
            "beginRange": begin,
            "endRange": end,
            "description": "as AWS says it",
            "pricePerUnit": {"USD": price},
        }
        for number, (begin, end, price) in enumerate(prices)
    }
    return json.dumps(
        {
            "product": {"productFamily": "x", "attributes": {"usagetype": usagetype}, "sku": "SKU"},
            "serviceCode": "x",
            "terms": {"OnDemand": {f"SKU.T{term}": {"priceDimensions": dimensions} for term in range(terms)}},
        }
    )


def flat(usagetype: str, price: str) -> str:
    """Return an entry with one price for any quantity."""
    return product(usagetype, ("0", "Inf", price))


class Aws:
    """A price list that answers what the test lays out, in its order, and nothing else."""

    def __init__(self, tmp_path: Path) -> None:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.client = SHARED_SESSION.client("pricing", region_name="us-east-1", **keys)
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.path = tmp_path / "book.yaml"
        self.path.write_text(BOOK.read_text(encoding="utf-8"), encoding="utf-8")
        self.regions: list[str | None] = []
        self.said: list[str] = []

    def answer(self, item: str, region: str, *pages: list[str]) -> None:
        """Lay out the pages of one answer; the request is the one that the book's lookup makes."""
        lookup = price_book_refresh.lookup_of(SHIPPED, item)
        assert lookup is not None
        wanted = price_list.request(lookup, region)
        for number, page in enumerate(pages or ([],)):
            given = {**wanted, "NextToken": f"page{number}"} if number else wanted
            more = {"NextToken": f"page{number + 1}"} if number + 1 < len(pages) else {}
            self.stub.add_response("get_products", {"FormatVersion": "aws_v1", "PriceList": page, **more}, given)

    def run(self, check_mode: bool = False, diff_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        params = {
            "path": str(self.path),
            "dest": None,
            "state": "refreshed",
            "regions": list(price_book.REGIONS),
            "items": [],
            "sandbox": False,
            **options,
        }

        def make(service: str, region: str | None) -> t.Any:
            assert service == "pricing"
            self.regions.append(region)
            return self.client

        ctx = Context(params, make, check_mode=check_mode, diff_mode=diff_mode, progress=self.said.append)
        try:
            return price_book_refresh.run(ctx)
        finally:
            self.stub.assert_no_pending_responses()

    def price(self, item: str, region: str, path: Path | None = None) -> price_book.Price:
        return price_book.load(str(path or self.path)).price(item, region, NOW)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setattr(price_book_refresh, "today", lambda: NOW)
    return Aws(tmp_path)


def test_a_price_is_read_again_with_its_source_and_date(aws: Aws) -> None:
    aws.answer("alb.hour", "eu-south-1", [flat("EUS1-LoadBalancerUsage", "0.0264000000")])
    result = aws.run(items=["alb.hour"], regions=["eu-south-1"])
    after = {"value": "0.0264", "source": "price-list", "as_of": "2027-01-02", "confidence": "A"}
    difference = {"item": "alb.hour", "region": "eu-south-1", "before": {"derived": True}, "after": after}
    assert (result["changed"], result["read"], result["differences"]) == (True, 1, [difference])
    price = aws.price("alb.hour", "eu-south-1")
    assert (price.confidence, price.marks, price.as_of) == ("A", [], "2027-01-02")
    assert "GetProducts" in price.source
    assert aws.price("alb.hour", "us-east-1").as_of == "2026-11-22"


def test_the_list_is_asked_in_us_east_1_whatever_the_region(aws: Aws) -> None:
    aws.answer("alb.hour", "eu-south-1")
    aws.run(items=["alb.hour"], regions=["eu-south-1"])
    assert aws.regions == ["us-east-1"]


def test_the_request_names_service_region_and_kind(aws: Aws) -> None:
    lookup = {"service": "AWSELB", "usagetype": "LCUUsage", "filters": {"productFamily": "Load Balancer-Application"}}
    assert price_list.request(lookup, "eu-west-1") == {
        "ServiceCode": "AWSELB",
        "Filters": [
            {"Type": "TERM_MATCH", "Field": "productFamily", "Value": "Load Balancer-Application"},
            {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"},
        ],
        "FormatVersion": "aws_v1",
    }
    outward = price_list.request({**lookup, "region": "fromRegionCode"}, "eu-west-1")
    assert outward["Filters"][1]["Field"] == "fromRegionCode"
    assert [each["Field"] for each in price_list.request(lookup, "everywhere")["Filters"]] == ["productFamily"]


def test_the_same_price_is_unchanged_but_for_its_date_and_then_unchanged(aws: Aws) -> None:
    aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.0225000000")])
    first = aws.run(items=["alb.hour"], regions=["us-east-1"])
    assert (first["changed"], first["differences"], first["as_of"]) == (True, [], "2027-01-02")
    text = aws.path.read_text(encoding="utf-8")
    aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.0225000000")])
    assert aws.run(items=["alb.hour"], regions=["us-east-1"])["changed"] is False
    assert aws.path.read_text(encoding="utf-8") == text


def test_check_mode_writes_nothing_and_shows_the_same(aws: Aws) -> None:
    before = aws.path.read_text(encoding="utf-8")
    aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.03")])
    result = aws.run(check_mode=True, diff_mode=True, items=["alb.hour"], regions=["us-east-1"])
    assert result["changed"] and aws.path.read_text(encoding="utf-8") == before
    (diff,) = result["diff"]
    assert diff["before"] == before
    assert 'value: "0.03", source: price-list, as_of: "2027-01-02", confidence: A' in diff["after"]


def test_a_copy_of_ones_own_is_written_and_the_collections_stays(aws: Aws, tmp_path: Path) -> None:
    before, dest = aws.path.read_text(encoding="utf-8"), tmp_path / "mine" / "prices.yaml"
    for changed in (True, False):
        aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.03")])
        result = aws.run(items=["alb.hour"], regions=["us-east-1"], dest=str(dest))
        assert (result["changed"], result["path"]) == (changed, str(dest))
    assert str(aws.price("alb.hour", "us-east-1", dest).value) == "0.03"
    assert aws.path.read_text(encoding="utf-8") == before


def test_a_copy_is_made_also_where_aws_has_nothing_new(aws: Aws, tmp_path: Path) -> None:
    aws.answer("alb.hour", "us-east-1")
    dest = tmp_path / "prices.yaml"
    assert aws.run(items=["alb.hour"], regions=["us-east-1"], dest=str(dest))["changed"]
    assert dest.read_text(encoding="utf-8") == aws.path.read_text(encoding="utf-8")


def test_all_pages_are_read(aws: Aws) -> None:
    other = [flat("EU-DataProcessing-Bytes", "9"), flat("EUC1-LoadBalancerUsage", "9")]
    aws.answer("alb.hour", "eu-west-1", other, [flat("EU-LoadBalancerUsage", "0.0252")])
    aws.run(items=["alb.hour"], regions=["eu-west-1"])
    assert str(aws.price("alb.hour", "eu-west-1").value) == "0.0252"


def test_usage_types_of_us_east_1_with_its_prefix_and_prices_of_many(aws: Aws) -> None:
    tiers = [("0", "333000000", "0.0000035"), ("333000000", "1000000000", "0.0000028"), ("1000000000", "Inf", "2E-6")]
    aws.answer("apigateway.rest", "us-east-1", [product("USE1-ApiGatewayRequest", *reversed(tiers))])
    aws.run(items=["apigateway.rest"], regions=["us-east-1"])
    price = aws.price("apigateway.rest", "us-east-1")
    assert [(str(upto), str(value)) for upto, value in price.tiers] == [
        ("333", "3.50"),
        ("1000", "2.80"),
        ("None", "2.00"),
    ]


def test_a_free_first_tier_is_left_out_where_the_account_has_an_allowance(aws: Aws) -> None:
    tiers = [("0", "25", "0.0"), ("25", "125", "0.25"), ("125", "Inf", "0.2")]
    aws.answer("dynamodb.storage", "us-east-1", [product("TimedStorage-ByteHrs", *tiers)])
    aws.run(items=["dynamodb.storage"], regions=["us-east-1"])
    price = aws.price("dynamodb.storage", "us-east-1")
    assert [(str(upto), str(value)) for upto, value in price.tiers] == [("100", "0.25"), ("None", "0.20")]


def test_what_is_everywhere_the_same_is_asked_once_without_a_region(aws: Aws) -> None:
    aws.answer("route53.zone", "everywhere", [flat("HostedZone", "0.55")])
    result = aws.run(items=["route53.zone"])
    assert [entry["region"] for entry in result["differences"]] == ["everywhere"]
    assert {str(aws.price("route53.zone", region).value) for region in price_book.REGIONS} == {"0.55"}


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ([], "has no such product"),
        ([flat("EU-LoadBalancerUsage", "0.0252")], "has no such product"),
        ([flat("LoadBalancerUsage", "0.02"), flat("LoadBalancerUsage", "0.03")], "has 2 different prices"),
        ([flat("LoadBalancerUsage", "0.0000000000")], "says that it costs nothing"),
        ([flat("LoadBalancerUsage", "free")], "is not understood"),
        ([flat("LoadBalancerUsage", "-1")], "is not understood"),
        ([product("LoadBalancerUsage", ("0", "10", "0.02"))], "is not understood"),
        ([product("LoadBalancerUsage")], "is not understood"),
        ([product("LoadBalancerUsage", ("0", "Inf", "0.02"), terms=2)], "is not understood"),
    ],
)
def test_what_the_list_does_not_say_clearly_stays_as_it_was(aws: Aws, page: list[str], why: str) -> None:
    before = aws.path.read_text(encoding="utf-8")
    aws.answer("alb.hour", "us-east-1", page)
    result = aws.run(items=["alb.hour"], regions=["us-east-1"])
    assert (result["changed"], result["read"], len(result["not_found"])) == (False, 0, 1)
    assert why in result["not_found"][0]["why"]
    assert aws.path.read_text(encoding="utf-8") == before


def test_the_same_price_twice_is_one_price(aws: Aws) -> None:
    aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.03"), flat("LoadBalancerUsage", "0.0300")])
    assert aws.run(items=["alb.hour"], regions=["us-east-1"])["read"] == 1


def test_an_instance_type_that_is_not_in_the_book_is_added(aws: Aws) -> None:
    aws.answer("ec2.m7i.large", "us-east-1", [flat("BoxUsage:m7i.large", "0.1008")])
    aws.answer("ec2.m7i.large", "eu-west-1", [flat("EU-BoxUsage:m7i.large", "0.1124")])
    aws.run(items=["ec2.m7i.large"], regions=["us-east-1", "eu-west-1"])
    assert str(aws.price("ec2.m7i.large", "eu-west-1").value) == "0.1124"
    assert aws.price("ec2.m7i.large", "eu-south-1").marks == ["estimated by a regional factor (1.16 of us-east-1)"]


def test_one_that_aws_does_not_have_is_not_added(aws: Aws) -> None:
    aws.answer("ec2.m9.huge", "us-east-1")
    aws.answer("ec2.m9.huge", "eu-west-1", [flat("EU-BoxUsage:m9.huge", "1")])
    result = aws.run(items=["ec2.m9.huge"], regions=["us-east-1", "eu-west-1"])
    assert result["differences"] == []
    assert result["not_found"][0]["item"] == "ec2.m9.huge"
    assert not price_book.load(str(aws.path)).has("ec2.m9.huge")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"regions": ["eu-suoth-1"]}, r"regions has 'eu-suoth-1'. Did you mean eu-south-1\?"),
        ({"items": ["alb.huor"]}, r"no item 'alb.huor'. Did you mean alb.hour\?"),
        ({"items": ["ec2.m7i.large"], "regions": ["eu-west-1"]}, r"regions must have us-east-1"),
        ({"path": "/nowhere/book.yaml"}, r"cannot be read"),
    ],
)
def test_wrong_options_ask_nobody(aws: Aws, options: dict[str, t.Any], told: str) -> None:
    with pytest.raises(McpError, match=told):
        aws.run(**options)
    assert aws.regions == []


def test_without_the_right_the_error_names_it(aws: Aws) -> None:
    before = aws.path.read_text(encoding="utf-8")
    aws.stub.add_client_error("get_products", "AccessDeniedException", "User is not authorized", 400)
    with pytest.raises(McpError, match=r"pricing:GetProducts. The price book was not changed"):
        aws.run(items=["alb.hour"], regions=["us-east-1"])
    assert aws.path.read_text(encoding="utf-8") == before


def test_throttled_for_good_is_a_failure_and_writes_nothing(aws: Aws) -> None:
    before = aws.path.read_text(encoding="utf-8")
    aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.03")])
    aws.stub.add_client_error("get_products", "ThrottlingException", "Rate exceeded", 400)
    result = call_run(t.cast(Context, None), lambda _ctx: aws.run(items=["alb.hour", "alb.lcu"], regions=["us-east-1"]))
    assert (result["failed"], result["error_code"]) == (True, "ThrottlingException")
    assert aws.path.read_text(encoding="utf-8") == before


def test_a_place_that_cannot_be_written_is_named(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    aws.answer("alb.hour", "us-east-1", [flat("LoadBalancerUsage", "0.03")])
    with pytest.raises(McpError, match=r"cannot be written"):
        aws.run(items=["alb.hour"], regions=["us-east-1"], dest=str(tmp_path / "file" / "book.yaml"))


def test_in_the_sandbox_nobody_is_asked(aws: Aws) -> None:
    result = aws.run(sandbox=True)
    assert (result["changed"], aws.regions) == (False, [])
    assert result["not_available"] == ["AWS's price list: not available on the emulator"]


def test_checking_asks_nobody_and_tells_the_doubtful_prices(aws: Aws) -> None:
    result = aws.run(state="checked")
    assert (result["changed"], aws.regions, result["count"]) == (False, [], len(SHIPPED.items))
    doubts = {(doubt["item"], doubt["region"]): doubt["marks"] for doubt in result["doubts"]}
    assert doubts["alb.hour", "eu-south-1"] == ["estimated by a regional factor (1.16 of us-east-1)"]
    assert doubts["nat.hour", "eu-west-1"] == [price_book.FROM_MEMORY]
    assert ("alb.hour", "us-east-1") not in doubts


def test_all_items_are_asked_region_by_region_but_those_without_a_lookup(aws: Aws) -> None:
    asked = [item for item in SHIPPED.items if price_book_refresh.lookup_of(SHIPPED, item)]
    everywhere = [item for item in asked if "everywhere" in SHIPPED.data["items"][item]["prices"]]
    for item in [*(item for item in asked if item not in everywhere), *everywhere]:
        aws.answer(item, "everywhere" if item in everywhere else "us-east-1")
    result = aws.run(regions=["us-east-1"])
    assert len(result["not_found"]) == len(asked)
    assert sorted([*asked, *result["by_hand"]]) == sorted(SHIPPED.items)
    assert len(asked) > 2 * len(result["by_hand"])
    assert aws.said == [
        f"asking AWS for {len(asked) - len(everywhere)} prices (us-east-1)",
        f"asking AWS for {len(everywhere)} prices (everywhere)",
    ]
