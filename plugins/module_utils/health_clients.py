# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boto3 clients of the checks: threads may share them, but not make them, so one thread makes all."""

from __future__ import annotations

import threading
import typing as t
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context

# A service, its region (None: the task's own), and whether an answer may take its time.
Wanted = tuple[str, t.Optional[str], bool]  # noqa: UP045  # ansible-test's pylint takes no | here

CONNECT_SECONDS = 2
READ_SECONDS = 5
# Longer than any function of ours may take.
PATIENT_SECONDS = 60
ATTEMPTS = 3
LEAST_CONNECTIONS = 10


def short_config(given: Mapping[str, t.Any] | None, connections: int) -> dict[str, t.Any]:
    """Return botocore's configuration of a look that ends early, whatever the play's own says about time.

    :param given: the task's ``aws_config``
    :param connections: how many may look at once
    """
    config = dict(given or {})
    for name, most in (("connect_timeout", CONNECT_SECONDS), ("read_timeout", READ_SECONDS)):
        config[name] = min(config.get(name) or most, most)
    config["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    config["max_pool_connections"] = max(connections, LEAST_CONNECTIONS)
    return config


def patient_config(given: Mapping[str, t.Any] | None) -> dict[str, t.Any] | None:
    """Return botocore's configuration of a client that invokes functions.

    One that is given up on goes on all the same, and the next attempt would run it once more.

    :param given: the task's ``aws_config``
    """
    config = dict(given or {})
    if config.get("read_timeout"):
        config["read_timeout"] = max(config["read_timeout"], PATIENT_SECONDS)
    return config or None


class Clients:
    """The clients of one task.

    :param wanted: one entry for each use
    """

    def __init__(self, ctx: Context, wanted: Iterable[Wanted]) -> None:
        self._ctx = ctx
        self._uses = Counter(wanted)
        self._made: dict[Wanted, Future[t.Any]] = {key: Future() for key in self._uses}
        if self._made:
            threading.Thread(target=self._make_all, daemon=True).start()

    def get(self, service: str, region: str | None, patient: bool) -> t.Any:
        """Return a client as soon as it is made.

        :raises Exception: what boto3 or the connection's options object to
        """
        return self._made[service, region, patient].result()

    def _make_all(self) -> None:
        for key, made in self._made.items():
            try:
                made.set_result(self._make(*key))
            except BaseException as error:
                made.set_exception(error)

    def _make(self, service: str, region: str | None, patient: bool) -> t.Any:
        params = self._ctx.params
        given = params.get("aws_config")
        uses = self._uses[service, region, patient]
        params["aws_config"] = patient_config(given) if patient else short_config(given, uses)
        try:
            return self._ctx.make_client(service, region)
        finally:
            params["aws_config"] = given
