# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a run on staging at a moment, look at what it left, and let the next run finish the work.

Auto Scaling goes on while nobody waits for it. The next run goes on with what is under way, nothing is made twice,
and what callers have saved is there.
"""

from __future__ import annotations

import json
import ssl
import typing as t
import urllib.request
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.client import result_of, with_client
from tests.support.emulated import TestSandbox
from tests.support.kills import Moment, by_name, kill_at, require_unchanged, run_after_kill
from tests.support.moments import wait_for
from tests.support.staging import INVENTORIES
from tests.support.world import World, shared_packages

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

LAYERS = ("foundation", "network", "data", "edge", "app", "watch")
REFRESH = "StartInstanceRefresh"
APP = "ExecuteChangeSet mcp-{e}-app"


class Fleet(t.NamedTuple):
    """What serves an environment.

    :param serving: launch-template versions of the instances in service, without repetition
    :param launches: the version that new instances are made from
    """

    serving: set[str]
    launches: str


def fleet(world: World) -> Fleet:
    """Ask Auto Scaling what there is."""
    name = f"mcp-{world.name}"
    (group,) = world.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
        "AutoScalingGroups"
    ]
    serving = {
        item["LaunchTemplate"]["Version"] for item in group["Instances"] if item["LifecycleState"] == "InService"
    }
    return Fleet(serving, str(group["LaunchTemplate"]["Version"]))


def refreshes(world: World) -> list[str]:
    """Return how the instance refreshes of the group stand, newest first."""
    found = world.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=f"mcp-{world.name}")
    return [item["Status"] for item in found["InstanceRefreshes"]]


def certificates(world: World) -> list[str]:
    """Return the imported certificates of the environment."""
    acm, found = world.client("acm"), []
    for item in acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]:
        tags = acm.list_tags_for_certificate(CertificateArn=item["CertificateArn"])["Tags"]
        if {"Key": "mcp:environment", "Value": world.name} in tags:
            found.append(item["CertificateArn"])
    return found


def trusted(world: World) -> ssl.SSLContext:
    """Return what trusts the certificate that clients were handed."""
    return ssl.create_default_context(cafile=str(world.folder / "reports" / f"sandbox-{world.name}" / "ca.pem"))


def health(world: World) -> dict[str, t.Any]:
    """Return what the server says of itself."""
    with urllib.request.urlopen(world.report()["health_url"], context=trusted(world), timeout=30) as answer:
        return t.cast("dict[str, t.Any]", json.loads(answer.read()))


def call(world: World, tool: str, **arguments: t.Any) -> dict[str, t.Any]:
    """Call a tool through the load balancer."""
    endpoint = str(world.report()["endpoint"])
    return with_client(endpoint, world.token, lambda client: result_of(client, tool, **arguments), tls=trusted(world))


def require_whole(world: World) -> None:
    """The environment is as one whose runs were never killed."""
    assert {layer: world.status(layer).partition("_")[2] for layer in LAYERS} == dict.fromkeys(LAYERS, "COMPLETE")
    assert [layer for layer in LAYERS if world.open_change_sets(layer)] == []
    version = world.outputs("app")["ServerVersion"]
    assert fleet(world) == Fleet({version}, version)
    assert world.parameters("app")["LiveVersion"] == version
    assert certificates(world) == [world.parameters("edge")["CertificateArn"]]
    assert health(world)["release"] == world.report()["release"]["id"]
    assert world.lock() is None


# What the killed run has left behind


def reviewed(layer: str) -> t.Callable[[World], None]:
    """Return the check that a new stack has a change set and no resource."""

    def check(world: World) -> None:
        assert world.status(layer) == "REVIEW_IN_PROGRESS"
        assert len(world.open_change_sets(layer)) == 1 and world.resources(layer) == {}

    return check


def imported_and_unused(world: World) -> None:
    """There is a certificate, and nobody who uses it."""
    assert len(certificates(world)) == 1
    assert world.parameters("edge")["CertificateArn"] == ""


def serves_and_is_not_pinned(world: World) -> None:
    """The new instances serve, and the stack does not know it yet."""
    wait_for(lambda: fleet(world).serving == {world.outputs("app")["ServerVersion"]}, "the new version serves")
    assert world.parameters("app")["LiveVersion"] != world.outputs("app")["ServerVersion"]
    assert len(world.open_change_sets("app")) == 1


def change_waits(world: World) -> None:
    """The stack is as it was, with a change set beside it."""
    assert len(world.open_change_sets("app")) == 1
    assert fleet(world).serving == {world.outputs("app")["ServerVersion"]}


def published(world: World) -> None:
    """There is a new version of the launch template, and the group does not know it."""
    assert int(world.outputs("app")["ServerVersion"]) > int(fleet(world).launches)
    assert world.parameters("app")["LiveVersion"] == fleet(world).launches
    assert not {"Pending", "InProgress"} & set(refreshes(world))


def under_way(world: World) -> None:
    """Auto Scaling replaces instances, and nobody waits for it."""
    assert refreshes(world)[0] in ("Pending", "InProgress")


def pinned(world: World) -> None:
    """Everything is done; what is left is to tell of it, and the lock."""
    version = world.outputs("app")["ServerVersion"]
    assert fleet(world) == Fleet({version}, version) and world.parameters("app")["LiveVersion"] == version


FIRST = [
    Moment("network planned", "ExecuteChangeSet mcp-{e}-network", reviewed("network")),
    Moment("data planned", "ExecuteChangeSet mcp-{e}-data", reviewed("data")),
    Moment("certificate imported", "ImportCertificate", imported_and_unused, done=True),
    Moment("app planned", APP, reviewed("app")),
    Moment("serving, before the pin", APP, serves_and_is_not_pinned, (APP,)),
]
UPDATE = [
    Moment("a change of the app planned", APP, change_waits),
    Moment("published", REFRESH, published),
    Moment("refresh started", REFRESH, under_way, done=True),
    Moment("refreshed, before the pin", APP, serves_and_is_not_pinned, (APP, REFRESH)),
    Moment("before the audit", "PUT .*/audit/.*", pinned, (APP, REFRESH, APP)),
    Moment("before the lock", "DELETE .*/lock.json.*", pinned),
]


@pytest.fixture(scope="module")
def make(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Callable[[str], World]]:
    """Makes an environment in the sandbox of this module."""
    folder = tmp_path_factory.mktemp("staging-kill")
    sandbox = TestSandbox(folder / "sandbox")
    try:
        sandbox.start()
        project = copy_project(ROOT, folder / "project")
        link_collection(project)
        packages = shared_packages(private_home)
        yield lambda name: World(sandbox, project, folder / name, packages, name, INVENTORIES)
    finally:
        sandbox.stop()


@pytest.fixture(scope="module")
def updated(make: t.Callable[[str], World]) -> World:
    """An environment that is updated again and again, with a document."""
    world = make("updated")
    world.run("-e", "mcp_server_name=never-updated").require()
    call(world, "save_document", document_id="kept", title="Before the kills", text="kept")
    return world


@pytest.mark.parametrize("moment", FIRST, ids=by_name)
def test_a_first_deploy_is_gone_on_with(make: t.Callable[[str], World], moment: Moment) -> None:
    world = make(f"first{FIRST.index(moment)}")
    kill_at(world, moment)
    run_after_kill(world, moment.locked)
    require_whole(world)
    require_unchanged(world)
    # Its servers and its database would only slow down the next one.
    options = ("mcp_destroy_data=true", "mcp_destroy_foundation=true", f"mcp_confirm={world.name}")
    world.run(*(text for value in options for text in ("-e", value)), playbook="playbooks/destroy.yml").require()


@pytest.mark.parametrize("moment", UPDATE, ids=by_name)
def test_an_update_is_gone_on_with(updated: World, moment: Moment) -> None:
    options = ("-e", f"mcp_server_name={by_name(moment)}")
    begun = len(refreshes(updated))
    kill_at(updated, moment, *options)
    run_after_kill(updated, moment.locked, *options)
    require_whole(updated)
    assert health(updated)["server"] == by_name(moment)
    assert len(refreshes(updated)) == begun + 1
    assert call(updated, "get_document", document_id="kept")["title"] == "Before the kills"
    require_unchanged(updated, *options)
