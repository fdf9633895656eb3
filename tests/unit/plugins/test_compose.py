# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Compose would do, from what the engine lists; how services are; what those that do not start say."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import compose

IMAGES = [
    {
        "Id": "sha256:p",
        "RepoTags": ["postgres:18"],
        "RepoDigests": ["postgres@sha256:aa"],
        "Created": 1,
        "Labels": None,
    },
    {"Id": "sha256:s2", "RepoTags": ["mcp-local-server:two"], "Created": 30, "Labels": {"mcp.build": "b2"}},
    {"Id": "sha256:s1", "RepoTags": ["mcp-local-server:one"], "Created": 20, "Labels": {}},
    {"Id": "sha256:s0", "RepoTags": ["mcp-local-server:zero"], "Created": 10, "Labels": {}},
    {"Id": "sha256:none", "RepoTags": None, "Created": 40, "Labels": None},
]
COMPOSE: dict[str, t.Any] = {
    "services": {
        "postgres": {"image": "docker.io/library/postgres:18", "restart": "unless-stopped"},
        "migrate": {"image": "mcp-local-server:two", "restart": "no"},
    },
    "digests": {"postgres": "d1", "migrate": "d2"},
}


def container(service: str, **changes: t.Any) -> dict[str, t.Any]:
    """Return a container that is as it should be, with changes."""
    known = {
        "postgres": {
            "Image": "docker.io/library/postgres:18",
            "ImageID": "sha256:p",
            "State": "running",
            "Status": "Up",
        },
        "migrate": {
            "Image": "mcp-local-server:two",
            "ImageID": "sha256:s2",
            "State": "exited",
            "Status": "Exited (0) 2 hours ago",
        },
    }[service]
    digest = changes.pop("digest", COMPOSE["digests"][service])
    return {**known, "Labels": {compose.SERVICE: service, compose.DIGEST: digest}, **changes}


def steps(*containers: dict[str, t.Any], **options: t.Any) -> dict[str, tuple[str, str]]:
    """Return action and reason by service."""
    rows = compose.compose_plan(COMPOSE, list(containers), IMAGES, **options)
    return {row["service"]: (row["action"], row["why"]) for row in rows}


def test_what_is_as_it_should_be_stays() -> None:
    found = steps(container("postgres"), container("migrate"))
    assert found == {"postgres": ("none", ""), "migrate": ("none", "")}


def test_what_is_not_there_is_created() -> None:
    assert steps() == dict.fromkeys(COMPOSE["services"], ("create", "it is not there yet"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"digest": "old"}, ("recreate", "its settings changed")),
        (
            {"digest": "old", "Image": "postgres:17"},
            ("recreate", "image postgres:17 becomes docker.io/library/postgres:18"),
        ),
        ({"ImageID": "sha256:x"}, ("recreate", "docker.io/library/postgres:18 is another image now")),
        ({"State": "exited", "Status": "Exited (0)"}, ("start", "it is exited")),
        ({"State": "created", "Status": "Created"}, ("start", "it is created")),
    ],
)
def test_what_differs_is_told_with_its_reason(changes: dict[str, t.Any], expected: tuple[str, str]) -> None:
    assert steps(container("postgres", **changes), container("migrate"))["postgres"] == expected


def test_an_image_that_is_built_again_is_another_one() -> None:
    found = steps(container("postgres"), container("migrate"), outdated="mcp-local-server:two")
    assert found == {"postgres": ("none", ""), "migrate": ("recreate", "mcp-local-server:two is another image now")}


def test_a_migration_that_failed_is_run_again() -> None:
    failed = container("migrate", Status="Exited (1) 2 hours ago")
    assert steps(container("postgres"), failed)["migrate"] == ("start", "it is exited")


def test_services_that_are_gone_are_told() -> None:
    gone = {**container("postgres"), "Labels": {compose.SERVICE: "s3", compose.DIGEST: "d"}}
    found = steps(container("postgres"), container("migrate"), gone)
    assert found["postgres"] == ("none", "")
    assert found["s3"] == ("remove", "it is not part of it any more")


def test_only_what_was_done_counts_as_changed() -> None:
    rows = compose.compose_plan(COMPOSE, [container("postgres")], IMAGES, done=True)
    assert {row["service"]: row["changed"] for row in rows} == {"postgres": False, "migrate": True}
    assert not any(row["changed"] for row in compose.compose_plan(COMPOSE, [], IMAGES))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docker.io/library/python:3.13-slim", "python:3.13-slim"),
        ("docker.io/prom/prometheus", "prom/prometheus:latest"),
        ("registry.example.com:5000/mcp/redis", "registry.example.com:5000/mcp/redis:latest"),
        ("quay.io/a/b:1@sha256:aa", "quay.io/a/b@sha256:aa"),
    ],
)
def test_names_are_compared_as_the_engine_lists_them(name: str, expected: str) -> None:
    assert compose.normal(name) == expected


def test_images_that_are_here_are_not_pulled() -> None:
    wanted = ["docker.io/library/postgres:18", "postgres@sha256:aa", "redis:8", "mcp-local-server:one", "redis:8"]
    assert compose.missing_images(wanted, IMAGES) == ["redis:8"]


def test_the_servers_images() -> None:
    known = compose.server_image(IMAGES, "mcp-local-server:two", "docker.io/library/postgres:18")
    assert known == {
        "built_of": "b2",
        "base": "sha256:p",
        "others": ["mcp-local-server:one", "mcp-local-server:zero"],
    }
    absent = compose.server_image(IMAGES, "mcp-local-server:three", "python:3.13")
    assert (absent["built_of"], absent["base"], len(absent["others"])) == (None, "", 3)


def inspected(service: str, **state: t.Any) -> dict[str, t.Any]:
    """Return a container as docker inspect describes it."""
    return {
        "Id": f"id-{service}",
        "State": {"Status": "running", "ExitCode": 0, **state},
        "Config": {"Image": "registry:5000/postgres:18", "Labels": {compose.SERVICE: service}},
    }


@pytest.mark.parametrize(
    ("said", "health"),
    [
        ("Up 2 minutes", None),
        ("Up 2 minutes (healthy)", "healthy"),
        ("Up 9 seconds (unhealthy)", "unhealthy"),
        ("Up 1 second (health: starting)", "starting"),
        ("Exited (0) 2 hours ago", None),
    ],
)
def test_status_names_health_and_what_has_no_container(said: str, health: str | None) -> None:
    found = compose.compose_status([container("postgres", Status=said)], ["postgres", "redis"])
    assert found["postgres"] == {"state": "running", "health": health, "version": "18"}
    assert found["redis"] == {"state": "absent", "health": None, "version": None}


def test_trouble_is_what_ended_restarts_or_is_unhealthy() -> None:
    containers = [
        inspected("fine"),
        inspected("ended", Status="exited", ExitCode=1),
        inspected("again", Status="restarting"),
        inspected("sick", Health={"Status": "unhealthy"}),
    ]
    ids = compose.troubled(containers)
    assert ids == ["id-ended", "id-again", "id-sick"]
    logs = [
        {"item": "id-ended", "stdout_lines": [], "stderr_lines": ["no space left", "no space left", ""]},
        {"item": "id-again", "stdout_lines": ["one", "two"], "stderr_lines": ["three", "four"]},
        {"item": "id-sick"},
    ]
    said = compose.compose_trouble(logs, containers)
    assert said == "ended says: no space left; again says: two | three | four"
