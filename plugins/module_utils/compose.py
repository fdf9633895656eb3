# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Compose would do, what it did and how its services are, from what the engine says of their containers."""

from __future__ import annotations

import re
import typing as t

# Labels that Compose gives its containers (docs.docker.com/reference/compose-file/services, "labels").
SERVICE, DIGEST = "com.docker.compose.service", "com.docker.compose.config-hash"
# Ours, of the server's image: what it was built of.
BUILD = "mcp.build"
HEALTH = re.compile(r"\((?:health: )?(\w+)\)$")
Container = dict[str, t.Any]
Image = dict[str, t.Any]


def by_service(containers: t.Iterable[Container]) -> dict[str, Container]:
    """Return the containers, as ``GET /containers/json`` lists them, by service."""
    return {container["Labels"][SERVICE]: container for container in containers if SERVICE in container["Labels"]}


def has_ended_well(service: dict[str, t.Any], container: Container) -> bool:
    """Tell whether a container is of the kind that runs once, and did."""
    return service.get("restart") == "no" and str(container["Status"]).startswith("Exited (0)")


def step(
    service: dict[str, t.Any], digest: str, container: Container | None, image_ids: dict[str, str]
) -> tuple[str, str]:
    """Return what has to be done with one service, and why."""
    image = service["image"]
    if container is None:
        return "create", "it is not there yet"
    if container["Labels"].get(DIGEST) != digest:
        before = container["Image"]
        return "recreate", "its settings changed" if before == image else f"image {before} becomes {image}"
    if container["ImageID"] != image_ids.get(normal(image)):
        return "recreate", f"{image} is another image now"
    if container["State"] == "running" or has_ended_well(service, container):
        return "none", ""
    return "start", f"it is {container['State']}"


def compose_plan(
    compose: dict[str, t.Any],
    containers: list[Container],
    images: list[Image],
    done: bool = False,
    outdated: str = "",
) -> list[dict[str, t.Any]]:
    """Return a step for each service.

    Each has ``service``, ``action`` (create, recreate, start, remove, none), ``why`` and ``changed``.

    :param compose: ``services`` of ``docker compose config`` and its ``digests`` by service
    :param containers: the project's, as ``GET /containers/json`` lists them
    :param images: those that are here, as ``GET /images/json`` lists them
    :param done: whether it was done since
    :param outdated: name of an image that is here and will be built again
    """
    present = by_service(containers)
    image_ids = {name: image_id for name, image_id in ids_by_name(images).items() if name != outdated}
    steps: list[dict[str, t.Any]] = []
    for name, service in compose["services"].items():
        action, why = step(service, compose["digests"].get(name, ""), present.get(name), image_ids)
        steps.append({"service": name, "action": action, "why": why})
    gone = sorted(set(present) - set(compose["services"]))
    steps += [{"service": name, "action": "remove", "why": "it is not part of it any more"} for name in gone]
    return [{**row, "changed": done and row["action"] != "none"} for row in steps]


def normal(image: str) -> str:
    """Return an image's name as the engine lists it: without Docker Hub's own names, with a tag or a digest."""
    name = image.removeprefix("docker.io/").removeprefix("library/")
    if "@" in name:
        path, _at, digest = name.partition("@")
        folder, slash, last = path.rpartition("/")
        return f"{folder}{slash}{last.partition(':')[0]}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def ids_by_name(images: list[Image]) -> dict[str, str]:
    """Return the ids of images, as ``GET /images/json`` lists them, by each of their names."""
    return {
        name: image["Id"] for image in images for key in ("RepoTags", "RepoDigests") for name in image.get(key) or []
    }


def missing_images(wanted: t.Iterable[str], images: list[Image]) -> list[str]:
    """Return those images that have to be pulled."""
    present = ids_by_name(images)
    return sorted({image for image in wanted if normal(image) not in present})


def server_image(images: list[Image], name: str, base: str) -> dict[str, t.Any]:
    """Return what is known of the server's images, which are built here.

    :param name: of the wanted one
    :param base: of the image that it stands on
    :return: ``built_of`` (label mcp.build of the wanted one, None where it is not there), ``base`` (that image's id)
        and ``others`` (names of the repository's other images, newest first)
    """
    ids = ids_by_name(images)
    own = [image for image in images if name in (image.get("RepoTags") or [])]
    repository = name.rpartition(":")[0]
    others = [
        (image["Created"], tag)
        for image in images
        for tag in image.get("RepoTags") or []
        if tag.rpartition(":")[0] == repository and tag != name
    ]
    return {
        "built_of": (own[0].get("Labels") or {}).get(BUILD, "") if own else None,
        "base": ids.get(normal(base), ""),
        "others": [tag for _created, tag in sorted(others, reverse=True)],
    }


def compose_status(containers: list[Container], services: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """Return how each service is: ``state``, ``health`` (None where nothing checks it) and ``version``.

    :param containers: the project's, as ``GET /containers/json`` lists them
    :param services: also named when they have no container (their state is ``absent``)
    """
    found = by_service(containers)
    nothing = {"state": "absent", "health": None, "version": None}
    return {name: status(found[name]) if name in found else dict(nothing) for name in services}


def status(container: Container) -> dict[str, t.Any]:
    """Return how one container is."""
    # "Up 2 minutes (healthy)", "Up 2 seconds (health: starting)"
    health = HEALTH.search(str(container["Status"]))
    return {
        "state": container["State"],
        "health": health.group(1) if health else None,
        "version": container["Image"].rpartition(":")[2],
    }


def troubled(inspected: list[dict[str, t.Any]]) -> list[str]:
    """Return the ids of the containers that do not run as they should, those that others wait for first."""
    return [
        container["Id"]
        for container in inspected
        if container["State"].get("ExitCode")
        or container["State"]["Status"] == "restarting"
        or container["State"].get("Health", {}).get("Status") == "unhealthy"
    ]


def compose_trouble(logs: list[dict[str, t.Any]], inspected: list[dict[str, t.Any]]) -> str:
    """Return one line of what troubled services said last; empty when none of them said anything.

    :param logs: results of ``docker logs``, each with the container's id as its ``item``
    :param inspected: containers as ``docker inspect`` describes them
    """
    names = {container["Id"]: container["Config"]["Labels"].get(SERVICE, "?") for container in inspected}
    said = []
    for log in logs:
        # The last thing that somebody who starts complains about goes to one stream or to the other.
        lines = [*log.get("stdout_lines", []), *log.get("stderr_lines", [])]
        # A service that starts again and again says the same again and again.
        if lines := list(dict.fromkeys(line.strip() for line in lines if line.strip())):
            said.append(f"{names.get(log['item'], '?')} says: {' | '.join(lines[-3:])}")
    return "; ".join(said)
