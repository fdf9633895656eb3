# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate: asked for once, proven, waited for, found again. The stubs refuse every call not listed here."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import certificate, certificate_dns
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.stub import Stubber

DOMAIN, ZONE, CDN = "mcp.example.com", "Z0123456789ABCDEFGHIJ", "d1abc.cloudfront.net"
ARNS = [f"arn:aws:acm:us-east-1:123456789012:certificate/{number:08d}-0000-0000-0000-000000000000" for number in (1, 2)]
ARN, OTHER = ARNS
PROOF = {"Name": "_3f2a.mcp.example.com.", "Type": "CNAME", "Value": "_7d1b.acm-validations.aws."}
BARE = {"name": "_3f2a.mcp.example.com", "type": "CNAME", "value": "_7d1b.acm-validations.aws"}
TAGS = {"mcp:environment": "production", "mcp:managed-by": "pratikoai.mcp_servers"}
AS_LIST = [{"Key": key, "Value": value} for key, value in TAGS.items()]
PENDING = "PENDING_VALIDATION"
STALE: dict[str, t.Any] = {"Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": "an.older.proof"}]}


class Aws:
    """Stubbed clients, and a clock that only moves by sleeping."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.clients = {name: SHARED_SESSION.client(name, **options) for name in ("acm", "route53")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.now, self.asked, self.warnings = 0.0, list[tuple[str, str | None]](), list[str]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def client(self, service: str, region: str | None) -> t.Any:
        self.asked.append((service, region))
        return self.clients[service]

    def listed(self, *arns: str, domain: str = DOMAIN) -> None:
        found = [{"CertificateArn": arn, "DomainName": domain} for arn in arns]
        self.stubs["acm"].add_response("list_certificates", {"CertificateSummaryList": found}, {})

    def tagged(self, arn: str, tags: list[dict[str, str]] | None = None) -> None:
        answer = {} if tags == [] else {"Tags": tags or AS_LIST}
        self.stubs["acm"].add_response("list_tags_for_certificate", answer, {"CertificateArn": arn})

    def described(self, arn: str = ARN, status: str = "ISSUED", proof: bool = True, **more: t.Any) -> None:
        option = {"DomainName": DOMAIN, **({"ResourceRecord": PROOF} if proof else {})}
        detail = {"CertificateArn": arn, "DomainName": DOMAIN, "Status": status, "DomainValidationOptions": [option]}
        self.stubs["acm"].add_response(
            "describe_certificate", {"Certificate": {**detail, **more}}, {"CertificateArn": arn}
        )

    def found(self, arn: str = ARN, status: str = "ISSUED", **more: t.Any) -> None:
        self.listed(arn)
        self.tagged(arn)
        self.described(arn, status, **more)

    def requested(self) -> None:
        wanted = {"DomainName": DOMAIN, "ValidationMethod": "DNS", "Tags": AS_LIST}
        self.stubs["acm"].add_response("request_certificate", {"CertificateArn": ARN}, wanted)

    def deleted(self, arn: str = ARN) -> None:
        self.stubs["acm"].add_response("delete_certificate", {}, {"CertificateArn": arn})

    def zone(self, name: str = "example.com.", private: bool = False) -> None:
        zone = {"Id": f"/hostedzone/{ZONE}", "Name": name, "CallerReference": "x", "Config": {"PrivateZone": private}}
        self.stubs["route53"].add_response("get_hosted_zone", {"HostedZone": zone}, {"Id": ZONE})

    def records(self, start: str, *records: dict[str, t.Any]) -> None:
        answer = {"ResourceRecordSets": list(records), "IsTruncated": False, "MaxItems": "300"}
        wanted = {"HostedZoneId": ZONE, "StartRecordName": start}
        self.stubs["route53"].add_response("list_resource_record_sets", answer, wanted)

    def written(self) -> None:
        values = [{"Value": BARE["value"]}]
        record = {"Name": BARE["name"], "Type": "CNAME", "TTL": 300, "ResourceRecords": values}
        batch = {"Comment": "pratikoai.mcp_servers", "Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        info = {"Id": "1", "Status": "PENDING", "SubmittedAt": "2026-11-22T15:00:00Z"}
        self.stubs["route53"].add_response(
            "change_resource_record_sets", {"ChangeInfo": info}, {"HostedZoneId": ZONE, "ChangeBatch": batch}
        )

    def run(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        given = {"environment": "production", "domain": DOMAIN, **options}
        checked = ArgumentSpecValidator(certificate.ARGUMENT_SPEC, **certificate.SPEC_OPTIONS).validate(given)
        assert not checked.error_messages
        ctx = Context(checked.validated_parameters, self.client, check_mode=check_mode, warn=self.warnings.append)
        try:
            return certificate.run(ctx)
        finally:
            for stub in self.stubs.values():
                stub.assert_no_pending_responses()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setattr(certificate.time, "sleep", made.sleep)
    monkeypatch.setattr(certificate.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(certificate_dns, "leads_to", lambda domain, target, _own: (domain, target) == (DOMAIN, CDN))
    return made


def test_without_a_zone_it_is_asked_for_and_not_waited_for(aws: Aws) -> None:
    aws.listed()
    aws.requested()
    aws.described(status=PENDING, proof=False)  # ACM makes the record some seconds later
    aws.described(status=PENDING)
    aws.described(status=PENDING)
    result = aws.run()
    assert (result["changed"], result["status"], result["ready"]) == (True, PENDING, False)
    assert result["validation_records"] == [BARE]
    assert aws.now == certificate.POLL_S
    assert set(aws.asked) == {("acm", "us-east-1")}


def test_with_a_zone_the_domain_is_proven_and_waited_for(aws: Aws) -> None:
    aws.zone()
    aws.records(DOMAIN)
    aws.listed()
    aws.requested()
    aws.described(status=PENDING)
    aws.described(status=PENDING)
    aws.records(BARE["name"])
    aws.written()
    aws.described(status=PENDING)
    aws.described()
    aws.described()
    result = aws.run(hosted_zone_id=ZONE)
    assert (result["changed"], result["status"], result["ready"], result["arn"]) == (True, "ISSUED", True, ARN)


def test_the_wait_is_bounded_and_the_deploy_can_go_on(aws: Aws) -> None:
    aws.zone()
    aws.records(DOMAIN)
    aws.found(status=PENDING)
    aws.records(BARE["name"], {**STALE, "Name": PROOF["Name"]}, {**STALE, "Name": "z.example.com."})
    aws.written()
    for _look in range(4):  # at 0, 5 and 10 s, and once more for the result
        aws.described(status=PENDING)
    result = aws.run(hosted_zone_id=ZONE, wait_timeout=10)
    assert (result["ready"], result["status"], aws.now) == (False, PENDING, 10)


def test_a_second_run_changes_nothing(aws: Aws) -> None:
    aws.zone()
    aws.found()
    record = {"Name": PROOF["Name"], "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": BARE["value"]}]}
    aws.records(BARE["name"], record)
    result = aws.run(hosted_zone_id=ZONE, current_arn=ARN)
    assert (result["changed"], result["ready"], result["arn"]) == (False, True, ARN)


@pytest.mark.parametrize(
    ("distribution", "ready"), [({}, False), ({"distribution_domain": CDN}, True), ({"dns_lookup": False}, True)]
)
def test_elsewhere_the_domain_is_ready_when_it_leads_here(aws: Aws, distribution: dict, ready: bool) -> None:
    aws.found()
    result = aws.run(**distribution)
    assert (result["ready"], result["address_in_place"], result["changed"]) == (ready, ready, False)


def test_check_mode_asks_for_nothing(aws: Aws) -> None:
    aws.zone()
    aws.records(DOMAIN)
    aws.listed()
    result = aws.run(check_mode=True, hosted_zone_id=ZONE)
    assert (result["changed"], result["status"], result["arn"], result["ready"]) == (True, "ABSENT", "", False)


def test_certificates_of_others_are_left_alone(aws: Aws) -> None:
    aws.listed(ARN, OTHER)
    aws.tagged(ARN, [])
    aws.tagged(OTHER, [{"Key": "mcp:environment", "Value": "staging"}, AS_LIST[1]])
    aws.requested()
    aws.described(status=PENDING)
    aws.described(status=PENDING)
    assert aws.run()["changed"]


@pytest.mark.parametrize("status", ["VALIDATION_TIMED_OUT", "EXPIRED", "REVOKED"])
def test_one_that_is_dead_is_replaced_while_the_domain_stays(aws: Aws, status: str) -> None:
    aws.found(OTHER, status)
    aws.requested()
    aws.described(status=PENDING)
    aws.described(status=PENDING)
    result = aws.run(current_arn=OTHER)
    assert (result["arn"], result["ready"], result["status"]) == (OTHER, True, PENDING)


def test_the_one_in_use_is_preferred(aws: Aws) -> None:
    aws.listed(ARN, OTHER)
    for arn in (ARN, OTHER):
        aws.tagged(arn)
        aws.described(arn)
    assert aws.run(current_arn=OTHER)["arn"] == OTHER


def test_a_refusal_names_reason_and_command(aws: Aws) -> None:
    aws.found(status="FAILED", FailureReason="CAA_ERROR")
    with pytest.raises(McpError, match="CAA_ERROR") as refused:
        aws.run()
    assert f"aws acm delete-certificate --region us-east-1 --certificate-arn {ARN}" in refused.value.message


@pytest.mark.parametrize(
    ("name", "private", "said"),
    [
        ("example.org.", False, "ends in .example.org"),
        ("ample.com.", False, "ample.com"),
        ("example.com.", True, "private zone"),
    ],
)
def test_a_zone_of_another_domain_is_refused(aws: Aws, name: str, private: bool, said: str) -> None:
    aws.zone(name, private)
    with pytest.raises(McpError) as refused:
        aws.run(hosted_zone_id=ZONE)
    assert f"mcp_hosted_zone_id is '{ZONE}'" in refused.value.message and said in refused.value.message


def test_an_unknown_zone_is_refused(aws: Aws) -> None:
    aws.stubs["route53"].add_client_error("get_hosted_zone", "NoSuchHostedZone", http_status_code=404)
    with pytest.raises(McpError, match="this account has no such zone"):
        aws.run(hosted_zone_id=ZONE)


@pytest.mark.parametrize(
    ("record", "target"),
    [
        ({"Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "old.example.net"}]}, "CNAME old.example.net"),
        (
            {"Type": "A", "AliasTarget": {"HostedZoneId": "Z2", "DNSName": "lb.", "EvaluateTargetHealth": False}},
            "A lb.",
        ),
    ],
)
def test_an_address_that_leads_elsewhere_is_not_taken(aws: Aws, record: dict[str, t.Any], target: str) -> None:
    aws.zone()
    aws.records(DOMAIN, {"Name": f"{DOMAIN}.", **record})
    with pytest.raises(McpError) as refused:
        aws.run(hosted_zone_id=ZONE)
    assert target in refused.value.message and "Nothing was changed" in refused.value.message


def test_absent_removes_what_is_ours_and_unused(aws: Aws) -> None:
    aws.listed(ARN, OTHER)
    aws.tagged(ARN)
    aws.described()
    aws.tagged(OTHER, [])
    aws.described(InUseBy=["arn:aws:cloudfront::123456789012:distribution/E1"])  # named for a while after its deletion
    aws.described()
    aws.described()
    aws.deleted()
    result = aws.run(state="absent", domain=None)
    assert [entry["resource"] for entry in result["removed"]] == [ARN] and result["changed"]
    assert aws.now == certificate.POLL_S


def test_absent_keeps_what_is_in_use(aws: Aws) -> None:
    user = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/other/1"
    aws.found(InUseBy=[user])
    aws.described(InUseBy=[user])
    aws.described(InUseBy=[user])
    result = aws.run(state="absent", wait_timeout=0)
    assert (result["changed"], result["removed"], result["kept"][0]["in_use_by"]) == (False, [], [user])
    assert ARN in aws.warnings[0]


@pytest.mark.parametrize(("distribution", "changed"), [("E1", True), ("E2", False)])
def test_absent_in_check_mode_removes_nothing(aws: Aws, distribution: str, changed: bool) -> None:
    aws.found(InUseBy=["arn:aws:cloudfront::123456789012:distribution/E1"])
    assert aws.run(check_mode=True, state="absent", distribution_id=distribution)["changed"] is changed


@pytest.mark.parametrize(
    ("forward", "reverse", "leads"),
    [
        ((CDN, [DOMAIN], ["192.0.2.1"]), "", True),
        ((DOMAIN, [], ["192.0.2.1"]), "server-192-0-2-1.fra56.r.cloudfront.net", True),
        ((DOMAIN, [], ["192.0.2.1"]), "host.example.net", False),
        ((DOMAIN, [], ["192.0.2.1"]), None, False),
        (None, None, False),
    ],
)
def test_where_dns_leads(
    monkeypatch: pytest.MonkeyPatch, forward: tuple[str, list[str], list[str]] | None, reverse: str | None, leads: bool
) -> None:
    def answer(value: t.Any) -> t.Callable[[str], t.Any]:
        def ask(_name: str) -> t.Any:
            if value is None:
                raise OSError("no such name")
            return value

        return ask

    monkeypatch.setattr(certificate_dns.socket, "gethostbyname_ex", answer(forward))
    monkeypatch.setattr(certificate_dns.socket, "gethostbyaddr", answer(reverse and (reverse, [], [])))
    assert certificate_dns.leads_to(DOMAIN, CDN) is leads
