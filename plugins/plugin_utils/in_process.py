# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's logic inside ansible-playbook: about 0.1 s a task instead of 1.3 s, and live progress."""

from __future__ import annotations

import functools
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.amazon.aws.plugins.module_utils.botocore import _aws_connection_info
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleBotocoreError
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_CLIENT_CONFIG,
    SHARED_SESSION,
    Context,
    McpError,
    call_run,
    patient,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.typed import typed_path

display = Display()


@functools.cache
def warm(service: str) -> None:
    """Parse a service's model once, in the parent process, for all forked tasks; sends no request."""
    if SHARED_SESSION is not None:
        SHARED_SESSION.client(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")


def ender(playbook: int) -> t.Callable[..., None]:
    """Return what ends this process before it sends a request after its ansible-playbook was killed.

    The lock of a dead ansible-playbook is taken over at once, so what it started must not go on.
    """

    def end_with_playbook(**_event: t.Any) -> None:
        if os.getppid() != playbook:
            os._exit(1)

    return end_with_playbook


def build_client(params: dict[str, t.Any], service: str, region: str | None, playbook: int) -> t.Any:
    """Make a boto3 client from the AWS connection options of amazon.aws.

    :param playbook: the process with which this one has to end
    :raises McpError: the options contradict each other
    """
    try:
        own_region, endpoint_url, connection = _aws_connection_info(params)
    except AnsibleBotocoreError as error:
        raise McpError(str(error.message)) from error
    profile = connection.pop("profile_name", None)
    extra = connection.pop("aws_config", None)
    session = SHARED_SESSION
    if profile:
        import boto3

        session = boto3.session.Session(profile_name=profile)
    config = AWS_CLIENT_CONFIG.merge(extra) if extra else AWS_CLIENT_CONFIG
    client = session.client(
        service, region_name=region or own_region, endpoint_url=endpoint_url, config=config, **connection
    )
    client.meta.events.register("before-send", ender(playbook))
    return patient(client)


def with_inventory(text: str, task_vars: dict[str, t.Any]) -> str:
    """Put the inventory into the command that an error names, as it was typed: its reader types that again."""
    sources = [typed_path(source) for source in task_vars.get("ansible_inventory_sources") or []]
    return text.replace("<inventory>", " -i ".join(sources)) if sources else text


class InProcessAction(ActionBase):
    """Base of the action plugins that stand in front of a module of the same name."""

    module_fqcn: str
    argument_spec: dict[str, t.Any]
    spec_options: dict[str, t.Any] = {}
    run_in_process: t.Callable[[Context], dict[str, t.Any]]

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run in process, or as the module where the task does not run on this machine as it is."""
        result = super().run(tmp, task_vars)
        self._host = (task_vars or {}).get("inventory_hostname", "localhost")
        if self._connection.transport != "local" or any(self._task.environment or []) or self._task.become:
            result.update(self._execute_module(module_name=self.module_fqcn, task_vars=task_vars))
            return result
        _validation, params = self.validate_argument_spec(
            argument_spec=dict(aws_argument_spec(), **self.argument_spec), **self.spec_options
        )
        warnings: list[str] = []
        playbook = os.getppid()
        ctx = Context(
            params=params,
            make_client=lambda service, region: build_client(params, service, region, playbook),
            check_mode=self._task.check_mode,
            diff_mode=self._task.diff,
            progress=self._show,
            warn=warnings.append,
        )
        result.update(call_run(ctx, type(self).run_in_process))
        if result.get("failed"):
            result["msg"] = with_inventory(result["msg"], task_vars or {})
        for warning in warnings:
            display.warning(warning)
        return result

    def _show(self, text: str) -> None:
        """Show progress at once: a person waits in front of it."""
        display.display(f"  [{self._host}] {text}", color="dark gray")
