# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of deployments, on a module that looks like the emulator's."""

from __future__ import annotations

import asyncio
import contextlib
import types
import typing as t

import deployments
import pytest


class Store:
    """The little of the emulator's store that is used."""

    def __init__(self) -> None:
        self._data: dict[str, t.Any] = {}

    def get(self, key: str, default: t.Any = None) -> t.Any:
        return self._data.get(key, default)


def gateway(made_before: bool = False) -> types.SimpleNamespace:
    """Return a module with API ``a``, deployment ``d`` and stage ``live``; each answer is what the stores say."""
    module = types.SimpleNamespace(**{name: Store() for name in deployments.STORES})
    module._stages_v1, module._deployments_v1, module._deployed_gateway_responses = Store(), Store(), Store()
    module._resources._data["a"] = {"r": "one"}

    def create(api_id: str, data: dict[str, t.Any]) -> str:
        module._deployments_v1._data.setdefault(api_id, {})[data["id"]] = {}
        module._deployed_gateway_responses._data.setdefault(api_id, {})[data["id"]] = {}
        return "answer"

    async def execute(request: t.Any, api_id: str, stage_name: str, *arguments: t.Any) -> t.Any:
        await asyncio.sleep(0)
        return {api: module._resources.get(api) for api in ("a", "b")}

    module._create_deployment, module._execute_in_scope = create, execute
    module.method_authorization_type = lambda *_: module._resources.get("a")
    module.find_api_scope = lambda api_id: ("account", "region") if api_id == "a" else None
    module.request_scope = lambda *_: contextlib.nullcontext()
    if made_before:
        create("a", {"id": "d"})
    deployments.extend(module)
    if not made_before:
        assert module._create_deployment("a", {"id": "d"}) == "answer"
    module._stages_v1._data["a"] = {"live": {"deploymentId": "d"}}
    module._resources._data["a"] = {"r": "two"}
    module._resources._data["b"] = {"r": "other"}
    return module


@pytest.mark.parametrize("made_before, served", [(False, "one"), (True, "two")])
def test_a_deployment_from_before_the_extension_serves_what_is_edited(made_before: bool, served: str) -> None:
    module = gateway(made_before)
    answer = asyncio.run(module._execute_in_scope({}, "a", "live"))
    assert answer == {"a": {"r": served}, "b": {"r": "other"}}
    assert module.method_authorization_type("a", "live", "GET", "/") == {"r": served}
    assert module.method_authorization_type("b", "live", "GET", "/") is None


def test_requests_side_by_side_do_not_see_each_others_snapshot() -> None:
    module = gateway()
    module._create_deployment("a", {"id": "e"})
    module._stages_v1._data["a"]["next"] = {"deploymentId": "e"}

    async def both() -> t.Any:
        return await asyncio.gather(*(module._execute_in_scope({}, "a", stage) for stage in ("live", "next")))

    assert [answer["a"] for answer in asyncio.run(both())] == [{"r": "one"}, {"r": "two"}]
    assert module._resources.get("a") == {"r": "two"}


def test_a_snapshot_is_a_copy() -> None:
    module = gateway()
    module._resources._data["a"]["r"] = "three"
    module._create_deployment("a", {"id": "e"})
    module._resources._data["a"]["r"] = "four"
    module._stages_v1._data["a"]["live"] = {"deploymentId": "e"}
    assert asyncio.run(module._execute_in_scope({}, "a", "live"))["a"] == {"r": "three"}
