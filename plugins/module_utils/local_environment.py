# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local environment before anything is touched: its options, its folder, its runtime, free ports and space."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import sys
import typing as t
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_runtime
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest

# What the last apply used; the services' data belong to it.
USED_FILE = "state/used.json"
# PostgreSQL supports five majors; 14 is the oldest of them (postgresql.org/support/versioning, 2026-11).
OLDEST_POSTGRES = 14
BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61}[a-z0-9])")
# A Unix socket's path has at most 107 bytes on Linux, 103 on macOS; supervisord's is the longest. It makes it by
# another name first, with its process id.
LONGEST_FOLDER = (103 if sys.platform == "darwin" else 107) - len("/run/control.4194304")


def merged(name: str, given: dict[str, t.Any], option: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a dictionary's default with what was given put in.

    :raises McpError: a key is none that the option has
    """
    default = dict(option.get("default") or {})
    for key in given:
        if key not in default:
            raise McpError(
                f"{name} has the key {key!r}: no such service.{closest(str(key), default)} "
                f"Allowed: {', '.join(default)}. Set it in the inventory, for example: {name}: "
                f"{{{next(iter(default))}: ...}}",
                variable=name,
            )
    return {**default, **given}


def check_ports(ports: dict[str, t.Any]) -> dict[str, int]:
    """Return the ports as numbers.

    :raises McpError: one is no port, or two services share one
    """
    example = 'For example: -e \'{"mcp_local_ports": {"server": 8001}}\''
    seen: dict[int, str] = {}
    for service, value in ports.items():
        text = str(value)
        if isinstance(value, bool) or not text.isdecimal() or not 1024 <= int(text) <= 65535:
            raise McpError(
                f"mcp_local_ports.{service} is {value!r}: allowed is a port from 1024 to 65535. {example}",
                variable="mcp_local_ports",
            )
        other = seen.setdefault(int(text), service)
        if other != service:
            raise McpError(
                f"mcp_local_ports gives {other} and {service} the same port {text}: each needs its own. {example}",
                variable="mcp_local_ports",
            )
    return {service: int(str(value)) for service, value in ports.items()}


def check_values(values: dict[str, t.Any]) -> None:
    """:raises McpError: an option of the local phase cannot be used"""
    if values.get("mcp_sandbox"):
        raise McpError(
            "mcp_sandbox is true: allowed is false in phase local, which does without AWS. Leave the sandbox inventory "
            "out: ansible-playbook deploy.yml -i inventories/local",
            variable="mcp_sandbox",
        )
    bucket, alerts = values.get("mcp_local_s3_bucket"), values.get("mcp_local_alert_url")
    if bucket is not None and not BUCKET.fullmatch(bucket):
        raise McpError(
            f"mcp_local_s3_bucket is {bucket!r}: allowed is the name of an S3 bucket, 3 to 63 lower-case letters, "
            "digits, hyphens and dots. For example: -e mcp_local_s3_bucket=my-team-mcp-files  Without it the emulated "
            "S3 is used.",
            variable="mcp_local_s3_bucket",
        )
    if alerts is not None and (urlsplit(alerts).scheme not in ("http", "https") or not urlsplit(alerts).hostname):
        raise McpError(
            f"mcp_local_alert_url is {alerts!r}: allowed is an http:// or https:// URL that takes Alertmanager's "
            "webhook. For example: -e mcp_local_alert_url=http://127.0.0.1:9999/alerts",
            variable="mcp_local_alert_url",
        )
    if values.get("mcp_local_postgres_version", OLDEST_POSTGRES) < OLDEST_POSTGRES:
        raise McpError(
            f"mcp_local_postgres_version is {values['mcp_local_postgres_version']}: allowed is a major version from "
            f"{OLDEST_POSTGRES} on, because the PostgreSQL project ended support for older ones. For example: "
            "-e mcp_local_postgres_version=18",
            variable="mcp_local_postgres_version",
        )


def read_used(folder: pathlib.Path) -> dict[str, t.Any]:
    """Return what the last apply used: runtime, postgres_version, ports; empty where there was none.

    :raises McpError: the file is there and cannot be read, so nobody knows whose the data is
    """
    path = folder / USED_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("runtime") in ("docker", "process"):
            return content
        problem = "it does not name a runtime"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        problem = str(error)
    raise McpError(
        f"{path} cannot be read ({problem}), so nobody knows which runtime holds the data. Look at it: cat {path}  Its "
        'form is {"runtime": "docker" or "process", "postgres_version": 18}; where there is no data it can be removed.'
    )


def refuse_move(values: dict[str, t.Any], used: dict[str, t.Any], runtime: str, again: str) -> None:
    """Refuse what would leave data behind.

    :param used: what holds the data, empty where there is none
    :param again: the inventory as it was typed
    :raises McpError: another runtime, PostgreSQL or bucket is wanted than the one that has the data
    """
    environment, wanted = values["mcp_environment"], values["mcp_local_postgres_version"]
    now = {
        "mcp_local_runtime": runtime,
        "mcp_local_postgres_version": wanted,
        "mcp_local_s3_bucket": values.get("mcp_local_s3_bucket"),
    }
    keys = ("runtime", "postgres_version", "bucket")
    there = {name: used.get(key, now[name]) for name, key in zip(now, keys, strict=True)}
    moved = [name for name in now if now[name] != there[name]]
    if not moved:
        return
    held, version, bucket = there.values()
    problem = {
        "mcp_local_runtime": f"{runtime}, but the data of {environment} lies in the runtime {held}",
        "mcp_local_postgres_version": f"{wanted}, but the data of {environment} was written by PostgreSQL {version}, "
        "which no other major version reads",
        "mcp_local_s3_bucket": f"{now['mcp_local_s3_bucket'] or 'not set'}, but the files of {environment} are in "
        + (f"bucket {bucket}" if bucket else "the emulated S3"),
    }[moved[0]]
    keep, move = (
        "".join(f" -e {name}={chosen[name]}" for name in moved if chosen[name] is not None) for chosen in (there, now)
    )
    stay = f"{moved[0]} is {problem}. Nothing was changed. To go on with the data as it is:"
    stay += keep or " leave mcp_local_s3_bucket out"
    if version > wanted:
        raise McpError(
            f"{stay}  An older PostgreSQL takes no backup of a newer one: allowed is {version} or later.",
            variable=moved[0],
        )
    raise McpError(
        f"{stay}  To carry it over: (1) ansible-playbook playbooks/destroy.yml -i {again}{keep} "
        f"-e mcp_confirm={environment} -e mcp_destroy_data=true (makes a backup first)  (2) ansible-playbook "
        f"deploy.yml -i {again}{move}  (3) ansible-playbook playbooks/restore.yml -i {again}{move} "
        f"-e mcp_confirm={environment}",
        variable=moved[0],
    )


def refuse_strangers(values: dict[str, t.Any], folder: pathlib.Path, used: dict[str, t.Any]) -> None:
    """Refuse to share a Compose project, which Docker knows by the environment's name alone, with another folder.

    :param used: what our folder says that holds its data, empty where there is none
    :raises McpError: containers belong to another folder, or there are volumes of which ours knows nothing
    """
    environment = values["mcp_environment"]
    project = f"mcp-{environment}"
    label = ("--filter", f"label=com.docker.compose.project={project}", "--format")
    places = listed("ps", "--all", *label, '{{.Label "com.docker.compose.project.working_dir"}}')
    # A checkout that was moved left its old name with the containers, and nothing under that name.
    others = [
        place for place in places
        if pathlib.Path(place).resolve() != folder.resolve() and (pathlib.Path(place) / USED_FILE).is_file()
    ]  # fmt: skip
    volumes = [] if used else listed("volume", "ls", *label, "{{.Name}}")
    if others:
        problem, ways = f"the environment of this name belongs to {others[0]}", "Or go on from the checkout there."
    elif volumes:
        note = shlex.quote(json.dumps({"runtime": "docker", "postgres_version": values["mcp_local_postgres_version"]}))
        problem = (
            f"{folder} knows nothing of what is in {', '.join(volumes)}: it is another checkout's, or was lost here"
        )
        ways = (
            f"To take it over: mkdir -p {shlex.quote(str(folder / 'state'))} && echo {note} > "
            f"{shlex.quote(str(folder / USED_FILE))}  and then destroy.yml with -e mcp_destroy_data=true, which backs "
            "it up, deploy.yml and restore.yml. To throw it away: docker compose --project-name "
            f"{project} down --volumes"
        )
    else:
        return
    raise McpError(
        f"mcp_environment is {environment}, but in Docker {problem}. Nothing was changed. Allowed is a name of its "
        f"own, for example: -e mcp_environment={environment}-2  {ways}",
        variable="mcp_environment",
    )


def listed(*arguments: str) -> list[str]:
    """Return the lines that Docker lists, each once.

    :raises McpError: it does not
    """
    code, output, errors = local_runtime.ask(["docker", *arguments])
    if code:
        raise McpError(
            f"Docker does not list what it has ({local_runtime.last_line(errors)}), so nobody knows whose data that "
            f"is. Nothing was changed. Check with: docker {arguments[0]} ls  and type the same again."
        )
    return sorted({line for line in output.splitlines() if line})


def is_taken(port: int) -> bool:
    """Tell whether something listens on a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        # As servers do: a port whose last connections are closing is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def port_of(service: str) -> str:
    """Return the key of a service's port."""
    return service.replace("-", "_")


def published(runtime: str, services: t.Iterable[str]) -> list[str]:
    """Return the services that have a port on this machine: containers reach the exporters by name."""
    return [service for service in services if runtime == "process" or not service.endswith("-exporter")]


def taken_ports(services: dict[str, int], used: dict[str, t.Any]) -> tuple[list[str], str]:
    """Return the services whose port is taken, by themselves it seems, and what is wrong with the others' ports.

    :param services: services and their ports
    :param used: what the last apply used
    """
    taken = {service: port for service, port in services.items() if is_taken(port)}
    before = used.get("ports", {})
    foreign = {service: port for service, port in taken.items() if before.get(port_of(service)) != port}
    return sorted(set(taken) - set(foreign)), taken_message(foreign) if foreign else ""


def taken_message(services: dict[str, int]) -> str:
    """Say that ports are taken by somebody else, who that may be, and how to use others."""
    listed = ", ".join(f"{port} ({service})" for service, port in services.items())
    example = json.dumps({"mcp_local_ports": {port_of(service): port + 1 for service, port in services.items()}})
    return (
        f"mcp_local_ports: on 127.0.0.1 another program listens on {listed}. See which: "
        f"{'lsof -nP -iTCP -sTCP:LISTEN' if sys.platform == 'darwin' else 'ss -ltnp'}  Nothing was changed. Stop it, "
        f"or use another port: -e '{example}'"
    )


def check_folder(folder: pathlib.Path) -> pathlib.Path:
    """Return what of a folder exists.

    :raises McpError: it cannot be made or written to, or its name is too long
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise McpError(
            f"mcp_local_dir is '{folder.parent}': allowed is a folder that you may write to, and {existing} is none. "
            "Nothing was changed. For example: -e mcp_local_dir=.local",
            variable="mcp_local_dir",
        )
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise McpError(
            f"mcp_local_dir gives the folder {folder}, {len(os.fsencode(folder))} bytes long: allowed are "
            f"{LONGEST_FOLDER}, because a Unix socket lies in it. For example: -e mcp_local_dir=~/.mcp",
            variable="mcp_local_dir",
        )
    return existing


def space_problem(existing: pathlib.Path, needed_mb: int) -> str:
    """Say what is wrong with the space for a new database; empty when it suffices.

    :param needed_mb: megabytes that have to be free
    """
    free = shutil.disk_usage(existing).free // 2**20
    if free >= needed_mb:
        return ""
    return (
        f"mcp_local_dir: {existing} has {free} MB of free space, and the database needs {needed_mb} MB to begin with. "
        "Nothing was changed. Free some, or choose a folder on another disk: -e mcp_local_dir=/path/with/space"
    )


def source_of(values: dict[str, t.Any], runtime_source: str) -> str | None:
    """Return the absolute folder of the server's source, None where it comes from elsewhere."""
    given = values.get("mcp_app_source")
    path = pathlib.Path(given or runtime_source).expanduser()
    return str(path.resolve()) if path.is_dir() else None


def unwatched(values: dict[str, t.Any], source: str | None) -> list[str]:
    """Return what deploys write into the source's own folder, relative to it: no edits of the server."""
    if source is None:
        return []
    written = [pathlib.Path(values[name]).expanduser().resolve() for name in ("mcp_local_dir", "mcp_report_dir")]
    return sorted(str(path.relative_to(source)) for path in written if pathlib.Path(source) in path.parents)


def reloads(values: dict[str, t.Any], source: str | None) -> bool:
    """Tell whether the server follows its source.

    :raises McpError: it is to follow a source that is no folder
    """
    wanted = values.get("mcp_local_reload", source is not None)
    if wanted and source is None:
        raise McpError(
            f"mcp_local_reload is true, but mcp_app_source is {values['mcp_app_source']!r}, which is no folder whose "
            "files could be followed. Use the project's folder, or: -e mcp_local_reload=false",
            variable="mcp_local_reload",
        )
    return bool(wanted)


def describe(values: dict[str, t.Any], sizes: dict[str, t.Any], runtime_source: str, again: str) -> dict[str, t.Any]:
    """Return what the role local works with; values already has its dictionaries merged with their defaults.

    :param runtime_source: folder of the collection's own server
    :param again: the inventory as it was typed
    :raises McpError: something is in the way
    """
    folder = pathlib.Path(values["mcp_local_dir"]).expanduser().absolute() / values["mcp_environment"]
    source = source_of(values, runtime_source)
    reload = reloads(values, source)
    used = read_used(folder)
    wanted = values["mcp_local_runtime"]
    docker = local_runtime.Docker() if wanted == "process" else local_runtime.look_for_docker()
    choice = local_runtime.choose(wanted, used.get("runtime"), docker, values["mcp_environment"])
    refuse_move(values, used, choice.runtime, again)
    if choice.runtime == "docker":
        refuse_strangers(values, folder, used)
    existing = check_folder(folder)
    installed = local_runtime.programs() if choice.runtime == "process" else {}
    services = local_runtime.service_names(choice.runtime, "mcp_local_s3_bucket" not in values, installed)
    ports = values["mcp_local_ports"]
    listening = {service: ports[port_of(service)] for service in published(choice.runtime, services)}
    taken, problem = taken_ports(listening, used)
    if not used:
        problem = problem or space_problem(existing, int(sizes.get("disk_free_mb", 0)))
    return {
        "dir": str(folder),
        "runtime": choice.runtime,
        "reason": choice.reason,
        "docker_host": docker.host,
        "machine": docker.machine,
        "uid": os.getuid(),
        "gid": os.getgid(),
        "ports": ports,
        "images": images(values),
        "postgres_version": values["mcp_local_postgres_version"],
        "reload": reload,
        "source": source,
        "unwatched": unwatched(values, source),
        "services": {name: {"port": listening.get(name), "program": installed.get(name)} for name in services},
        "used": used,
        # Refused by what starts services; whoever stops them need not care.
        "taken": taken,
        "problem": problem,
    }


def images(values: dict[str, t.Any]) -> dict[str, str]:
    """Return the images, those that follow a version with it."""
    follow = {
        "server_base": f"docker.io/library/python:{values['mcp_python_version']}-slim-trixie",
        "postgres": f"docker.io/library/postgres:{values['mcp_local_postgres_version']}-trixie",
    }
    return {name: str(image or follow.get(name, "")) for name, image in values["mcp_local_images"].items()}
