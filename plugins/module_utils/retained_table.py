# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DynamoDB table that outlived its stack: back it up, then remove it."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, McpError, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import HEARTBEAT_S, pauses

# A backup takes seconds whatever the size; deleting a large table takes minutes.
LONGEST_WAIT_S = 1800.0
BECOMES_ACTIVE = ("ACTIVE", "CREATING", "UPDATING")


def wait_until(done: t.Callable[[], bool], what: str, progress: t.Callable[[str], None]) -> None:
    """Ask until it is done, and show from time to time that we still wait.

    :raises McpError: it takes too long (AWS goes on with it)
    """
    began = shown = time.monotonic()
    for pause in pauses(None):
        if done():
            return
        now = time.monotonic()
        if now - began > LONGEST_WAIT_S:
            raise McpError(f"{what} takes longer than {LONGEST_WAIT_S:.0f} s; AWS goes on with it.")
        if now - shown > HEARTBEAT_S:
            progress(f"{what}: {now - began:.0f} s")
            shown = now
        time.sleep(pause)


@dataclass(frozen=True)
class RetainedTable:
    """One table.

    :param client: boto3 client of DynamoDB
    """

    client: t.Any
    name: str
    progress: t.Callable[[str], None]
    kind = "table"

    def find(self) -> dict[str, t.Any] | None:
        """Return DynamoDB's description, None when there is no such table."""
        try:
            table: dict[str, t.Any] = self.client.describe_table(TableName=self.name)["Table"]
        except AWS_ERRORS as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return table

    def exists(self) -> bool:
        """Say whether the table is there."""
        return self.find() is not None

    def is_going(self) -> bool:
        """Say whether its deletion has begun: nothing can be saved or stopped any more."""
        return self._status() == "DELETING"

    def plan_backup(self, name: str) -> dict[str, t.Any]:
        """Return what a backup would hold; DynamoDB counts about every six hours."""
        table = self.find() or {}
        return self._as_backup(f"backup {name}", table.get("ItemCount", 0), table.get("TableSizeBytes", 0))

    def back_up(self, name: str) -> dict[str, t.Any]:
        """Make an on-demand backup and wait for it.

        :raises McpError: the table cannot be backed up, or the backup is not one of this table
        """
        self._wait_for_active()
        self.progress(f"table {self.name}: making the backup {name}")
        arn = self.client.create_backup(TableName=self.name, BackupName=name)["BackupDetails"]["BackupArn"]
        wait_until(lambda: self._is_available(arn), f"The backup {arn}", self.progress)
        backup = self._describe_backup(arn)
        source, table = backup["SourceTableDetails"], self.find() or {}
        if source["TableId"] != table.get("TableId"):
            raise McpError(f"The backup {arn} is of another table than {self.name} as it is now.")
        self.progress(f"table {self.name}: the backup is available")
        return self._as_backup(arn, source.get("ItemCount", 0), backup["BackupDetails"].get("BackupSizeBytes", 0))

    def remove(self) -> None:
        """Delete the table and wait until it is gone."""
        table = self.find() or {}
        if table.get("TableStatus") not in (None, "DELETING"):
            if table.get("DeletionProtectionEnabled"):
                self.client.update_table(TableName=self.name, DeletionProtectionEnabled=False)
            self._wait_for_active()
            self.client.delete_table(TableName=self.name)
        wait_until(lambda: not self.exists(), f"Deleting the table {self.name}", self.progress)

    def _as_backup(self, target: str, objects: int, size: int) -> dict[str, t.Any]:
        return {"resource": self.name, "kind": self.kind, "target": target, "objects": objects, "bytes": size}

    def _status(self) -> str | None:
        return (self.find() or {}).get("TableStatus")

    def _wait_for_active(self) -> None:
        wait_until(self._is_active, f"Waiting until the table {self.name} is ACTIVE", self.progress)

    def _is_active(self) -> bool:
        status = self._status()
        if status not in BECOMES_ACTIVE:
            raise McpError(
                f"The table {self.name} is {status}, but only an ACTIVE one can be backed up and deleted. "
                f"Look at it with: aws dynamodb describe-table --table-name {self.name}"
            )
        return status == "ACTIVE"

    def _describe_backup(self, arn: str) -> dict[str, t.Any]:
        backup: dict[str, t.Any] = self.client.describe_backup(BackupArn=arn)["BackupDescription"]
        return backup

    def _is_available(self, arn: str) -> bool:
        status = self._describe_backup(arn)["BackupDetails"]["BackupStatus"]
        if status not in ("CREATING", "AVAILABLE"):
            raise McpError(f"The backup {arn} of the table {self.name} is {status}, not AVAILABLE.")
        return bool(status == "AVAILABLE")
