# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the sandbox's front door for the loopback address that stands for a distribution's or a load balancer's."""

from __future__ import annotations

import json
import re
import ssl
import typing as t
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import is_loopback
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.own_certificate import write_for_clients

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "control_url": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "health_url": {"type": "str", "default": ""},
    "ca_file": {"type": "path"},
    "kind": {"type": "str", "choices": ["distribution", "load_balancer"], "default": "distribution"},
}
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TIMEOUT_S = 10


def check_params(params: dict[str, t.Any]) -> None:
    """Refuse to talk to anything but this machine.

    :raises McpError: naming the option, its value and what is allowed
    """
    if not params["control_url"].startswith("http://") or not is_loopback(params["control_url"]):
        raise McpError(
            f"control_url is '{params['control_url']}': allowed is http:// and a loopback address, such as "
            "http://127.0.0.1:4567, because the sandbox never leaves this machine. Start it with: make deploy"
        )
    if not NAME.fullmatch(params["name"]):
        raise McpError(
            f"name is '{params['name']}': allowed are 1 to 63 lower-case letters, digits and hyphens, such as the "
            "environment's name. Rename the inventory host or set mcp_environment for it."
        )


def message_of(error: HTTPError) -> str:
    """Return what the front door says is wrong."""
    try:
        return str(json.loads(error.read())["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


def ask(method: str, url: str, key: str, body: dict[str, str] | None = None) -> t.Any:
    """Send one request to the front door and return its answer, which has to have one value.

    :raises McpError: it is not there, or it refuses
    """
    options = {"data": json.dumps(body) if body else None, "headers": {"Content-Type": "application/json"}}
    try:
        # Neither proxy nor netrc: both are the person's own and meant for other machines.
        with open_url(url, method=method, timeout=TIMEOUT_S, use_proxy=False, use_netrc=False, **options) as answer:
            told = json.loads(answer.read())
            told[key]  # what answers without it is somebody else
            return told
    except HTTPError as error:
        raise McpError(f"The sandbox's front door refuses {method} {url}: {message_of(error)}") from error
    except OSError as error:
        raise McpError(
            f"The sandbox's front door does not answer at {url}: {getattr(error, 'reason', error)}. "
            "Start it with: make deploy"
        ) from error
    except (ValueError, KeyError, TypeError, HTTPException) as error:
        raise McpError(
            f"What answers at {url} is not the sandbox's front door. Stop it, or choose other ports: "
            "make deploy SANDBOX_PORT=5566"
        ) from error


def hand_out(url: str, path: str | None) -> None:
    """Write the certificate that a door shows: in the sandbox no public authority has signed any.

    :raises McpError: the door does not answer
    """
    parts = urlsplit(url)
    if not path or parts.scheme != "https":
        return
    try:
        shown = ssl.get_server_certificate((str(parts.hostname), parts.port or 443), timeout=TIMEOUT_S)
    except OSError as error:
        raise McpError(f"The sandbox's door does not answer at {url}: {error}. Start it with: make deploy") from error
    write_for_clients(path, shown)


def addresses(door: dict[str, str]) -> dict[str, t.Any]:
    """Return the module's result for a door."""
    return {"changed": False, "url": door.get("url", ""), "http_url": door.get("http_url", "")}


def run(ctx: Context) -> dict[str, t.Any]:
    """Open the door, or find it in check mode."""
    check_params(ctx.params)
    name, doors = ctx.params["name"], ctx.params["control_url"].rstrip("/") + "/_sandbox/doors"
    if ctx.check_mode:
        found = {door["name"]: door for door in ask("GET", doors, "doors")["doors"]}
        return addresses(found.get(name, {}))
    wanted = {key: ctx.params[key] for key in ("host", "health_url", "kind")}
    opened = addresses(ask("PUT", f"{doors}/{name}", "url", wanted))
    hand_out(opened["url"], ctx.params["ca_file"])
    return opened
