# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch a CloudFormation operation to its end: live progress, the first real failure, patience with the network."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, McpError, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import LockLost

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
PAUSE_GROWTH = 1.3
# An operation goes on without us: minutes without an answer are no reason to give up on it.
PATIENCE_S = 300.0
HEARTBEAT_S = 30.0
# Events may come a little later than the status.
EVENT_GRACE_S = 30.0
STARTED = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS")
TRANSIENT_ERRORS = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ReadTimeoutError",
    "ConnectionError",
    "HTTPClientError",
    "ResponseParserError",
    "ResponseStreamingError",
}
THROTTLES = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure"}

Event = dict[str, t.Any]
Stack = dict[str, t.Any]


def find_stack(client: t.Any, name: str) -> Stack | None:
    """Describe a stack by name or id; None when there is none (or no more)."""
    try:
        stack: Stack = client.describe_stacks(StackName=name)["Stacks"][0]
    except AWS_ERRORS as error:
        if is_missing(error):
            return None
        raise
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def is_missing(error: BaseException) -> bool:
    """Say whether AWS answered that there is no such stack."""
    return error_code(error) == "ValidationError" and "does not exist" in str(error)


def is_transient(error: BaseException) -> bool:
    """Say whether asking again may help."""
    status = (getattr(error, "response", None) or {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return type(error).__name__ in TRANSIENT_ERRORS or error_code(error) in THROTTLES or status >= 500


def pauses(interval: float | None) -> t.Iterator[float]:
    """Yield the seconds to wait between two looks: fixed, or short first and longer later."""
    pause = interval or FIRST_PAUSE_S
    while True:
        yield pause
        pause = interval or min(pause * PAUSE_GROWTH, LONGEST_PAUSE_S)


def events_after(client: t.Any, stack_id: str, last_event: str | None) -> list[Event]:
    """Return the events after the given one, oldest first."""
    found: list[Event] = []
    for page in client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            if event["EventId"] == last_event:
                return found[::-1]
            found.append(event)
    return found[::-1]


def latest_event_id(client: t.Any, stack_id: str) -> str | None:
    """Return the newest event's id: what comes after it belongs to the next operation."""
    events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
    return events[0]["EventId"] if events else None


def of_stack_itself(event: Event) -> bool:
    """Say whether an event is about the stack, not about one of its resources."""
    return bool(event.get("PhysicalResourceId") == event["StackId"])


def last_operation(events: list[Event]) -> list[Event]:
    """Drop what happened before the newest operation began."""
    for index in range(len(events) - 1, -1, -1):
        if of_stack_itself(events[index]) and events[index]["ResourceStatus"] in STARTED:
            return events[index:]
    return events


def first_failure(events: list[Event]) -> Event | None:
    """Return the event that made the operation fail, not one of those that followed from it."""
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    causes = [event for event in failed if "cancelled" not in event.get("ResourceStatusReason", "").lower()]
    resources = [event for event in causes if not of_stack_itself(event)]
    return next(iter(resources or causes or failed), None)


def validation_failure(client: t.Any, **which: str) -> Event | None:
    """Return why CloudFormation's validation before the deployment failed; stack events only say that it did.

    :param which: StackName or ChangeSetName
    """
    if not hasattr(client, "describe_events"):  # botocore before 1.41
        return None
    try:
        pages = client.get_paginator("describe_events").paginate(**which, Filters={"FailedEvents": True})
        events = [event for page in pages for event in page["OperationEvents"]]
    except AWS_ERRORS:  # it is about details only: the failure itself is reported without them
        return None
    for event in events:
        if event.get("ValidationStatusReason") and event.get("ValidationFailureMode") != "WARN":
            reason = f"{event['ValidationStatusReason']} ({event.get('ValidationPath', '')})"
            return {**event, "ResourceStatus": "VALIDATION_FAILED", "ResourceStatusReason": reason}
    return None


def count_done(events: list[Event]) -> int:
    """Return how many resources have reached the end of what was to be done with them."""
    latest = {event["LogicalResourceId"]: event["ResourceStatus"] for event in events if not of_stack_itself(event)}
    return sum(1 for status in latest.values() if status.endswith(("_COMPLETE", "_SKIPPED")))


@dataclass
class Watch:
    """One operation that is under way.

    :param total: resources to be changed; 0 when not known
    :param last_event: the newest event before the operation; None: find its start in the history
    :param renew: called before every look (keeps a lease), and with True at the end, where it has to look at once;
        when it fails but for LockLost, the watch goes on
    """

    client: t.Any
    name: str
    stack_id: str
    progress: t.Callable[[str], None]
    timeout: float
    interval: float | None = None
    total: int = 0
    last_event: str | None = None
    renew: t.Callable[[bool], None] = lambda now: None
    events: list[Event] = field(default_factory=list)
    _status: str = ""
    _shown: str = ""
    _shown_at: float = 0.0

    def until_settled(self) -> Stack:
        """Wait until the stack is no longer changing; return its last description.

        :raises McpError: it took longer than the timeout (the operation goes on)
        """
        begun = answered = time.monotonic()
        settled_at: float | None = None
        for pause in pauses(self.interval):
            try:
                self.keep_lock()
                stack = self._look(begun)
                answered = time.monotonic()
            except AWS_ERRORS as error:
                if not is_transient(error) or time.monotonic() - answered > PATIENCE_S:
                    raise
                stack = {"StackStatus": "UNKNOWN_IN_PROGRESS"}
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                settled_at = settled_at or time.monotonic()
                if self._has_ended(stack["StackStatus"]) or time.monotonic() - settled_at > EVENT_GRACE_S:
                    self.keep_lock(now=True)  # what a run that took over set is not ours to set back
                    return stack
            if time.monotonic() - begun > self.timeout:
                raise McpError(
                    f"Stack {self.name} is still {stack['StackStatus']} after {self.timeout:.0f} s (timeout). "
                    "AWS carries on by itself: run the same command again, it waits for the end and continues."
                )
            time.sleep(pause)
        raise AssertionError("pauses() never ends")

    def keep_lock(self, now: bool = False) -> None:
        """Renew the lease of the deploy lock.

        :param now: also where the last renewal was a moment ago
        :raises LockLost: another run has it by now
        """
        try:
            self.renew(now)
        except LockLost:
            raise
        except McpError as error:
            self.progress(f"{self.name}: the deploy lock could not be renewed, trying again: {error.message}")

    def _look(self, begun: float) -> Stack:
        try:
            stack: Stack = self.client.describe_stacks(StackName=self.stack_id)["Stacks"][0]
        except AWS_ERRORS as error:
            if not is_missing(error):
                raise
            return {"StackStatus": "DELETE_COMPLETE", "StackName": self.name, "StackId": self.stack_id}
        fresh = events_after(self.client, self.stack_id, self.last_event)
        if fresh:
            resuming = self.last_event is None
            self.last_event = fresh[-1]["EventId"]
            self.events.extend(last_operation(fresh) if resuming else fresh)
        self._status = stack["StackStatus"]
        self._show(time.monotonic() - begun)
        return stack

    def _has_ended(self, status: str) -> bool:
        """Say whether the status is the operation's own end and not still the one before it."""
        if status == "DELETE_COMPLETE":
            return True
        return any(of_stack_itself(event) and event["ResourceStatus"] == status for event in self.events)

    def _show(self, elapsed: float) -> None:
        """Show the newest event when it is new, and again every half minute."""
        if not self.events:
            return
        event = self.events[-1]
        count = f"{min(count_done(self.events), self.total)}/{self.total} "
        if not self.total or "ROLLBACK" in self._status:
            count = ""
        subject = "" if of_stack_itself(event) else f"{event['LogicalResourceId']} "
        text = f"{self.name} {count}{subject}{event['ResourceStatus']}"
        if text == self._shown and elapsed - self._shown_at < HEARTBEAT_S:
            return
        self._shown, self._shown_at = text, elapsed
        self.progress(f"{text} {elapsed:.0f} s")
