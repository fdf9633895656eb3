# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The day's answers of Cost Explorer, kept with the environment: what was paid for is not paid for again that day."""

from __future__ import annotations

import hashlib
import pathlib
import typing as t
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import CostsUnknown
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, BucketMissing, to_json

PREFIX = "cost-cache/"
FORMAT = 1
# What AWS answers all day; a refusal may be over in a minute.
ALL_DAY = ("NoData", "SeveralCurrencies", "DataUnavailableException")


def place_of(ctx: Context) -> Bucket | Folder | None:
    """Return where the task keeps answers, None where it keeps none."""
    if ctx.params.get("bucket"):
        return Bucket(ctx.client("s3"), ctx.params["bucket"], ctx.params.get("bucket_owner"))
    if ctx.params.get("directory"):
        return Folder(pathlib.Path(ctx.params["directory"]))
    return None


@dataclass
class DayCache:
    """Answers of one day.

    A cache that cannot be used is said once and left alone: the report is worth a cent.

    :param endpoint: who answered, where that is not AWS
    :param refresh: write only, so that AWS is asked again
    :param left: tells how many requests may still be made
    :param used: addresses of the answers that were read or written
    """

    ctx: Context
    day: date
    place: Bucket | Folder | None
    endpoint: str = ""
    refresh: bool = False
    left: t.Callable[[], int] = lambda: 0

    def __post_init__(self) -> None:
        self.used: list[str] = []

    def key(self, request: dict[str, t.Any]) -> str:
        """Return the key of a request's answer."""
        what = to_json({"format": FORMAT, "request": request, "endpoint": self.endpoint})
        return f"{PREFIX}{self.day.isoformat()}/{hashlib.sha256(what).hexdigest()[:24]}.json"

    def give_up(self, error: McpError) -> None:
        """Go on without a cache; before the environment exists it has no bucket, and nobody is told."""
        self.place = None
        if not isinstance(error, BucketMissing):
            self.ctx.warn(f"The day's costs cannot be kept, so the next report pays for them again: {error.message}")

    def read(self, key: str) -> dict[str, t.Any] | None:
        """Return what is kept, None where there is nothing that can be used."""
        if self.place is None or self.refresh:
            return None
        try:
            stored = self.place.read(key)
        except McpError as error:
            self.give_up(error)
            return None
        try:
            kept = self.place.parse(key, stored)
        except McpError:
            return None
        return kept if isinstance(kept, dict) and {"answer", "fetched_at"} <= kept.keys() else None

    def keep(self, request: dict[str, t.Any], answer: t.Any, **more: t.Any) -> str:
        """Keep an answer; return the moment that it has. A look in check mode writes nothing."""
        fetched_at, key = datetime.now(UTC).isoformat(timespec="seconds"), self.key(request)
        if self.place is not None and not self.ctx.check_mode:
            kept = {"request": request, "fetched_at": fetched_at, "answer": answer, **more}
            try:
                self.place.write(key, to_json(kept))
                self.used.append(self.place.url(key))
            except McpError as error:
                self.give_up(error)
        return fetched_at

    def answer(self, request: dict[str, t.Any], ask: t.Callable[[], t.Any]) -> tuple[t.Any, str]:
        """Return the answer to a request, of today's cache or of AWS, and when AWS gave it.

        :raises McpError: AWS cannot tell, or needs more requests than are left; today's cache keeps that too
        """
        key, left = self.key(request), self.left()
        kept = self.read(key)
        failed_before(kept, left)
        if kept is not None and self.place is not None and "failure" not in kept:
            self.used.append(self.place.url(key))
            return kept["answer"], kept["fetched_at"]
        try:
            answer = ask()
        except McpError as error:
            # A fresh look that fails must not replace a good answer.
            if (failure := lasting(error, left)) and not self.refresh:
                self.keep(request, None, failure=failure)
            raise
        return answer, self.keep(request, answer)


def lasting(error: McpError, left: int) -> dict[str, t.Any] | None:
    """Return a failure as it is kept, None where the next question may get an answer.

    :param left: how many requests there were for it
    """
    limited = bool(error.details.get("limit_reached"))
    if not (limited and left) and error.details.get("error_code") not in ALL_DAY:
        return None
    return {"why": error.message, "details": error.details, "left": left if limited else None}


def failed_before(kept: dict[str, t.Any] | None, left: int) -> None:
    """:raises McpError: the question failed today, and would fail again

    :param left: how many requests there are for it now
    """
    failure = (kept or {}).get("failure")
    if not kept or not isinstance(failure, dict) or not {"why", "details", "left"} <= failure.keys():
        return
    if failure["left"] is not None and left > failure["left"]:
        return
    why = f"{failure['why']} (kept since {kept['fetched_at']}; to ask again today: refresh)"
    raise (McpError if failure["left"] is not None else CostsUnknown)(why, **failure["details"])
