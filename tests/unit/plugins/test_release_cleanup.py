# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release may delete of the ones before it, and what never."""

from __future__ import annotations

import typing as t

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import release_cleanup as cleanup
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from botocore.stub import Stubber

from tests.unit.plugins.test_releases import app, pair, release

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def numbered(count: int) -> list[dict[str, t.Any]]:
    """Return the records of so many releases, each with the next version and the one before it named."""
    records: list[dict[str, t.Any]] = []
    for number in range(1, count + 1):
        live = release(number, number, previous=f"r{number - 1}" if number > 1 else None)
        records.insert(0, live)
    return records


@pytest.mark.parametrize(
    ("wanted", "aliased", "superseded", "gone"),
    [
        ({5, 6, 7, 8, 9}, {9}, False, [1, 2, 3, 4]),
        ({5, 9}, {9}, False, [1, 2, 3, 4]),
        ({8, 9}, {9}, True, [1, 2, 3, 4, 5, 6, 7]),
        ({5, 9}, {9}, True, [1, 2, 3, 4, 6, 7, 8]),
        ({8, 9}, {3, 9}, True, [1, 2, 4, 5, 6, 7]),
        ({1}, {9}, False, []),
        (set(), {9}, True, []),
    ],
)
def test_versions_to_delete(wanted: set[int], aliased: set[int], superseded: bool, gone: list[int]) -> None:
    published = set(range(1, 10))
    assert cleanup.surplus_versions(published, wanted, aliased, superseded) == gone


def test_a_version_that_was_published_after_all_releases_stays() -> None:
    assert cleanup.surplus_versions({1, 2, 3}, {2}, set(), True) == [1]


def test_the_last_five_stay_and_also_the_present_one_and_the_one_before() -> None:
    kept = {record["id"] for record in cleanup.kept_releases(numbered(9), app(9), 5)}
    assert kept == {"r9", "r8", "r7", "r6", "r5"}
    older = {record["id"] for record in cleanup.kept_releases(numbered(9), app(3), 2)}
    assert older == {"r9", "r8", "r3", "r2"}


def test_with_snapstart_only_the_present_one_and_the_one_before_stay() -> None:
    kept = cleanup.kept_releases(numbered(9), app(9), 0)
    stack = app(9, outputs={"ServerVersion": "9", "LiveVersion": "9"})
    assert cleanup.wanted_versions(kept, stack, "server") == {8, 9}


def test_what_the_stack_has_published_stays_before_its_release() -> None:
    stack = app(9, outputs={"ServerVersion": "10", "LiveVersion": "9"})
    assert cleanup.wanted_versions([], stack, "server") == {9, 10}


def test_deployments_that_serve_or_belong_to_the_stack_stay() -> None:
    stack = app(parameters={"StageDeploymentId": "pinned"})
    assert cleanup.surplus_deployments(["real", "closed", "pinned", "served", "old"], {"served"}, stack) == ["old"]


class World:
    """Stubbed AWS with six versions of the server, two aliases and three deployments."""

    def __init__(self, refuse: bool = False) -> None:
        self.functions = Stubber(boto3.client("lambda", **KEYS))
        self.gateway = Stubber(boto3.client("apigateway", **KEYS))
        self.warnings: list[str] = []
        made = [{"id": name} for name in ("old", "real", "closed")]
        self.gateway.add_response("get_deployments", {"items": made}, {"restApiId": "api"})
        self.gateway.add_response("get_stages", {"item": [{"stageName": "live", "deploymentId": "real"}]})
        self.refuse = refuse

    def deletions(self) -> World:
        """Expect what has to be deleted."""
        if self.refuse:
            self.gateway.add_client_error("delete_deployment", "AccessDeniedException", "no")
        else:
            self.gateway.add_response("delete_deployment", {}, {"restApiId": "api", "deploymentId": "old"})
        return self

    def listings(self, name: str, versions: list[str], aliases: list[dict[str, t.Any]], gone: list[str]) -> World:
        """Expect the look at one function, and the deletions."""
        published = [{"Version": "$LATEST"}, *({"Version": version} for version in versions)]
        self.functions.add_response("list_versions_by_function", {"Versions": published}, {"FunctionName": name})
        self.functions.add_response("list_aliases", {"Aliases": aliases}, {"FunctionName": name})
        for version in gone:
            self.functions.add_response("delete_function", {}, {"FunctionName": name, "Qualifier": version})
        return self

    def run(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module's logic."""
        stack = app(6, outputs={"ServerVersion": "6", "AuthorizerVersion": "3"})
        records = [*pair(3, 6, previous="r2"), *pair(1, 5)]
        given = {"api_id": "api", "functions": {"server": "s", "authorizer": "a"}, "app": stack, "records": records}
        checked = ArgumentSpecValidator(cleanup.ARGUMENT_SPEC).validate({**given, **options})
        assert not checked.error_messages
        clients = {"lambda": self.functions, "apigateway": self.gateway}
        for stub in clients.values():
            stub.activate()
        ctx = Context(
            params=checked.validated_parameters,
            make_client=lambda service, _region: clients[service].client,
            check_mode=check_mode,
            warn=self.warnings.append,
        )
        outcome = cleanup.run(ctx)
        for stub in clients.values():
            stub.assert_no_pending_responses()
        return outcome


WEIGHTED: list[dict[str, t.Any]] = [
    {"FunctionVersion": "6", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
    {"FunctionVersion": "3"},
]


def test_it_deletes_what_nothing_refers_to() -> None:
    world = World().deletions().listings("s", list("123456"), WEIGHTED, ["1", "4"])
    outcome = world.listings("a", list("123"), [{"FunctionVersion": "3"}], ["1"]).run()
    assert outcome == {"changed": True, "deployments": ["old"], "versions": {"server": ["1", "4"], "authorizer": ["1"]}}


def test_check_mode_deletes_nothing_and_says_the_same() -> None:
    world = World().listings("s", list("123456"), WEIGHTED, [])
    outcome = world.listings("a", list("123"), [{"FunctionVersion": "3"}], []).run(check_mode=True)
    assert outcome == {"changed": True, "deployments": ["old"], "versions": {"server": ["1", "4"], "authorizer": ["1"]}}


def test_what_cannot_be_deleted_is_a_warning() -> None:
    world = World(refuse=True).deletions().listings("s", ["5", "6"], [{"FunctionVersion": "6"}], [])
    outcome = world.listings("a", ["2", "3"], [{"FunctionVersion": "3"}], []).run()
    assert outcome == {"changed": False, "deployments": [], "versions": {"server": [], "authorizer": []}}
    assert "Deployment old of API api could not be deleted" in world.warnings[0]
    assert "The next release tries again" in world.warnings[0]
