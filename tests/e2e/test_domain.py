# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain of one's own, with its DNS elsewhere and in Route 53; what a destroy leaves of it.

The sandbox issues a certificate when its record is in an emulated zone. Its front door stands for DNS, so calls go on
through the same address; that the distribution holds domain and certificate is what there is to see.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.e2e.test_plan import edit
from tests.support.client import call_tool
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun
from tests.support.snapshot import difference, snapshot

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

DOMAIN = "mcp.example.com"
WITH_DOMAIN = ("-e", f"mcp_domain={DOMAIN}")
DESTROY = ("-e", "mcp_confirm=production", "-e", "mcp_destroy_data=true")


@dataclass(frozen=True)
class Step:
    """How a run ended, what it reported, and what it left."""

    run: PlaybookRun
    report: dict[str, t.Any]
    account: dict[str, t.Any]
    distribution: dict[str, t.Any]
    records: set[tuple[str, str]]
    certificates: dict[str, dict[str, t.Any]]


class Story:
    """One environment's life; each step was run whether the one before it went well or not."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.route53 = environment.sandbox.client("route53")
        self.acm = environment.sandbox.client("acm")
        self.zones = {name: self.make_zone(name) for name in ("example.com", "example.org")}
        self.foreign = self.acm.request_certificate(DomainName=DOMAIN, ValidationMethod="DNS")["CertificateArn"]
        self.steps: dict[str, Step] = {}

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]

    def make_zone(self, name: str) -> str:
        made = self.route53.create_hosted_zone(Name=name, CallerReference=name)
        return str(made["HostedZone"]["Id"]).removeprefix("/hostedzone/")

    def records(self) -> set[tuple[str, str]]:
        """Return name and type of what was written into the domain's zone."""
        found = self.route53.list_resource_record_sets(HostedZoneId=self.zones["example.com"])["ResourceRecordSets"]
        return {(item["Name"].rstrip("."), item["Type"]) for item in found if item["Type"] not in ("NS", "SOA")}

    def certificates(self) -> dict[str, dict[str, t.Any]]:
        arns = [item["CertificateArn"] for item in self.acm.list_certificates()["CertificateSummaryList"]]
        return {arn: self.acm.describe_certificate(CertificateArn=arn)["Certificate"] for arn in arns}

    def distribution(self) -> dict[str, t.Any]:
        client = self.environment.sandbox.client("cloudfront")
        found = client.list_distributions()["DistributionList"].get("Items", [])
        return client.get_distribution_config(Id=found[0]["Id"])["DistributionConfig"] if found else {}

    def take(self, name: str, playbook: str, *options: str) -> None:
        run = self.environment.play(playbook, *options)
        # A look writes no report.
        kind = "deployment" if playbook == "deploy.yml" else "destroy"
        report = {} if "--check" in options else self.environment.report(kind)
        account = snapshot(self.environment.sandbox)
        self.steps[name] = Step(run, report, account, self.distribution(), self.records(), self.certificates())

    def add_record_elsewhere(self) -> None:
        """Do what a person does at another DNS host: the zone is unknown to the runs."""
        self["pending"].run.require()
        record = next(item for item in self["pending"].report["dns_records"] if item["name"] != DOMAIN)
        value = [{"Value": record["value"]}]
        wanted = {"Name": record["name"], "Type": record["type"], "TTL": 300, "ResourceRecords": value}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": wanted}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.zones["example.com"], ChangeBatch=batch)

    def tell(self) -> t.Self:
        zone = ("-e", f"mcp_hosted_zone_id={self.zones['example.com']}")
        self.take("wrong zone", "deploy.yml", *WITH_DOMAIN, "-e", f"mcp_hosted_zone_id={self.zones['example.org']}")
        self.take("pending", "deploy.yml", *WITH_DOMAIN)
        self.take("still pending", "deploy.yml", *WITH_DOMAIN)
        self.add_record_elsewhere()
        self.take("looked", "deploy.yml", *WITH_DOMAIN, "--check", "--diff")
        self.take("issued", "deploy.yml", *WITH_DOMAIN)
        self.take("again", "deploy.yml", *WITH_DOMAIN)
        self.take("with zone", "deploy.yml", *WITH_DOMAIN, *zone)
        self.take("with zone again", "deploy.yml", *WITH_DOMAIN, *zone)
        self.take("without", "deploy.yml")
        self.take("back", "deploy.yml", *WITH_DOMAIN, *zone)
        self.take("look at destroy", "playbooks/destroy.yml", *DESTROY, "--check")
        self.take("destroyed", "playbooks/destroy.yml", *DESTROY)
        return self

    def ours(self, name: str) -> dict[str, t.Any]:
        """Return the one certificate of ours after a step."""
        (found,) = [item for arn, item in self[name].certificates.items() if arn != self.foreign]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Story]:
    environment = new_environment(tmp_path_factory.mktemp("domain"), private_home)
    try:
        environment.sandbox.start()
        yield Story(environment).tell()
    finally:
        environment.sandbox.stop()


def test_a_zone_of_another_domain_is_refused_before_anything_is_made(story: Story) -> None:
    step = story["wrong zone"]
    assert step.run.rc != 0
    said = " ".join(step.run.output.split())
    assert f"the zone of example.org, but mcp_domain is '{DOMAIN}'" in said
    assert step.account["stack"] == {} and set(step.certificates) == {story.foreign}


def test_until_it_is_proven_the_deploy_goes_on_and_says_what_to_add(story: Story) -> None:
    step = story["pending"]
    step.run.require()
    certificate = story.ours("pending")
    assert (certificate["Status"], certificate["InUseBy"]) == ("PENDING_VALIDATION", [])
    proof = certificate["DomainValidationOptions"][0]["ResourceRecord"]
    domain = next(iter(step.account["distribution"].values()))[0]
    assert step.report["dns_records"] == [
        {"name": proof["Name"].rstrip("."), "type": "CNAME", "value": proof["Value"].rstrip(".")},
        {"name": DOMAIN, "type": "CNAME", "value": domain},
    ]
    for record in step.report["dns_records"]:
        assert f"add {record['name']} CNAME {record['value']}" in step.run.stdout
    (following,) = [line for line in step.run.stdout.splitlines() if "add the DNS records named above" in line]
    assert "deploy.yml -i " in following and f"-e mcp_domain={DOMAIN}" in following
    assert "also takes TLS 1.0" in step.run.stdout
    assert step.distribution.get("Aliases", {}).get("Items", []) == []
    assert {check["status"] for check in step.report["health"]} == {"healthy"}


@pytest.mark.parametrize(
    ("name", "before"), [("still pending", "pending"), ("again", "issued"), ("with zone again", "with zone")]
)
def test_a_second_run_changes_nothing(story: Story, name: str, before: str) -> None:
    story[name].run.require()
    assert story[name].run.changed == 0
    changed = difference(story[before].account, story[name].account)
    assert [line for line in changed if not line.startswith("bucket mcp-production-state-")] == []
    assert set(story[name].certificates) == set(story[before].certificates)


def test_a_look_tells_what_the_proof_changes(story: Story) -> None:
    story["looked"].run.require()
    said = story["looked"].run.stdout
    assert story["looked"].run.changed > 0 and f" -> {DOMAIN}" in said
    # Without a zone there are no address records to make.
    assert "AWS::Route53::RecordSet" not in said
    assert story["looked"].distribution == story["still pending"].distribution


@pytest.mark.parametrize("name", ["issued", "with zone", "back"])
def test_the_distribution_holds_domain_certificate_and_floor(story: Story, name: str) -> None:
    step = story[name]
    step.run.require()
    assert step.distribution["Aliases"]["Items"] == [DOMAIN]
    viewer = step.distribution["ViewerCertificate"]
    assert viewer["ACMCertificateArn"] == story.ours(name)["CertificateArn"]
    assert (viewer["MinimumProtocolVersion"], viewer["SSLSupportMethod"]) == ("TLSv1.2_2021", "sni-only")
    assert (step.report["domain"], step.report["tls_floor"]) == (DOMAIN, "TLSv1.2")
    assert "dns_records" not in step.report and "TLS 1.0" not in step.run.stdout
    assert {check["status"] for check in step.report["health"]} == {"healthy"}


def test_the_zone_gets_address_records(story: Story) -> None:
    assert {(DOMAIN, "A"), (DOMAIN, "AAAA")} <= story["with zone"].records
    assert not {(DOMAIN, "A"), (DOMAIN, "AAAA")} & story["issued"].records


def test_without_the_domain_the_address_is_given_back(story: Story) -> None:
    step = story["without"]
    step.run.require()
    assert step.distribution.get("Aliases", {}).get("Items", []) == []
    assert not {(DOMAIN, "A"), (DOMAIN, "AAAA")} & step.records
    assert story.ours("without")["Status"] == "ISSUED"


def test_destroy_says_first_what_it_removes(story: Story) -> None:
    step = story["look at destroy"]
    step.run.require()
    arn = story.ours("back")["CertificateArn"]
    assert arn in step.certificates and arn in step.run.stdout


def test_destroy_removes_our_certificate_alone(story: Story) -> None:
    step = story["destroyed"]
    step.run.require()
    assert set(step.certificates) == {story.foreign}
    # Other certificates of the name may live on this record.
    assert [kind for _name, kind in step.records] == ["CNAME"]
    kept = {item["resource"]: item["bills"] for item in step.report["kept"]}
    assert any(story.zones["example.com"] in resource and DOMAIN in resource for resource in kept)


LATER = """
  Later:
    Type: String
    Default: nothing
    Description: A parameter that the release before did not have

Conditions:
"""


def test_a_rollback_keeps_the_address_and_whose_tokens_are_taken(tmp_path: Path, private_home: Path) -> None:
    """Over a new domain, a new audience and a parameter that one template has and the other has not."""
    environment = new_environment(tmp_path, private_home)
    try:
        environment.sandbox.start()
        route53, cloudformation = (environment.sandbox.client(name) for name in ("route53", "cloudformation"))
        made = route53.create_hosted_zone(Name="example.com", CallerReference="x")["HostedZone"]
        zone = made["Id"].rpartition("/")[2]

        def parameters(layer: str) -> dict[str, str]:
            (stack,) = cloudformation.describe_stacks(StackName=f"mcp-production-{layer}")["Stacks"]
            return {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}

        def works() -> bool:
            endpoint = environment.report()["endpoint"]
            return call_tool(endpoint, environment.token, "list_documents")["documents"] == []

        old, new = (("-e", f"mcp_audience=https://{name}.example.com/mcp") for name in ("old", "new"))
        moved = (*new, *WITH_DOMAIN, "-e", f"mcp_hosted_zone_id={zone}")
        environment.deploy(*old, "-e", "mcp_log_level=ERROR").require()
        edit(environment, "app.yaml", "\nConditions:\n", LATER)
        given = '    ReleaseAlarms: "{{ _mcp_options.mcp_alarms'
        edit(environment, "../vars/main.yml", given, f"    Later: given\n{given}")
        environment.deploy(*moved).require()
        assert (parameters("app")["Later"], parameters("edge")["Domain"]) == ("given", DOMAIN)

        versions = parameters("app")["LiveVersion"]
        emergency = environment.play("playbooks/rollback.yml", *moved, "-e", "mcp_emergency=true").require(2)
        said = " ".join(emergency.output.split())
        assert "was published with Audience https://old.example.com/mcp, and today it is https://new.example" in said
        assert parameters("app")["LiveVersion"] == versions and works()

        environment.play("playbooks/rollback.yml", *moved).require()
        assert "Later" not in parameters("app") and parameters("edge")["Domain"] == DOMAIN
        assert parameters("app")["LiveVersion"] != versions and works()
        # The other way round: the template of the release has a parameter that this inventory does not know.
        edit(environment, "../vars/main.yml", f"    Later: given\n{given}", given)
        environment.play("playbooks/rollback.yml", *moved).require()
        assert parameters("app")["Later"] == "nothing" and works()
    finally:
        environment.sandbox.stop()
