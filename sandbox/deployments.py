# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a deployment of the emulated API Gateway be what it is on AWS: a snapshot of the API.

The emulator keeps the gateway responses of each deployment and answers everything else from the API as it
is being edited. Here a deployment also keeps resources with their methods, authorizers, models and
validators, and a stage serves those of its deployment. The control plane still sees the API being edited.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import typing as t

# Next to a deployment's gateway responses, which the emulator saves, restores, deletes and resets with it.
SNAPSHOT = "_snapshot"
STORES = ("_resources", "_authorizers_v1", "_models", "_request_validators")

Snapshot = dict[str, t.Any]
# The API and the snapshot that the request being answered is served from.
serving: contextvars.ContextVar[tuple[str, Snapshot] | None] = contextvars.ContextVar("serving", default=None)


def take_snapshot(gateway: t.Any, api_id: str) -> Snapshot:
    """Return a copy of what the data plane reads of an API."""
    return {name: copy.deepcopy(getattr(gateway, name).get(api_id, {})) for name in STORES}


def snapshot_of(gateway: t.Any, api_id: str, stage_name: str) -> Snapshot | None:
    """Return the snapshot that a stage serves; None for a deployment that was made without one."""
    stage = gateway._stages_v1.get(api_id, {}).get(stage_name) or {}
    kept = gateway._deployed_gateway_responses.get(api_id, {}).get(stage.get("deploymentId")) or {}
    return kept.get(SNAPSHOT)


@contextlib.contextmanager
def served(gateway: t.Any, api_id: str, stage_name: str) -> t.Iterator[None]:
    """Let the stores answer with the stage's snapshot, for this request alone."""
    snapshot = snapshot_of(gateway, api_id, stage_name)
    token = serving.set((api_id, snapshot) if snapshot is not None else None)
    try:
        yield
    finally:
        serving.reset(token)


def deployed_store(store: t.Any, name: str) -> t.Any:
    """Return a store over the same data, whose ``get`` follows ``serving``."""

    class Deployed(type(store)):  # type: ignore[misc]  # the emulator's own class, so that it is saved like it
        """A store that knows which deployment is being served."""

        def get(self, key: str, default: t.Any = None) -> t.Any:
            current = serving.get()
            if current is not None and current[0] == key:
                return current[1].get(name, default)
            return super().get(key, default)

    deployed = Deployed()
    deployed._data = store._data
    return deployed


def install() -> None:
    """Extend the emulator, which is in this process."""
    from ministack.services import apigateway_v1

    extend(apigateway_v1)


def extend(gateway: t.Any) -> None:
    """Extend the emulator's module of REST APIs, or one that looks like it."""
    for name in STORES:
        setattr(gateway, name, deployed_store(getattr(gateway, name), name))
    create, execute, authorization = (
        gateway._create_deployment,
        gateway._execute_in_scope,
        gateway.method_authorization_type,
    )

    @functools.wraps(create)
    def create_deployment(api_id: str, data: dict[str, t.Any]) -> t.Any:
        known = set(gateway._deployments_v1.get(api_id, {}))
        answer = create(api_id, data)
        for deployment_id in set(gateway._deployments_v1.get(api_id, {})) - known:
            kept = gateway._deployed_gateway_responses.get(api_id)
            kept[deployment_id][SNAPSHOT] = take_snapshot(gateway, api_id)
        return answer

    @functools.wraps(execute)
    async def execute_in_scope(request: t.Any, api_id: str, stage_name: str, *arguments: t.Any) -> t.Any:
        with served(gateway, api_id, stage_name):
            return await execute(request, api_id, stage_name, *arguments)

    @functools.wraps(authorization)
    def method_authorization_type(api_id: str, stage_name: str, method: str, path: str) -> t.Any:
        scope = gateway.find_api_scope(api_id)
        if scope is None:
            return None
        with gateway.request_scope(*scope), served(gateway, api_id, stage_name):
            return authorization(api_id, stage_name, method, path)

    gateway._create_deployment = create_deployment
    gateway._execute_in_scope = execute_in_scope
    gateway.method_authorization_type = method_authorization_type
