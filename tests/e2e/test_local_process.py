# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local phase without Docker: up, unchanged, killed in turn under a writer, edited, gone back, restored, removed.

One environment for all of it: a test leaves it as it found it, or says what it needs.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import tempfile
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import psutil
import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.health import Checked, checked, turned
from tests.support.local import DIRECT, INSTRUCTIONS, Local, edited, frozen, is_kept, rows, wait_until, writing
from tests.support.playbook import PlaybookRun
from tests.support.watching import Prometheus, Webhook, needs
from tests.support.world import shared_packages

pytestmark = pytest.mark.e2e
WATCHED = needs("prometheus", "prometheus-alertmanager", "prometheus-postgres-exporter", "prometheus-redis-exporter")
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@pytest.fixture(scope="module")
def webhook() -> t.Iterator[Webhook]:
    """Takes what Alertmanager posts."""
    with Webhook() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, private_home: Path, webhook: Webhook) -> t.Iterator[Local]:
    """A deployed environment of a copy of the working tree; at the end its data are destroyed, its backups are not."""
    project = copy_project(ROOT, tmp_path_factory.mktemp("local") / "project")
    link_collection(project)
    folder = Path(tempfile.mkdtemp(prefix="mcp-local-"))
    made = Local(project, folder, private_home, shared_packages(private_home))
    made.variables["mcp_local_alert_url"] = webhook.url
    try:
        made.play().require()
        yield made
        made.play("playbooks/destroy.yml", mcp_confirm="local", mcp_destroy_data=True).require()
        assert {path.name for path in made.dir.iterdir() if path.is_dir()} <= {"backups", "state"}
        assert listed(made)[0]["why"] == "before the data were removed"
    finally:
        made.end()
        shutil.rmtree(folder)


def serves(local: Local, words: str) -> t.Callable[[], bool]:
    """Return what tells whether the server says these words of itself."""
    return lambda: local.instructions().startswith(words)


def test_second_run_changes_nothing_and_restarts_nothing(local: Local) -> None:
    before = local.pids()
    look = local.play("deploy.yml", "--check").require()
    again = local.play().require()
    assert (look.changed, again.changed) == (0, 0), again.output[-4000:]
    assert local.pids() == before


def test_nothing_listens_beyond_loopback(local: Local) -> None:
    ports = {f"{port:04X}" for port in local.ports.values()}
    found: set[tuple[str, str]] = set()
    for table in ("tcp", "tcp6"):
        lines = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
        found |= {tuple(fields[1].split(":")) for fields in lines if fields[3] == "0A"}  # type: ignore[misc]
    listening = [(address, port) for address, port in found if port in ports]
    assert len(listening) >= len(local.pids())
    assert [address for address, _port in listening if address not in LOOPBACK] == []


def test_no_secret_is_in_a_command_a_log_or_a_report(local: Local) -> None:
    folder = local.dir / "secrets"
    names = ("postgres-password", "redis-password", "grafana-password", "s3-secret-key")
    secrets = {(folder / name).read_text(encoding="utf-8").strip() for name in names} | {local.token}
    keyring = json.loads((folder / "token-key" / "private-key.json").read_text(encoding="utf-8"))
    secrets |= {key["jwk"]["d"] for key in keyring["keys"]}
    assert len(secrets) == len(names) + 2 and min(map(len, secrets)) >= 32
    roots = [psutil.Process(pid) for pid in local.pids().values()]
    shown = {}
    for process in {child for root in roots for child in (root, *root.children(recursive=True))}:
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's come and go
            shown[f"command of {process.pid}"] = " ".join(process.cmdline())
    reports = [path for path in (local.folder / "reports").rglob("*") if path.is_file() and "token" not in path.name]
    shown["a look at its health"] = local.play("playbooks/health.yml", "-vvvvv").require().output
    for name in ("health.json", "health.html"):
        reports.append(local.folder / "reports" / name)
    looked = json.loads((local.folder / "reports" / "local" / "health-token.json").read_text(encoding="utf-8"))
    secrets.add(looked["access_token"])
    for path in (local.dir / "supervisord.conf", local.dir / "server.sh", *(local.dir / "logs").iterdir(), *reports):
        shown[str(path)] = path.read_text(encoding="utf-8")
    assert [where for where, text in shown.items() if any(secret in text for secret in secrets)] == []
    assert all((path.stat().st_mode & 0o077) == 0 for path in (local.dir, folder, local.dir / "data"))
    assert all((path.stat().st_mode & 0o077) == 0 for path in folder.rglob("*"))
    assert (local.dir / ".gitignore").read_text(encoding="utf-8") == "*\n"


# What /ready and its checks say while a service is away.
AWAY: dict[str, t.Callable[[Local], bool]] = {
    "server": lambda local: local.ready()[0] == 0,
    "redis": lambda local: local.ready()[0] == 200 and local.checks()["cache"] == "degraded",
    "postgres": lambda local: local.ready()[0] == 503 and local.checks()["documents"] == "critical",
}


def test_each_service_comes_back_and_every_acknowledged_document_with_it(local: Local) -> None:
    local.wait_until_ready()
    with writing(local) as writer:
        for service, told in AWAY.items():
            writer.wait_for_more()
            with local.away(service):
                wait_until(functools.partial(told, local))
            local.wait_until_ready()
            writer.wait_for_more()
    assert len(writer.acknowledged) >= 2 * 3 * len(AWAY)
    assert [name for name in writer.acknowledged if not is_kept(local, name)] == []


@WATCHED
def test_a_database_that_hangs_is_told_and_others_work_goes_on(local: Local, webhook: Webhook) -> None:
    prometheus = Prometheus(f"http://127.0.0.1:{local.ports['prometheus']}", "20s")
    wait_until(lambda: len(prometheus.ask("up == 1")) == 5 and not prometheus.ask("up == 0"))
    assert prometheus.ask("pg_up") and prometheus.ask("redis_up")
    local.wait_until_ready()
    with frozen(local.pids()["postgres"]):
        wait_until(lambda: local.ready()[0] == 503)
        # Meanwhile, what needs no database.
        before = local.token
        local.play("playbooks/token.yml").require()
        assert local.token != before
        limits = {"tools": {"delete_document": {"enabled": False}}}
        assert local.play("playbooks/limits.yml", mcp_limits=limits).require().changed == 1
        webhook.wait("McpDependencyAway", "firing", 120)
    local.wait_until_ready()
    wait_until(lambda: refuses(local, "delete_document", document_id="none"))


# What a service takes with it: the checks that then say something else.
FALLEN: dict[str, dict[str, str]] = {
    "redis": {"redis": "critical"},
    "prometheus": {"prometheus": "critical"},
    "postgres": {"postgres": "critical", "ready": "critical", "mcp": "critical"},
    "server": {"mcp": "critical", "ready": "critical", "health": "critical"},
}


@WATCHED
def test_a_health_check_tells_exactly_what_is_away(local: Local) -> None:
    local.into_inventory()
    local.wait_until_ready()
    look = functools.partial(checked, local.project, local.home, "local")
    calm = until_calm(look)
    for service, fallen in FALLEN.items():
        with local.away(service):
            during = look()
        assert until_calm(look).statuses == calm.statuses
        found = {check: status for (_local, check), status in turned(calm.statuses, during.statuses).items()}
        assert during.code == 2
        if service != "prometheus" and "prometheus" in found:
            # It watches them all, and tells of this one once it has seen it.
            assert re.search("alert .* fires|target .* is down", during.evidence("local", "prometheus"))
            del found["prometheus"]
        assert found == fallen, service


def until_calm(look: t.Callable[[], Checked]) -> Checked:
    """Look until every check is healthy: the rules of alerts look five minutes back."""
    ends = time.monotonic() + 360
    while True:
        seen = look()
        if (seen.code, set(seen.statuses.values())) == (0, {"healthy"}):
            return seen
        assert time.monotonic() < ends, seen.report["results"]


def refuses(local: Local, tool: str, **arguments: t.Any) -> bool:
    try:
        local.call(tool, **arguments)
    except (Exception, BaseExceptionGroup):
        return True
    return False


def test_upload_is_kept_and_its_link_holds_for_nothing_else(local: Local) -> None:
    link = local.call("create_upload_url", file_id="a.txt", content_type="text/plain", size_bytes=5)
    put(link["url"], b"hello", "text/plain")
    for body, kind in ((b"longer", "text/plain"), (b"hello", "text/html")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            put(link["url"], body, kind)
    local.kill("s3")
    local.wait_until_ready()
    with DIRECT.open(local.call("create_download_url", file_id="a.txt")["url"]) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        DIRECT.open(link["url"].partition("?")[0])


def put(url: str, body: bytes, kind: str) -> None:
    DIRECT.open(urllib.request.Request(url, body, {"Content-Type": kind}, method="PUT")).close()


def test_edit_is_live_and_a_mistake_changes_nothing_but_the_log(local: Local) -> None:
    log = local.dir / "logs" / "server.log"
    began = log.stat().st_size

    def says(text: str) -> bool:
        return text in log.read_bytes()[began:].decode()

    before = local.pids()
    with edited(local.project, "An edited store.") as source:
        wait_until(serves(local, "An edited store."))
        good = source.read_text(encoding="utf-8")
        source.write_text(good + "\nraise RuntimeError('a mistake')\n", encoding="utf-8")
        wait_until(lambda: says("the version before goes on serving"))
        assert says("RuntimeError: a mistake")
        assert serves(local, "An edited store.")() and local.ready()[0] == 200
        source.write_text(good.replace("An edited store.", "A corrected store."), encoding="utf-8")
        wait_until(serves(local, "A corrected store."))
    wait_until(serves(local, INSTRUCTIONS))
    assert local.pids() == before


def test_a_schema_that_somebody_took_back_is_migrated_again(local: Local) -> None:
    local.migrate("downgrade", "0001")
    wait_until(lambda: local.checks()["schema"] == "degraded")
    before = local.pids()
    off = local.play(mcp_migrate=False).require()
    assert off.changed == 0 and re.search(r"degraded:\s+schema: the schema is 0001, older than", off.output)
    look = local.play("deploy.yml", "--check").require()
    assert look.changed > 0 and local.checks()["schema"] == "degraded"
    done = local.play().require()
    assert rows(look) == rows(done) == {"migrate": "update"}, look.output[-4000:]
    assert done.changed > 0 and local.checks()["schema"] == "healthy" and local.pids() == before
    assert local.play().require().changed == 0


@pytest.mark.proof
def test_a_look_predicts_the_deploy_of_an_edit_and_a_rollback_takes_it_back(local: Local) -> None:
    before, first = local.pids(), local.report()["release"]["id"]
    with edited(local.project, "A store of documents."):
        look = local.play("deploy.yml", "--check").require()
        assert look.changed > 0 and local.pids() == before
        done = local.play().require()
        assert rows(look) == rows(done) == {"server": "update", "files": "update"}, look.output[-4000:]
        second = local.report()["release"]["id"]
        after = local.pids()
        assert {name for name in before if before[name] != after[name]} == {"server"} and second != first
        wait_until(serves(local, "A store of documents."))
        local.play("playbooks/rollback.yml").require()
        assert serves(local, INSTRUCTIONS)()
        local.play("playbooks/releases.yml").require()
        listed = local.report("releases")["releases"]
        assert [(row["release"], row["live"]) for row in listed] == [(first, True), (second, False), (first, False)]
    # The source is as it was, and so is its release: what serves is the package, which the next deploy changes.
    local.play().require()
    with edited(local.project, "Followed again."):
        wait_until(serves(local, "Followed again."))
    wait_until(serves(local, INSTRUCTIONS))


def test_a_restore_brings_back_what_was_there_and_keeps_what_it_replaces(local: Local) -> None:
    local.call("save_document", document_id="restored", title="t", text="as it was backed up")
    local.play("playbooks/backup.yml").require()
    kept = backups(local)
    (asked,) = listed(local)
    assert (asked["complete"], asked["why"]) == (True, "asked for") and asked["rows"] > 0
    local.call("save_document", document_id="restored", title="t", text="as it was overwritten")
    local.call("save_document", document_id="later", title="t", text="of after the backup")
    with writing(local) as writer:
        writer.wait_for_more()
        local.play("playbooks/restore.yml", mcp_confirm="local").require()
        writer.wait_for_more()
    assert local.call("get_document", document_id="restored")["text"] == "as it was backed up"
    assert not is_kept(local, "later")
    (replaced,) = backups(local) - kept
    assert [(row["id"], row["why"]) for row in listed(local)] == [
        (replaced, f"before the restore of {asked['id']}"),
        (asked["id"], "asked for"),
    ]
    # What was acknowledged is in what was replaced, or in what serves since.
    dump = (local.dir / "backups" / replaced / "database.sql").read_text(encoding="utf-8")
    assert [name for name in writer.acknowledged if f"{name}\t" not in dump and not is_kept(local, name)] == []
    assert "as it was overwritten" in dump and "later\t" in dump


def listed(local: Local) -> list[dict[str, t.Any]]:
    """Return what the playbook says of the backups."""
    run = local.play("playbooks/backups.yml").require()
    rows: list[dict[str, t.Any]] = local.report("backups")["listed_backups"]
    assert run.changed == 0 and all(row["id"] in run.output for row in rows)
    return rows


def backups(local: Local) -> set[str]:
    """Return the ids of the backups."""
    return {path.name for path in (local.dir / "backups").iterdir() if not path.name.startswith(".")}


@pytest.mark.proof
def test_programs_that_are_gone_from_the_cache_come_back_while_all_goes_on(local: Local, tmp_path: Path) -> None:
    shared, local.packages = local.packages, tmp_path / "cache"
    try:
        local.play().require()
        before = local.pids()
        (programs,) = local.packages.glob("services-*")
        shutil.rmtree(programs)
        look = local.play("deploy.yml", "--check").require()
        assert look.changed > 0 and f"files: update (the programs in {programs} are gone)" in look.output
        assert local.play().require().changed > 0
        assert (programs / "bin" / "supervisord").is_file() and local.pids() == before
        assert local.play().require().changed == 0
    finally:
        local.packages = shared
    local.play().require()


def test_a_new_key_signs_and_a_revoked_one_opens_nothing(local: Local) -> None:
    old = local.token
    local.play("playbooks/rotate_signing_key.yml", mcp_revoke_signing_key=True).require()
    assert jwt.get_unverified_header(local.token)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert local.call("find_documents", query="x") is not None
    request = urllib.request.Request(f"{local.url}/mcp", data=b"{}", headers={"Authorization": f"Bearer {old}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        DIRECT.open(request, timeout=10)
    assert refused.value.code == 401
    assert local.play().require().changed == 0


def test_destroyed_and_deployed_again_it_has_its_data(local: Local, record_property: t.Callable[..., None]) -> None:
    limits = local.dir / "config" / "server" / "limits.json"
    in_force = '{"tools": {"delete_document": {"enabled": false}}}\n'
    limits.write_text(in_force, encoding="utf-8")
    local.call("save_document", document_id="kept", title="kept", text="text")
    local.play("playbooks/destroy.yml", mcp_confirm="local").require()
    assert local.pids() == {} and local.ready()[0] == 0
    assert local.play("playbooks/destroy.yml", mcp_confirm="local").require().changed == 0
    again: PlaybookRun = local.play().require()
    record_property("seconds", again.seconds)
    assert local.call("get_document", document_id="kept")["title"] == "kept"
    assert limits.read_text(encoding="utf-8") == in_force
