# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of RDS that have to do with a server: create, modify, delete, start, stop, reboot, snapshots, restores."""

from __future__ import annotations

import functools
import secrets
import shutil
import typing as t

from databases import Answer, Params, Record, is_ours

if t.TYPE_CHECKING:
    from pathlib import Path

    from databases import Databases

Handler = t.Callable[[Params], Answer]


class Calls:
    """The calls.

    :param databases: whose servers they change
    """

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        self.service = databases.service

    def install(self) -> None:
        """Put them in front of the emulator's own."""
        actions = self.service._ACTION_MAP
        for name, wrapper in (
            ("CreateDBInstance", self._created),
            ("DeleteDBInstance", self._deleted),
            ("ModifyDBInstance", self._modified),
            ("StartDBInstance", self._started),
            ("StopDBInstance", self._stopped),
            ("RebootDBInstance", self._rebooted),
            ("DeleteDBSnapshot", self._snapshot_deleted),
            ("RestoreDBInstanceFromDBSnapshot", self._restored),
        ):
            actions[name] = functools.partial(wrapper, actions[name])
        self._restore = self.service._restore_from_snapshot
        actions["RestoreDBInstanceToPointInTime"] = self._restored_to_now

    def _named(self, params: Params) -> Record | None:
        found = self.service._resolve_instance(self.service._p(params, "DBInstanceIdentifier"))
        return found if is_ours(found) else None

    def _told(self, action: str, record: Record) -> Answer:
        answer = self.service._single_instance_response(f"{action}Response", f"{action}Result", record)
        return t.cast(Answer, answer)

    def _created(self, handler: Handler, params: Params) -> Answer:
        answer = handler(params)
        record = self._named(params)
        if answer[0] != 200 or record is None:
            return answer
        self.databases.in_background(record, self.databases.make)
        return self._told("CreateDBInstance", record)

    def _deleted(self, handler: Handler, params: Params) -> Answer:
        record = self._named(params)
        skips = self.service._p(params, "SkipFinalSnapshot") == "true"
        if record and not skips and not self.service._p(params, "FinalDBSnapshotIdentifier"):
            text = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            return t.cast(Answer, self.service._error("InvalidParameterCombination", text, 400))
        answer = handler(params)
        if answer[0] == 200 and record is not None:
            self.databases.server(record).remove()
        return answer

    def _modified(self, handler: Handler, params: Params) -> Answer:
        record, name = self._named(params), self.service._p(params, "NewDBInstanceIdentifier")
        if record and name and name in self.service._instances:
            return t.cast(Answer, self.service._error("DBInstanceAlreadyExists", f"DBInstance {name} exists.", 400))
        answer = handler(params)
        if answer[0] == 200 and record is not None and name:
            told = self._told("ModifyDBInstance", record)
            if self.service._p(params, "ApplyImmediately") == "true":
                self.databases.rename(record, name)
            return told
        return answer

    def _started(self, handler: Handler, params: Params) -> Answer:
        answer, record = handler(params), self._named(params)
        if answer[0] == 200 and record is not None:
            self.databases.run(record)
        return answer

    def _stopped(self, handler: Handler, params: Params) -> Answer:
        answer, record = handler(params), self._named(params)
        if answer[0] == 200 and record is not None:
            self.databases.server(record).stop()
        return answer

    def _rebooted(self, handler: Handler, params: Params) -> Answer:
        record = self._named(params)
        if record is not None and record["DBInstanceStatus"] == "available":
            self.databases.server(record).stop()
            self.databases.run(record)
        return handler(params)

    def _snapshot_deleted(self, handler: Handler, params: Params) -> Answer:
        answer = handler(params)
        if answer[0] == 200:
            folder = self.databases.snapshot(self.service._p(params, "DBSnapshotIdentifier"))
            shutil.rmtree(folder, ignore_errors=True)
        return answer

    def _restored(self, handler: Handler, params: Params) -> Answer:
        answer, record = handler(params), self._named(params)
        if answer[0] != 200 or record is None:
            return answer
        self._complete(record, params)
        source = self.databases.snapshot(self.service._p(params, "DBSnapshotIdentifier"))
        self.databases.in_background(record, self.databases.make, source)
        return self._told("RestoreDBInstanceFromDBSnapshot", record)

    def _complete(self, record: Record, params: Params) -> None:
        """Take what a restore may give and the emulator leaves out."""
        groups = self.service._parse_member_list(params, "VpcSecurityGroupIds")
        if groups:
            record["VpcSecurityGroups"] = [{"VpcSecurityGroupId": name, "Status": "active"} for name in groups]
        name = self.service._p(params, "DBSubnetGroupName")
        record["DBSubnetGroup"] = self.service._subnet_groups.get(name) or record["DBSubnetGroup"]
        record["DeletionProtection"] = self.service._p(params, "DeletionProtection") == "true"
        record["IAMDatabaseAuthenticationEnabled"] = (
            self.service._p(params, "EnableIAMDatabaseAuthentication") == "true"
        )
        record["TagList"] = self.service._parse_tags(params) or record["TagList"]
        self.service._tags[record["DBInstanceArn"]] = record["TagList"]
        record["_MasterUserPassword"] = ""  # whatever it was in the copy

    def _restored_to_now(self, params: Params) -> Answer:
        """RestoreDBInstanceToPointInTime, which the emulator does not know: the point is the present."""
        name = self.service._p(params, "SourceDBInstanceIdentifier")
        source = self.service._resolve_instance(name)
        if not is_ours(source):
            return t.cast(Answer, self.service._error("DBInstanceNotFound", f"DBInstance {name} not found.", 404))
        moment = f"present-{secrets.token_hex(8)}"
        self.service._create_snapshot_internal(moment, source)
        asked = {**params, "DBInstanceIdentifier": params.get("TargetDBInstanceIdentifier", "")}
        answer = self._restore({**asked, "DBSnapshotIdentifier": moment})
        self.service._snapshots.pop(moment)
        folder, record = self.databases.snapshot(moment), self._named(asked)
        if answer[0] != 200 or record is None:
            shutil.rmtree(folder, ignore_errors=True)
            return t.cast(Answer, answer)
        self._complete(record, params)
        self.databases.in_background(record, self._make_of, folder)
        return self._told("RestoreDBInstanceToPointInTime", record)

    def _make_of(self, record: Record, folder: Path) -> None:
        """Make a server of a copy that nobody else needs."""
        try:
            self.databases.make(record, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
