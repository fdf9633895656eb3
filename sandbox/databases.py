# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the emulated RDS have a real PostgreSQL behind every instance of the engine postgres (see postgres.py).

The emulator starts one only with Docker, and none for stacks. A snapshot is a copy of the server, a restored instance
a second server of that copy, and a restore to a point in time takes the present. Clusters and other engines are left
as they are.
"""

from __future__ import annotations

import contextvars
import functools
import json
import shutil
import threading
import typing as t
from pathlib import Path

import instances
import postgres
import processes

FOLDER = "databases"
FIRST_PORT, PORTS = 220, 8
ADDRESS = "127.0.0.1"
TYPE = "AWS::RDS::DBInstance"

Record = dict[str, t.Any]
Params = dict[str, t.Any]
Answer = tuple[int, dict[str, str], bytes]


def is_ours(record: Record | None) -> t.TypeGuard[Record]:
    """Tell whether an instance is one that gets a server."""
    return record is not None and record["Engine"] == "postgres" and not record.get("DBClusterIdentifier")


class Databases:
    """The servers of one sandbox.

    :param directory: the sandbox's
    :param port: of the emulated AWS
    :param service: the emulator's module of RDS
    """

    def __init__(self, directory: Path, port: int, service: t.Any) -> None:
        self.folder = directory / FOLDER
        self.first_port = port + FIRST_PORT
        self.service = service
        self.lock = threading.RLock()

    def server(self, record: Record) -> postgres.Server:
        """Return the server of an instance."""
        return postgres.Server(self.folder / str(record["DbiResourceId"]))

    def snapshot(self, name: str) -> Path:
        """Return the folder of a snapshot of the caller's account and region."""
        return self.folder / "snapshots" / f"{self.service.get_account_id()}-{self.service.get_region()}-{name}"

    def port_of(self, record: Record) -> int:
        """Return the port of an instance's name: like its address on AWS it goes with the name, not with the data."""
        path = self.folder / "ports.json"
        with self.lock:
            known: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            arn = record["DBInstanceArn"]
            if arn not in known:
                there = {item["DBInstanceArn"] for item in self.service._instances._data.values()}
                taken = {port for name, port in known.items() if name in there}
                known = {name: port for name, port in known.items() if name in there}
                known[arn] = instances.free_port(self.first_port, PORTS, taken)
                self.folder.mkdir(exist_ok=True, mode=0o700)
                path.write_text(json.dumps(known, indent=1), encoding="utf-8")
            return known[arn]

    def run(self, record: Record) -> None:
        """Start an instance's server, and say where it is."""
        port = self.port_of(record)
        server = self.server(record)
        if server.port not in (0, port):
            server.stop()
        server.start(port)
        record["Endpoint"] = {**record["Endpoint"], "Address": ADDRESS, "Port": port}
        record["DBInstanceStatus"] = "available"

    def make(self, record: Record, source: Path | None = None) -> None:
        """Make an instance's server, of a copy where there is one, and start it.

        :raises DatabaseFailed: there is none
        """
        server = self.server(record)
        try:
            if source is None:
                user, password = record["MasterUsername"], record["_MasterUserPassword"]
                server.make(user, password, record.get("DBName") or "mydb")
            else:
                self.folder.mkdir(exist_ok=True, mode=0o700)
                shutil.copytree(source, server.folder, symlinks=True)
            self.run(record)
        except (OSError, postgres.DatabaseFailed) as error:
            record["DBInstanceStatus"] = "failed"
            raise postgres.DatabaseFailed(f"{record['DBInstanceIdentifier']}: {error}") from error

    def in_background(self, record: Record, work: t.Callable[..., None], *arguments: t.Any) -> None:
        """Do what takes time, in the caller's account and region; the instance is being created until then."""
        record["DBInstanceStatus"] = "creating"

        def run() -> None:
            try:
                work(record, *arguments)
            except Exception:
                record["DBInstanceStatus"] = "failed"
                self.service.logger.exception("PostgreSQL for %s", record["DBInstanceIdentifier"])

        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()

    def take_snapshot(self, name: str, record: Record) -> None:
        """Copy an instance's server."""
        if is_ours(record) and self.server(record).runs():
            self.server(record).copy_to(self.snapshot(name))

    def set_password(self, record: Record, password: str) -> None:
        """Give the master user another password."""
        user = postgres.identifier(record["MasterUsername"])
        self.server(record).execute(f"ALTER ROLE {user} PASSWORD {postgres.literal(password)}")

    def rename(self, record: Record, name: str) -> None:
        """Let an instance have another name, and with it the address of that name."""
        self.service._instances.pop(record["DBInstanceIdentifier"])
        arn = record["DBInstanceArn"].rpartition(":")[0] + f":{name}"
        self.service._tags[arn] = self.service._tags.pop(record["DBInstanceArn"], [])
        record.update(DBInstanceIdentifier=name, DBInstanceArn=arn)
        self.service._instances[name] = record
        self.run(record)

    def install(self) -> None:
        """Put this into the emulator's calls and stacks."""
        import database_calls
        from ministack.services.cloudformation import provisioners

        service = self.service
        database_calls.Calls(self).install()
        self._install_stacks(provisioners)
        snapshot, reset = service._create_snapshot_internal, service.reset

        @functools.wraps(snapshot)
        def taken(name: str, record: Record) -> t.Any:
            self.take_snapshot(name, record)
            return snapshot(name, record)

        def resumed(name: str, record: Record) -> None:
            if is_ours(record) and self.server(record).data.is_dir() and record["DBInstanceStatus"] != "stopped":
                self.run(record)
            else:
                service._instance_available_unless_stopped(record)

        def emptied() -> None:
            end_all(self.folder.parent)
            shutil.rmtree(self.folder, ignore_errors=True)
            reset()

        service._create_snapshot_internal = taken
        service._start_rds_container_for_instance = resumed
        service._rotate_instance_password = lambda record, old, new: self.set_password(record, new)
        service.reset = emptied

    def _install_stacks(self, provisioners: t.Any) -> None:
        handlers = provisioners._RESOURCE_HANDLERS[TYPE]
        create, update, delete = (handlers[name] for name in ("create", "update", "delete"))

        @functools.wraps(create)
        def created(logical_id: str, properties: Params, stack_name: str) -> t.Any:
            name, attributes = create(logical_id, properties, stack_name)
            record = self.service._instances[name]
            if not is_ours(record):
                return name, attributes
            source = properties.get("DBSnapshotIdentifier")
            try:
                self.make(record, self.snapshot(source) if source else None)
            except postgres.DatabaseFailed:
                self.service._instances.pop(name, None)
                raise
            return name, provisioners._rds_db_instance_attrs(record)

        @functools.wraps(update)
        def updated(name: str, old: Params, new: Params, *rest: t.Any) -> t.Any:
            record = self.service._instances.get(name)
            endpoint = dict(record["Endpoint"]) if record else {}
            answer = update(name, old, new, *rest)
            if answer[0] != name or not is_ours(record):
                return answer
            record["Endpoint"] = endpoint  # the template's port is not where it listens
            password = new.get("MasterUserPassword")
            if password not in (None, old.get("MasterUserPassword")):
                self.set_password(record, password)
            return name, provisioners._rds_db_instance_attrs(record)

        @functools.wraps(delete)
        def deleted(name: str, properties: Params) -> None:
            record = self.service._instances.get(name)
            if record and record.get("DeletionProtection"):
                raise ValueError(
                    "Cannot delete protected DB Instance, please disable deletion protection and try again."
                )
            delete(name, properties)
            if is_ours(record):
                self.server(record).remove()

        handlers.update(create=created, update=updated, delete=deleted)
        provisioners._rds_db_instance_create, provisioners._rds_db_instance_delete = created, deleted


def end_all(directory: Path) -> int:
    """End every server of a sandbox in its orderly way; return how many there were."""
    found = [postgres.Server(path.parent) for path in (directory / FOLDER).glob("*/pid.json")]
    running = [server for server in found if server.port]
    for server in found:
        server.stop()
    return len(running) + (processes.kill_by_text(f"{directory / FOLDER}/") if found else 0)
