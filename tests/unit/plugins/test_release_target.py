# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release that a rollback goes back to, and what stops it."""

from __future__ import annotations

import typing as t

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import release_target
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from botocore.stub import Stubber

from tests.unit.plugins.test_releases import app, pair, release

FUNCTIONS = {"server": "s", "authorizer": "a"}
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def run(stub: Stubber | None, records: list[dict[str, t.Any]], **options: t.Any) -> dict[str, t.Any]:
    """Run the module's logic on validated options."""
    given = {"records": records, "app": app(4), "bucket": "b", "functions": FUNCTIONS, **options}
    checked = ArgumentSpecValidator(release_target.ARGUMENT_SPEC).validate(given)
    assert not checked.error_messages
    client = stub.client if stub else None
    if stub:
        stub.activate()
    outcome = release_target.run(Context(params=checked.validated_parameters, make_client=lambda *_args: client))
    if stub:
        stub.assert_no_pending_responses()
    return outcome


def bucket(*missing: str) -> Stubber:
    """Return an S3 where the package and the template are, but for those that are missing."""
    stub = Stubber(boto3.client("s3", **KEYS))
    for key in ("package.zip", "templates/source.yaml"):
        if key in missing:
            stub.add_client_error("head_object", "404", "Not Found", 404)
            break
        stub.add_response("head_object", {"ContentLength": 7}, {"Bucket": "b", "Key": key})
    return stub


RECORDS = [*pair(3, 4, previous="r2"), *pair(1, 2)]


def test_by_default_it_is_the_one_that_was_live_before() -> None:
    outcome = run(bucket(), RECORDS)
    assert (outcome["target"]["id"], outcome["present"]["id"], outcome["changed"]) == ("r2", "r4", False)


def test_the_rollback_of_a_rollback_goes_back_to_what_it_left() -> None:
    records = [*pair(5, 2, previous="r4", rolled_back_from="r4"), *RECORDS]
    assert run(bucket(), records, app=app(2))["target"]["id"] == "r4"


@pytest.mark.parametrize(("dead", "target"), [("dead", "r6"), ("another", "r4"), (None, "r4")])
def test_a_rollback_that_was_killed_after_it_moved_is_completed(dead: str | None, target: str) -> None:
    rollback = [{**record, "run_id": "dead"} for record in pair(5, 2, previous="r4", rolled_back_from="r4")]
    outcome = run(bucket(), [*rollback, *RECORDS], app=app(2), interrupted_run_id=dead)
    assert outcome["target"]["id"] == target


def test_a_release_that_was_killed_after_it_moved_is_gone_back_from() -> None:
    records = [{**record, "run_id": "dead"} for record in RECORDS]
    assert run(bucket(), records, interrupted_run_id="dead")["target"]["id"] == "r2"


def test_a_release_can_be_named() -> None:
    for name in ("r1", "r2", "release2"):
        assert run(bucket(), RECORDS, release=name)["target"]["id"] == "r2"


def test_versions_have_to_be_there_for_the_aliases_and_nothing_else() -> None:
    stub = Stubber(boto3.client("lambda", **KEYS))
    for name, version in (("s", "2"), ("a", "1")):
        stub.add_response("get_function_configuration", {}, {"FunctionName": name, "Qualifier": version})
    assert run(stub, RECORDS, versions_only=True)["target"]["id"] == "r2"


def refusal(stub: Stubber | None, records: list[dict[str, t.Any]], **options: t.Any) -> str:
    """Return what is said where it is refused; nothing was changed each time."""
    with pytest.raises(McpError) as caught:
        run(stub, records, **options)
    assert "Nothing was changed" in caught.value.message
    return caught.value.message


def test_an_unknown_release_names_those_that_are_known() -> None:
    said = refusal(None, RECORDS, release="other")
    assert "mcp_release is 'other'" in said and "playbooks/releases.yml" in said
    assert "r4 (release release4, " in said and "r2 (release release2, " in said


def test_the_first_release_has_none_before_it() -> None:
    said = refusal(None, pair(1, 4))
    assert "no release to go back to: release release4 (r2) is live, and it is the first one" in said


def test_without_a_record_of_what_is_live_a_release_has_to_be_named() -> None:
    said = refusal(None, pair(1, 2))
    assert "-e mcp_release=" in said and "r2 (release release2" in said
    assert "allowed: none" in refusal(None, [])


def test_what_is_live_already_and_what_was_refused_cannot_be_gone_back_to() -> None:
    assert "Release release4 (r4) is the one that the stack holds already" in refusal(None, RECORDS, release="r4")
    records = [release(5, 6, "refused", reason="new version is critical."), *RECORDS]
    said = refusal(None, records, release="r5")
    assert "was refused and never took traffic: new version is critical." in said


def test_a_record_of_a_newer_collection_is_not_guessed_at() -> None:
    records = [*pair(3, 4, previous="r2"), *pair(1, 2, format=2)]
    said = refusal(None, records)
    assert "recorded in format 2" in said and "--upgrade" in said


def test_a_record_without_what_it_takes_is_refused() -> None:
    assert "its record lacks template_key" in refusal(None, [*RECORDS[:2], *pair(1, 2, template_key="")])


@pytest.mark.parametrize(("key", "what"), [("package.zip", "package"), ("templates/source.yaml", "template")])
def test_what_is_gone_from_the_bucket_is_named(key: str, what: str) -> None:
    said = refusal(bucket(key), RECORDS)
    assert f"The {what} of release release2 (r2) is gone: s3://b/{key}" in said
    assert "mcp_emergency=true" in said


def test_a_version_that_is_gone_is_named() -> None:
    stub = Stubber(boto3.client("lambda", **KEYS))
    stub.add_client_error("get_function_configuration", "ResourceNotFoundException", "gone")
    said = refusal(stub, RECORDS, versions_only=True)
    assert "Version 2 of function s is gone" in said and "-e mcp_release=r2" in said


def test_what_the_stack_holds_while_an_alias_is_elsewhere_names_the_undo() -> None:
    moved = {"server_version": "2", "authorizer_version": "1"}
    assert "playbooks/undo.yml" in refusal(None, RECORDS, release="r4", traffic=moved)
    as_it_is = {"server_version": "4", "authorizer_version": "2"}
    assert "playbooks/undo.yml" not in refusal(None, RECORDS, release="r4", traffic=as_it_is)


def test_an_emergency_that_would_move_no_alias_says_what_it_leaves() -> None:
    records = [*pair(3, 4, previous="r2"), *pair(1, 4)]
    said = refusal(None, records, versions_only=True)
    assert "gateway" in said and "without mcp_emergency: -e mcp_release=r2" in said


def test_an_emergency_moves_aliases_back_to_the_versions_of_the_stack() -> None:
    """A release of the gateway alone has the same versions; after another emergency they are elsewhere."""
    stub = Stubber(boto3.client("lambda", **KEYS))
    for name, version in (("s", "4"), ("a", "2")):
        stub.add_response("get_function_configuration", {}, {"FunctionName": name, "Qualifier": version})
    records = [*pair(3, 4, previous="r2"), *pair(1, 4)]
    moved = {"server_version": "9", "authorizer_version": "1"}
    assert run(stub, records, versions_only=True, traffic=moved)["target"]["id"] == "r2"


@pytest.mark.parametrize("name", ["PublicUrl", "Issuer", "Audience"])
def test_an_emergency_does_not_go_to_versions_that_refuse_every_token(name: str) -> None:
    before, after = ({"CodeKey": "package.zip", name: f"https://{host}.test"} for host in ("old", "new"))
    records = [*pair(3, 4, previous="r2", literals=after), *pair(1, 2, literals=before)]
    said = refusal(None, records, versions_only=True)
    assert f"{name} https://old.test" in said and "https://new.test" in said
    assert "without mcp_emergency: -e mcp_release=r2" in said
    # Rendered again it gets today's.
    assert run(bucket(), records)["target"]["id"] == "r2"
