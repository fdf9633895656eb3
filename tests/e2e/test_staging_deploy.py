# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging from nothing to a server with documents in PostgreSQL, the same again, and back to nothing; in this order."""

from __future__ import annotations

import json
import ssl
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import new_environment
from tests.support.playbook import PlaybookRun
from tests.support.staging import Staging
from tests.unit.plugins.estimate_world import price

pytestmark = pytest.mark.e2e

LAYERS = ("foundation", "network", "data", "edge", "app", "watch")
STACKS = {f"mcp-staging-{layer}" for layer in LAYERS}
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
BUCKET = "mcp-staging-state-000000000000-us-east-1"


class Story(t.NamedTuple):
    """A look, the first deploy and the same again."""

    staging: Staging
    stacks_after_look: list[str]
    look: PlaybookRun
    first: PlaybookRun
    first_report: dict[str, t.Any]
    second: PlaybookRun


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Story]:
    """An account of this file alone, with staging deployed."""
    new = new_environment(tmp_path_factory.mktemp("staging"), private_home)
    staging = Staging(new.project, new.sandbox, new.home)
    try:
        staging.sandbox.start()
        look = staging.deploy("--check", "--diff")
        left = stacks(staging)
        first = staging.deploy().require()
        report = staging.report()
        yield Story(staging, left, look, first, report, staging.deploy())
    finally:
        staging.sandbox.stop()


@pytest.fixture(scope="module")
def staging(story: Story) -> Staging:
    """The environment, deployed."""
    return story.staging


def stacks(staging: Staging) -> list[str]:
    """Return the names of the stacks that there are."""
    found = staging.sandbox.client("cloudformation").describe_stacks()["Stacks"]
    return sorted(stack["StackName"] for stack in found)


def outputs(staging: Staging, layer: str) -> dict[str, str]:
    """Return what a stack hands on."""
    client = staging.sandbox.client("cloudformation")
    (stack,) = client.describe_stacks(StackName=f"mcp-staging-{layer}")["Stacks"]
    return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}


def rows(staging: Staging, query: t.LiteralString) -> list[tuple[t.Any, ...]]:
    """Ask the real database as the server's own user."""
    data = outputs(staging, "data")
    secret = staging.sandbox.client("secretsmanager").get_secret_value(SecretId=data["DatabaseSecretArn"])
    password = json.loads(secret["SecretString"])["password"]
    with psycopg.connect(
        host=data["DatabaseHost"],
        port=int(data["DatabasePort"]),
        dbname=data["DatabaseName"],
        user=data["DatabaseUser"],
        password=password,
        sslmode="require",
    ) as connection:
        return connection.execute(query).fetchall()


def test_a_look_before_the_first_deploy_leaves_nothing_behind(story: Story) -> None:
    assert story.look.rc == 0
    assert story.stacks_after_look == []
    assert "AWS::RDS::DBInstance" in story.look.stdout and "AWS::AutoScaling::AutoScalingGroup" in story.look.stdout


def test_first_deploy_ends_well_and_says_what_stands_in(story: Story) -> None:
    report = story.first_report
    assert "WARNING" not in story.first.output
    assert (report["phase"], report["environment"], report["sandbox"]) == ("staging", "staging", True)
    assert {stack["name"] for stack in report["stacks"]} == STACKS
    assert all(stack["changed"] for stack in report["stacks"])
    assert {check["check"]: check["status"] for check in report["health"]} == {
        "mcp": "healthy",
        "health": "healthy",
        "redirect from http": "healthy",
    }
    assert report["release"]["packages"][0]["target"].startswith("ec2-sandbox-")
    said = " ".join(report["not_available"])
    for stand_in in ("EC2 instances", "user data was not run", "RDS for PostgreSQL", "Auto Scaling", "IAM"):
        assert stand_in in said
    for line in report["not_available"]:
        assert line in story.first.stdout
    assert "NO PUBLIC AUTHORITY KNOWS THIS CERTIFICATE" in story.first.stdout
    assert report["ca_file"] in story.first.stdout


def test_second_deploy_changes_nothing(story: Story) -> None:
    assert story.second.require().changed == 0
    report = story.staging.report()
    assert report["changed"] is False
    for key in ("endpoint", "health_url", "release", "ca_file"):
        assert report[key] == story.first_report[key]
    assert "change set" not in story.second.stdout and "uploading release" not in story.second.stdout


def test_a_document_lands_in_the_real_database(staging: Staging) -> None:
    staging.call("save_document", document_id="kept", title="In PostgreSQL", text="kept by the deploy test")
    assert staging.call("get_document", document_id="kept")["title"] == "In PostgreSQL"
    assert ("In PostgreSQL",) in rows(staging, "select title from documents")


def test_a_client_without_the_authority_refuses_the_certificate(staging: Staging) -> None:
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(staging.report()["health_url"], timeout=30)
    assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)


def test_plain_http_is_redirected(staging: Staging) -> None:
    answers = [item for item in staging.report()["health"] if item["check"] == "redirect from http"]
    assert "HTTP 301" in answers[0]["evidence"]


def test_no_key_of_the_certificate_is_on_disk_or_in_a_log(story: Story) -> None:
    project = story.staging.project
    written = [path for path in (project / "reports").rglob("*") if path.is_file()]
    assert written
    assert [path for path in written if b"PRIVATE KEY" in path.read_bytes()] == []
    assert "PRIVATE KEY" not in story.first.output + story.second.output


def test_no_secret_is_in_the_template_or_the_user_data(staging: Staging) -> None:
    data = outputs(staging, "data")
    manager = staging.sandbox.client("secretsmanager")
    names = ("DatabaseSecretArn", "DatabaseMasterSecretArn", "RequestStateSecretArn")
    values = [manager.get_secret_value(SecretId=data[name])["SecretString"] for name in names]
    secrets = [json.loads(value)["password"] if value.startswith("{") else value for value in values]
    client = staging.sandbox.client("cloudformation")
    shown = json.dumps(
        [client.get_template(StackName=name)["TemplateBody"] for name in sorted(STACKS)]
        + [client.describe_stacks(StackName=name)["Stacks"] for name in sorted(STACKS)],
        default=str,
    )
    assert [secret for secret in secrets if len(secret) < 16 or secret in shown] == []
    assert "MCP_DATABASE_SECRET=" in shown


def test_the_lock_is_released_and_the_run_is_audited(story: Story) -> None:
    s3 = story.staging.sandbox.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert "lock.json" not in keys
    run = [key for key in keys if key.startswith("audit/") and story.first_report["run_id"] in key]
    lines = [
        json.loads(line)
        for key in run
        for line in s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().splitlines()
    ]
    assert {line["target"] for line in lines if line["what"] == "stack applied"} == STACKS
    assert [line["what"] for line in lines if line["what"].startswith("certificate")] == [
        "certificate made and imported"
    ]


def test_a_new_image_of_aws_changes_nothing_by_itself(staging: Staging) -> None:
    """On the day of a new image the plan is empty, says so, and takes it where that is asked for."""
    published = staging.sandbox.directory / "public-images.json"
    published.write_text(json.dumps({IMAGE: "ami-0fedcba9876543210"}), encoding="utf-8")
    try:
        run = staging.deploy("--check", "--diff").require()
        assert run.changed == 0
        assert "a newer one is ami-0fedcba9876543210" in run.stdout
        taken = staging.deploy("--check", "--diff", "-e", "mcp_new_image=true").require()
        assert taken.changed > 0 and "ami-0fedcba9876543210" in taken.stdout
        assert "AWS::EC2::LaunchTemplate" in taken.stdout
    finally:
        published.unlink()


def test_a_larger_database_is_planned_with_what_happens_to_the_data(staging: Staging) -> None:
    run = staging.deploy("--check", "--diff", "-e", "mcp_database_instance_class=db.t3.small").require()
    assert "AWS::RDS::DBInstance  Database (keeps its data; restarts, some minutes without it)" in run.stdout
    assert "DBInstanceClass: db.t3.micro -> db.t3.small" in run.stdout
    assert "AWS::EC2::LaunchTemplate" not in run.stdout
    more = 730 * (price("rds.postgres.db.t3.small") - price("rds.postgres.db.t3.micro"))
    assert f"change:    +{more:.2f} USD a month" in run.stdout


@pytest.mark.proof
@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("50", "mcp_database_max_storage_gb is 50: allowed is at least 10 % more than mcp_database_storage_gb, 50."),
        ("21", "mcp_database_storage_gb is 21 and the database has 20 GB: allowed is the same, or at least 10 % more"),
    ],
)
def test_storage_that_rds_would_refuse_is_refused_before(staging: Staging, size: str, said: str) -> None:
    run = staging.deploy("-e", f"mcp_database_storage_gb={size}").require(2)
    assert said in " ".join(run.output.split()) and "Nothing was changed." in run.output


@pytest.mark.proof
def test_a_replacement_of_the_database_is_refused(staging: Staging) -> None:
    edited = staging.copied_to(staging.project.parent / "edited")
    template = edited.project / "roles" / "staging" / "files" / "data.yaml"
    template.write_text(template.read_text(encoding="utf-8").replace("DBName: mcp", "DBName: other"), encoding="utf-8")
    run = edited.deploy("--check").require(2)
    said = " ".join(run.output.split())
    assert "Database (AWS::RDS::DBInstance) holds data" in said and "Nothing was changed." in said


def test_limits_reach_the_running_server_without_a_release(staging: Staging) -> None:
    # What else was edited since waits for a deploy.
    switched = {
        "mcp_database_instance_class": "db.t3.small",
        "mcp_limits": {"tools": {"delete_document": {"enabled": False}}},
    }
    assert staging.play("playbooks/limits.yml", "-e", json.dumps(switched)).require().changed == 1
    parameter = staging.sandbox.client("ssm").get_parameter(Name="/mcp/staging/limits")["Parameter"]["Value"]
    assert json.loads(parameter) == switched["mcp_limits"]
    (database,) = staging.sandbox.client("rds").describe_db_instances()["DBInstances"]
    assert database["DBInstanceClass"] == "db.t3.micro"
    assert staging.deploy().require().changed == 0
    assert staging.play("playbooks/limits.yml", "-e", '{"mcp_limits": {}}').require().changed == 1


@pytest.mark.proof
def test_token_and_drift_look_only(staging: Staging) -> None:
    before = staging.token
    assert staging.play("playbooks/token.yml").require().changed == 0
    assert staging.token != before
    assert staging.play("playbooks/drift.yml").require().changed == 0
    assert [stack["name"] for stack in staging.report("drift")["drift"]["stacks"]] == sorted(
        STACKS, key=lambda name: LAYERS.index(name.rpartition("-")[2])
    )


@pytest.mark.proof
def test_a_saved_plan_is_executed_once(staging: Staging) -> None:
    staging.play("playbooks/plan.yml", "-e", "mcp_log_level=WARNING").require()
    plan = staging.report("plan")["plan"]
    rows_of_app = plan["layers"]["app"]["rows"]
    assert any("AWS::EC2::LaunchTemplate" in row for row in rows_of_app)
    staging.deploy("-e", "mcp_log_level=WARNING", "-e", f"mcp_plan={plan['id']}").require()
    again = staging.deploy("-e", "mcp_log_level=WARNING", "-e", f"mcp_plan={plan['id']}").require(2)
    assert "was executed already" in " ".join(again.output.split())


@pytest.mark.proof
def test_the_request_state_key_rotates(staging: Staging) -> None:
    secret = outputs(staging, "data")["RequestStateSecretArn"]
    manager = staging.sandbox.client("secretsmanager")
    before = manager.get_secret_value(SecretId=secret)
    staging.play("playbooks/rotate_secrets.yml").require()
    after = manager.get_secret_value(SecretId=secret)
    previous = manager.get_secret_value(SecretId=secret, VersionStage="AWSPREVIOUS")
    assert after["SecretString"] != before["SecretString"] == previous["SecretString"]
    staging.deploy("-e", "mcp_log_level=WARNING").require()


def test_there_is_no_other_secret_to_rotate(staging: Staging) -> None:
    run = staging.play("playbooks/rotate_secrets.yml", "-e", "mcp_secret=origin").require(2)
    said = " ".join(run.output.split())
    assert "mcp_secret is origin: allowed is all or request_state" in said and "Nothing was changed." in said


@pytest.mark.proof
def test_a_destroy_of_the_app_keeps_address_and_data(story: Story) -> None:
    staging, endpoint = story.staging, story.first_report["endpoint"]
    staging.call("save_document", document_id="outlives", title="Outlives the app", text="kept")
    refused = staging.destroy().require(2)
    assert "mcp_confirm is ''" in " ".join(refused.output.split()) and len(stacks(staging)) == len(LAYERS)
    run = staging.destroy("-e", "mcp_confirm=staging").require()
    assert stacks(staging) == sorted(STACKS - {"mcp-staging-app", "mcp-staging-watch"})
    assert "kept:" in run.stdout and "0.0225 USD an hour" in run.stdout
    staging.deploy().require()
    assert staging.report()["endpoint"] == endpoint
    assert ("Outlives the app",) in rows(staging, "select title from documents")
    assert staging.deploy().require().changed == 0


def test_a_destroy_with_data_takes_a_final_snapshot(staging: Staging) -> None:
    """And all the rest, so nothing is left that is billed but the snapshot."""
    run = staging.destroy("-e", "mcp_confirm=staging", "-e", "mcp_destroy_data=true").require()
    assert stacks(staging) == ["mcp-staging-foundation"]
    rds = staging.sandbox.client("rds")
    assert rds.describe_db_instances()["DBInstances"] == []
    (snapshot,) = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == "mcp-staging" and snapshot["Status"] == "available"
    backups = {item["resource"]: item["target"] for item in staging.report("destroy")["backups"]}
    assert backups["database mcp-staging"].endswith(snapshot["DBSnapshotIdentifier"])
    assert "backup:    database mcp-staging" in run.stdout
    last = staging.destroy(
        "-e", "mcp_confirm=staging", "-e", "mcp_destroy_data=true", "-e", "mcp_destroy_foundation=true"
    ).require()
    assert stacks(staging) == [] and last.rc == 0
    assert staging.sandbox.client("s3").list_buckets()["Buckets"] == []
    assert staging.sandbox.client("acm").list_certificates()["CertificateSummaryList"] == []
