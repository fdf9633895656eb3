# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Production takes a release that was verified before it, or a reason; the sandbox never proves anything for AWS."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.filter.audit_lines import audit_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import gate, records
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report import gate_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import to_json

from tests.support.memory_s3 import MemoryS3, refusal

ACCOUNT, REGION, RELEASE = "123456789012", "eu-west-1", "3f2a9c0d1e4b"
STAGING = f"mcp-staging-state-{ACCOUNT}-{REGION}"
PRODUCTION = f"mcp-production-state-{ACCOUNT}-{REGION}"
HEALTHY = [{"check": "mcp", "status": "healthy"}, {"check": "health", "status": "warning"}]


class Account:
    """The buckets of one account, as a boto3 client."""

    def __init__(self) -> None:
        self.meta = types.SimpleNamespace(region_name=REGION)
        self.buckets: dict[str, MemoryS3] = {PRODUCTION: MemoryS3()}

    def __getattr__(self, method: str) -> t.Callable[..., t.Any]:
        def call(Bucket: str, ExpectedBucketOwner: str, **arguments: t.Any) -> t.Any:
            assert ExpectedBucketOwner == ACCOUNT
            if Bucket not in self.buckets:
                raise refusal("NoSuchBucket", 404, method)
            return getattr(self.buckets[Bucket], method)(**arguments)

        return call

    def add(self, bucket: str, kind: str, number: int, body: dict[str, t.Any]) -> str:
        """Add a record that was written in a minute of an hour; return its id."""
        record_id = f"20261122-1500{number % 60:02d}-{number // 60:03d}abc"
        record = {
            "format": 1,
            "id": record_id,
            "kind": kind,
            "time": f"2026-11-22T15:00:{number % 60:02d}.{number // 60:03d}Z",
            "who": "ann@desk",
            "environment": bucket.split("-")[1],
            "run_id": f"run{number}",
            "body": body,
        }
        self.buckets.setdefault(bucket, MemoryS3()).objects[records.key_of(kind, record_id)] = to_json(record)
        return record_id

    def evidence(self, number: int = 1, bucket: str = STAGING, **body: t.Any) -> str:
        """Add evidence as a verification of staging leaves it."""
        whole = {
            "release": RELEASE,
            "phase": "staging",
            "account": ACCOUNT,
            "region": REGION,
            "sandbox": False,
            "diverted": False,
            "overrides": [],
            "results": HEALTHY,
            **body,
        }
        return self.add(bucket, "evidence", number, whole)

    def release(self, number: int, release: str, bucket: str = STAGING, **body: t.Any) -> str:
        """Add the record of a release."""
        versions = {"server": "7", "authorizer": "3"}
        return self.add(
            bucket, "release", number, {"outcome": "live", "release": {"id": release}, "versions": versions, **body}
        )


@pytest.fixture
def account() -> Account:
    """An account with production's state bucket alone."""
    return Account()


def ask(account: Account, warnings: list[str] | None = None, **options: t.Any) -> dict[str, t.Any]:
    """Run the module's logic on validated options; return why the release may go on."""
    given = {
        "release": RELEASE,
        "environment": "production",
        "account": ACCOUNT,
        "sandbox": False,
        "environments": ["staging"],
        "phases": ["staging"],
        **options,
    }
    checked = ArgumentSpecValidator(gate.ARGUMENT_SPEC).validate(given)
    assert not checked.error_messages
    warn = (warnings if warnings is not None else []).append
    outcome = gate.run(
        Context(params=checked.validated_parameters, make_client=lambda *_names: account, warn=warn),
    )
    assert outcome["changed"] is False
    return dict(outcome["gate"])


def refused(account: Account, **options: t.Any) -> str:
    """Return what is said to a release that may not go on; both ways out are in it."""
    with pytest.raises(McpError) as caught:
        ask(account, **options)
    said = caught.value.message
    assert said.startswith(f"Release {RELEASE} has not been verified in ")
    assert "Nothing was changed." in said and "deploy.yml -i inventories/" in said
    assert "-i <inventory> -e 'mcp_skip_staging_reason=\"...\"'" in said
    return said


def test_without_a_staging_the_first_release_is_told_both_ways_out(account: Account) -> None:
    said = refused(account)
    assert said == (
        f"Release {RELEASE} has not been verified in staging, which production asks for (mcp_require_staging): looked "
        f"for evidence of phase staging in s3://{STAGING}/records/evidence/ (there is no such bucket). Nothing was "
        "changed. Verify it there first: ansible-playbook deploy.yml -i inventories/staging  Or go on without, with a "
        "reason that the audit trail and the record of the release keep: ansible-playbook deploy.yml -i <inventory> "
        "-e 'mcp_skip_staging_reason=\"...\"'"
    )


def test_the_command_to_type_again_is_that_of_the_playbook(account: Account) -> None:
    assert "ansible-playbook playbooks/plan.yml -i <inventory>" in refused(account, command="plan")


def test_what_staging_verified_passes_and_says_by_whom(account: Account) -> None:
    wanted = account.evidence()
    assert ask(account) == {
        "release": RELEASE,
        "by": "evidence",
        "reason": None,
        "evidence": {
            "id": wanted,
            "environment": "staging",
            "time": "2026-11-22T15:00:01.000Z",
            "who": "ann@desk",
            "run_id": "run1",
        },
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"sandbox": True}, "it is of the sandbox"),
        ({"sandbox": "false"}, "it is of the sandbox"),
        ({"account": "000000000000"}, "it is of account 000000000000"),
        ({"region": "us-east-1"}, "it is of region us-east-1"),
        ({"phase": "production"}, "it is of phase production, and mcp_gate_phases has staging"),
        ({"phase": "local"}, "it is of phase local"),
        ({"diverted": True}, "callers got the maintenance answer then"),
        ({"overrides": [{"field": "server_version"}]}, "another release answered then, by an override"),
        ({"results": [{"check": "mcp", "status": "critical"}]}, "not healthy then: mcp"),
        ({"results": [{"check": "mcp", "status": "unknown"}]}, "not healthy then: mcp"),
        ({"results": []}, "nothing was asked then"),
    ],
)
def test_what_does_not_count_is_said(account: Account, body: dict[str, t.Any], why: str) -> None:
    written = account.evidence(**body)
    assert f"({written} does not count: {why}" in refused(account)


def test_evidence_of_a_real_account_does_not_count_in_the_sandbox_either(account: Account) -> None:
    account.evidence()
    assert "it is of a real account" in refused(account, sandbox=True)
    account.evidence(2, sandbox=True)
    assert ask(account, sandbox=True)["by"] == "evidence"


def test_a_throttle_beside_the_stack_changes_nothing_of_what_was_shown(account: Account) -> None:
    account.evidence(overrides=[{"field": "throttle_rate"}])
    assert ask(account)["by"] == "evidence"


def test_the_newest_that_counts_is_taken(account: Account) -> None:
    wanted = account.evidence(1)
    account.evidence(2, diverted=True)
    account.evidence(3, release="another00000")
    assert ask(account)["evidence"]["id"] == wanted


def test_evidence_of_another_release_is_none(account: Account) -> None:
    account.evidence(release="another00000")
    assert "(none of its 1 records is of this release)" in refused(account)


def test_old_evidence_is_found_behind_that_of_other_releases(account: Account) -> None:
    wanted = account.evidence(1)
    for number in range(2, 400):
        account.evidence(number, release="another00000")
    assert ask(account)["evidence"]["id"] == wanted


def test_the_look_ends_somewhere(account: Account) -> None:
    account.evidence(1)
    for number in range(2, 700):
        account.evidence(number, release="another00000")
    assert "none of its newest 500 records" in refused(account)


def test_what_staging_went_back_from_does_not_count_until_it_is_verified_again(account: Account) -> None:
    account.release(1, "older0000000")
    left = account.release(2, RELEASE)
    account.evidence(3)
    account.release(4, "older0000000", rolled_back_from=left)
    assert "verified at 2026-11-22T15:00:03.000Z, but ann@desk went back from it at" in refused(account)
    account.evidence(5)
    assert ask(account)["by"] == "evidence"


def test_a_rollback_that_was_refused_went_nowhere(account: Account) -> None:
    left = account.release(2, RELEASE)
    account.evidence(3)
    account.release(4, "older0000000", rolled_back_from=left, outcome="refused")
    assert ask(account)["by"] == "evidence"


def test_a_rehearsal_on_a_second_production_counts_where_it_is_named(account: Account) -> None:
    bucket = f"mcp-rehearsal-state-{ACCOUNT}-{REGION}"
    account.evidence(bucket=bucket, phase="production")
    said = refused(account)
    assert "rehearsal" not in said
    options = {"environments": ["staging", "rehearsal"], "phases": ["staging", "production"]}
    assert ask(account, **options)["evidence"]["environment"] == "rehearsal"


def test_every_place_that_was_looked_at_is_named(account: Account) -> None:
    said = refused(account, environments=["staging", "rehearsal"])
    assert "verified in staging or rehearsal" in said
    assert f"s3://{STAGING}/" in said and f"s3://mcp-rehearsal-state-{ACCOUNT}-{REGION}/" in said


def test_a_bucket_that_may_not_be_read_is_no_evidence_and_says_so(account: Account) -> None:
    account.evidence()
    account.buckets[STAGING].fails["list_objects_v2"] = refusal("AccessDenied", 403, "ListObjectsV2")
    said = refused(account)
    assert "it cannot be read: Could not list" in said and "s3:ListBucket" in said


def test_a_broken_record_hides_no_evidence(account: Account) -> None:
    account.evidence(1)
    account.evidence(2)
    newest = min(account.buckets[STAGING].objects)
    account.buckets[STAGING].objects[newest] = b"{"
    assert ask(account)["by"] == "evidence"


APP = {"outputs": {"ServerVersion": "8"}, "parameters": {"LiveVersion": "7", "LiveAuthorizerVersion": "3"}}


def test_settings_around_the_release_in_service_need_no_evidence(account: Account) -> None:
    account.release(1, RELEASE, bucket=PRODUCTION)
    assert ask(account, app=APP)["by"] == "release"


def test_a_release_that_was_published_and_never_took_traffic_needs_it(account: Account) -> None:
    account.release(1, "older0000000", bucket=PRODUCTION)
    account.release(2, RELEASE, bucket=PRODUCTION, outcome="refused", versions={"server": "8", "authorizer": "3"})
    assert "there is no such bucket" in refused(account, app=APP)


def test_a_reason_goes_on_without_looking_and_is_handed_on(account: Account) -> None:
    account.evidence(diverted=True)
    account.buckets[STAGING].fails["list_objects_v2"] = refusal("AccessDenied", 403, "ListObjectsV2")
    warnings: list[str] = []
    found = ask(account, warnings, skip_reason="no staging yet")
    assert found == {"release": RELEASE, "by": "reason", "evidence": None, "reason": "no staging yet"}
    assert warnings == ["NOT VERIFIED before production, on purpose: no staging yet"]
    (line, _end) = audit_lines({"gate": found, "environment": "production"})
    assert line == {"what": "staging skipped", "target": RELEASE, "before": None, "after": "no staging yet"}
    assert gate_lines(found) == ["NOT VERIFIED BEFORE, on purpose: no staging yet"]


def test_a_reason_is_not_written_where_none_was_needed(account: Account) -> None:
    account.release(1, RELEASE, bucket=PRODUCTION)
    found = ask(account, app=APP, skip_reason="no staging yet")
    assert found["by"] == "release" and gate_lines(found) == []
    assert [line["what"] for line in audit_lines({"gate": found})] == ["finished"]


def values(**more: t.Any) -> dict[str, t.Any]:
    """Return validated options of production on AWS."""
    return {
        "mcp_phase": "production",
        "mcp_environment": "production",
        "mcp_require_staging": True,
        "mcp_gate_environments": ["staging"],
        "mcp_gate_phases": ["staging"],
        **more,
    }


@pytest.mark.parametrize(
    ("more", "variable", "said"),
    [
        ({"mcp_skip_staging_reason": " "}, "mcp_skip_staging_reason", "mcp_skip_staging_reason is ' '"),
        ({"mcp_skip_staging_reason": "a\nb"}, "mcp_skip_staging_reason", "allowed is one line"),
        ({"mcp_skip_staging_reason": "x" * 501}, "mcp_skip_staging_reason", "1 to 500 characters"),
        ({"mcp_gate_phases": []}, "mcp_gate_phases", "-e mcp_require_staging=false"),
        ({"mcp_gate_environments": []}, "mcp_gate_environments", "-e mcp_require_staging=false"),
        ({"mcp_gate_environments": ["Staging"]}, "mcp_gate_environments", "has 'Staging': allowed are names"),
        ({"mcp_gate_environments": ["production"]}, "mcp_gate_environments", "which is this environment itself"),
    ],
)
def test_options_that_could_never_work_are_refused(more: dict[str, t.Any], variable: str, said: str) -> None:
    with pytest.raises(McpError) as caught:
        gate.check_values(values(**more))
    assert said in caught.value.message and "Nothing was changed." in caught.value.message
    assert caught.value.details["variable"] == variable


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"mcp_skip_staging_reason": "fix of today's outage"},
        {"mcp_require_staging": False, "mcp_gate_environments": ["production"]},
        {"mcp_phase": "staging", "mcp_environment": "staging"},
    ],
)
def test_options_that_work(more: dict[str, t.Any]) -> None:
    gate.check_values(values(**more))
