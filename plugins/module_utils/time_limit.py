# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of time for whole requests: libraries limit each read alone, so a server that drips would outlive those."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import socket
import threading
import time
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(order=True)
class Wait:
    """Until when a request may take.

    :param limit: None as soon as the request has ended
    """

    ends: float
    number: int
    limit: Limit | None = field(compare=False)


class Limits:
    """The limits of one task, kept by one thread, which lives while there is something to wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Wait] = []
        self._numbers = itertools.count(1)
        self._runs = False

    def begin(self, limit: Limit, seconds: float) -> Wait:
        """Cut a limit's connection after that time, unless the request has ended by then."""
        with self._changed:
            wait = Wait(time.monotonic() + seconds, next(self._numbers), limit)
            heapq.heappush(self._waiting, wait)
            if not self._runs:
                threading.Thread(target=self._run, name="time limits", daemon=True).start()
                self._runs = True
            elif self._waiting[0] is wait:
                self._changed.notify()
            return wait

    def _run(self) -> None:
        with self._changed:
            while self._waiting:
                left = self._waiting[0].ends - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                else:
                    wait = heapq.heappop(self._waiting)
                    limit = wait.limit  # once: the request may end meanwhile
                    if limit is not None:
                        limit.cut(wait)
            self._runs = False


class Limit:
    """The limit of one connection's requests, of one after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._connection: t.Any = None
        self.passed = False

    def watch(self, connection: t.Any) -> None:
        """Name the connection (whatever has a ``fileno``); without one there is nothing to cut."""
        with self._lock:
            self._connection = connection
            if self.passed:
                shut_down(connection)

    @contextlib.contextmanager
    def request(self, seconds: float) -> Iterator[None]:
        """Make one request.

        :raises TimeoutError: it took longer; what else it raised then is the context
        """
        wait = self._limits.begin(self, seconds)
        try:
            yield
        finally:
            with self._lock:
                wait.limit = None
            if self.passed:
                raise TimeoutError

    def cut(self, wait: Wait) -> None:
        """Cut the connection if that request still goes on."""
        with self._lock:
            if wait.limit is self:
                self.passed = True
                shut_down(self._connection)


def shut_down(connection: t.Any) -> None:
    """Wake whoever reads from a connection; its owner closes it."""
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
