# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input through the real playbooks: one clear reason, and nothing half-made."""

from __future__ import annotations

import re
import threading
import typing as t
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import SandboxFailed, TestSandbox, free_ports
from tests.support.moments import Proxy
from tests.support.playbook import PlaybookRun
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e

EXPIRED = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""
DESTROY = "playbooks/destroy.yml"


@pytest.fixture(scope="module")
def world(sandbox: TestSandbox, private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An environment that is deployed and stays as it is, whatever is typed."""
    folder = tmp_path_factory.mktemp("bad")
    project = copy_project(ROOT, folder / "project")
    link_collection(project)
    world = World(sandbox, project, folder, shared_packages(private_home), "whole")
    world.run().require()
    return world


@pytest.fixture
def nowhere(world: World) -> World:
    """An environment that is not deployed yet."""
    return World(world.sandbox, world.project, world.folder / "nowhere", world.packages, "nowhere")


def everything(world: World) -> dict[str, t.Any]:
    """Return what the emulated AWS has of all environments, with what tells a change."""
    stacks = world.client("cloudformation").describe_stacks()["Stacks"]
    return {
        "stacks": {stack["StackName"]: (stack["StackStatus"], stack.get("LastUpdatedTime")) for stack in stacks},
        "buckets": [bucket["Name"] for bucket in world.client("s3").list_buckets()["Buckets"]],
        "environment": world.inventory(),
    }


def reasons(run: PlaybookRun) -> set[str]:
    """Return the reasons that a run gives, without Ansible's words before them."""
    found = re.findall(r"^\[ERROR\]: (?:Task failed: )?(?:Action failed: )?(.*)", run.output, re.MULTILINE)
    return {reason.strip() for reason in found}


def require_refused(run: PlaybookRun, *parts: str) -> None:
    """The run ended with one reason, which has these parts."""
    run.require(2)
    (reason,) = reasons(run)
    for part in parts:
        assert part in reason, f"'{part}' is not in: {reason}"
    assert "Traceback" not in run.output
    assert "unexpected" not in run.output.lower()


@dataclass(frozen=True)
class Bad:
    """Something typed wrong.

    :param typed: what comes after the inventories
    :param parts: what the answer has to say
    :param playbook: what it is typed for
    """

    name: str
    typed: dict[str, str]
    parts: tuple[str, ...]
    playbook: str = "deploy.yml"


TYPED = [
    Bad(
        "unknown region",
        {"mcp_region": "us-east-9"},
        ("mcp_region is 'us-east-9'", "Allowed: ", "eu-central-1, ", "-e mcp_region=us-east-1"),
    ),
    Bad(
        "wrong account",
        {"mcp_expected_account": "123456789012"},
        ("mcp_expected_account is '123456789012'", "belong to account 000000000000", "AWS_PROFILE", "aws sts"),
    ),
    Bad(
        "misspelt variable",
        {"mcp_regoin": "us-east-1"},
        ("mcp_regoin is not an option. Did you mean mcp_region?", "Nothing was changed", "ansible-doc -t role"),
    ),
    Bad(
        "wrong type",
        {"mcp_lock_lease": "soon"},
        ("mcp_lock_lease is 'soon'", "allowed is a value of type int", "-e mcp_lock_lease="),
    ),
    Bad(
        "wrong choice",
        {"mcp_log_level": "LOUD"},
        ("mcp_log_level is 'LOUD'", "allowed is one of ", "INFO", "-e mcp_log_level="),
    ),
    Bad(
        "endpoint of the sandbox elsewhere",
        {"mcp_aws_endpoint_url": "http://192.0.2.1:4566"},
        ("mcp_aws_endpoint_url is 'http://192.0.2.1:4566'", "only a loopback address is allowed", "make deploy"),
    ),
    Bad(
        "entrypoint without an object",
        {"mcp_app_entrypoint": "my_server.main"},
        ("mcp_app_entrypoint is 'my_server.main'", "allowed is package.module:object", "-e mcp_app_entrypoint="),
    ),
    Bad(
        "report directory that cannot be",
        {"mcp_report_dir": "/dev/null/reports"},
        ("mcp_report_dir", "/dev/null/reports", "-e mcp_report_dir="),
    ),
    Bad(
        "destroy of another environment",
        {"mcp_confirm": "production"},
        ("mcp_confirm is 'production'", "Nothing was removed", "-e mcp_confirm=whole"),
        DESTROY,
    ),
    Bad(
        "foundation without the data",
        {"mcp_confirm": "whole", "mcp_destroy_foundation": "true"},
        ("mcp_destroy_foundation is true but mcp_destroy_data is false", "Nothing was removed", "-e mcp_destroy_data"),
        DESTROY,
    ),
]


@pytest.mark.parametrize("bad", TYPED, ids=lambda bad: bad.name.replace(" ", "-"))
def test_typed_wrong(world: World, bad: Bad) -> None:
    before = everything(world)
    typed = [text for name, value in bad.typed.items() for text in ("-e", f"{name}={value}")]
    require_refused(world.run(*typed, playbook=bad.playbook), *bad.parts)
    assert everything(world) == before


def test_emulator_that_is_not_started(world: World) -> None:
    port = free_ports()
    run = world.run(env={"SANDBOX_PORT": str(port)})
    require_refused(run, f"does not answer at http://127.0.0.1:{port}", "Start it with: make deploy")
    assert run.seconds < 60


def test_port_that_is_taken(sandbox: TestSandbox, tmp_path: Path) -> None:
    other = TestSandbox(tmp_path / "other", port=sandbox.port)
    with pytest.raises(SandboxFailed) as refused:
        other.start()
    for part in (f"SANDBOX_PORT is {sandbox.port}", "is held by the sandbox in", "make deploy SANDBOX_PORT="):
        assert part in str(refused.value)
    assert other.status()["emulator"]["pid"] is None and other.status()["front_door"]["pid"] is None
    assert sandbox.status()["running"]


# Credentials and accounts: without the overlay, as on AWS


def on_aws(world: World, *options: str, **environment: str) -> PlaybookRun:
    """Run without the sandbox's inventory; nothing here leads to AWS."""
    return world.run(*options, env=environment, inventories=("-i", "inventories/production"))


def test_no_credentials(nowhere: World) -> None:
    run = on_aws(nowhere, "-e", "mcp_expected_account=123456789012")
    require_refused(run, "No AWS credentials were found", "AWS_PROFILE", "aws sts get-caller-identity", "make deploy")


class Expired(BaseHTTPRequestHandler):
    """Every call is answered as STS does when a session is over."""

    def log_message(self, format: str, *args: t.Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Refuse."""
        self.send_response(403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(EXPIRED)))
        self.end_headers()
        self.wfile.write(EXPIRED)


@pytest.fixture
def expired_sts() -> t.Iterator[str]:
    """The address of an AWS at which every session is over."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Expired)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_expired_credentials(nowhere: World, expired_sts: str) -> None:
    run = nowhere.run("-e", f"mcp_aws_endpoint_url={expired_sts}")
    require_refused(run, "The AWS credentials have expired (ExpiredToken)", "aws sso login")


def test_first_deploy_that_names_no_account(nowhere: World) -> None:
    """The emulated AWS by a name that is not this machine's: nothing but the name tells it from AWS."""
    before = everything(nowhere)
    with Proxy(to=f"127.0.0.1:{nowhere.sandbox.port}") as proxy:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        run = on_aws(nowhere, "-e", "mcp_aws_endpoint_url=http://aws.test", **keys, **proxy.environment)
    require_refused(run, "a first deploy has to name the account", "-e mcp_expected_account=000000000000")
    assert everything(nowhere) == before


def test_emulator_without_the_overlay(nowhere: World) -> None:
    run = on_aws(nowhere, AWS_ENDPOINT_URL=nowhere.sandbox.endpoint)
    require_refused(run, nowhere.sandbox.endpoint, "mcp_sandbox is not set", "-i inventories/sandbox")


def test_overlay_alone(nowhere: World) -> None:
    run = nowhere.run(inventories=("-i", "inventories/sandbox"))
    require_refused(run, "no host in group mcp", "-i inventories/production -i inventories/sandbox")


# Packages


def make_wheel(folder: Path, source: str) -> tuple[str, ...]:
    """Make a server as a wheel, without a build; return the options that name it."""
    path = folder / "broken_server-1.0-py3-none-any.whl"
    info = "broken_server-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("broken_server/__init__.py", "")
        wheel.writestr("broken_server/main.py", source)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: broken-server\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return "-e", f"mcp_app_source={path}", "-e", "mcp_app_entrypoint=broken_server.main:mcp"


def leftovers(packages: Path) -> list[str]:
    """Return what a build left that is neither a package, nor a whole set of dependencies, nor a lock."""
    whole = {about.parent for about in packages.glob("dependencies/*/[!.]*/about.json")}
    files = [path for path in packages.rglob("*") if path.is_file() and whole.isdisjoint(path.parents)]
    return [str(path) for path in files if path.name not in ("build.lock", "package.zip", "package.json", "checked")]


def test_entrypoint_that_does_not_import(world: World, tmp_path: Path) -> None:
    before = everything(world)
    run = world.run(*make_wheel(tmp_path, "import no_such_library\n"))
    require_refused(
        run,
        "mcp_app_entrypoint is 'broken_server.main:mcp'",
        "No module named 'no_such_library'",
        "Allowed: package.module:object",
        "Then run the same command again",
    )
    assert everything(world) == before
    assert leftovers(world.packages) == []


def test_package_over_the_limit(world: World, tmp_path: Path) -> None:
    before = everything(world)
    server = make_wheel(tmp_path, "async def mcp(scope, receive, send):\n    pass\n")
    run = world.run(*server, "-e", "mcp_package_max_bytes=1000000")
    require_refused(run, "mcp_package_max_bytes is 1000000", "Largest, in MiB: ", "run the same command again")
    assert everything(world) == before
    assert leftovers(world.packages) == []


def test_package_index_that_cannot_be_reached(nowhere: World, tmp_path: Path) -> None:
    before = everything(nowhere)
    index = f"http://127.0.0.1:{free_ports()}/simple"
    unset = dict.fromkeys(("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"), "")
    pip = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1", **unset}
    run = nowhere.run("-e", f"mcp_build_dir={tmp_path / 'cache'}", env=pip)
    require_refused(run, f"The package index {index} cannot be reached", "PIP_INDEX_URL")
    assert everything(nowhere) == before
    assert leftovers(tmp_path / "cache") == []


# Templates

# What is written instead of what, and the answer.
BROKEN = {
    "not YAML": ("\nResources:\n", "\nResources: [\n", ("app.yaml", "line ")),
    "unknown type": (
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::RestApo",
        ("stack mcp-", "app.yaml", "AWS::ApiGateway::RestApo", "Nothing was changed", "--check --diff"),
    ),
    # The emulated AWS takes this one for an update; AWS answers as for the unknown type.
    "unknown reference": ("!Ref AuthorizerTtl", "!Ref AuthorizerTll", ("AuthorizerTll", "neither a parameter nor a")),
}


def broken_copy(world: World, folder: Path, case: str) -> Path:
    """Return a copy of the project with a broken app template."""
    project = world.copy_project(folder / "project")
    path = project / "roles" / "production" / "files" / "app.yaml"
    text = path.read_text(encoding="utf-8")
    old, new, _parts = BROKEN[case]
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return project


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.replace(" ", "-"))
def test_broken_template_of_a_first_deploy(nowhere: World, case: str, tmp_path: Path) -> None:
    before = everything(nowhere)
    require_refused(nowhere.run(project=broken_copy(nowhere, tmp_path, case)), *BROKEN[case][2])
    assert everything(nowhere) == before


@pytest.mark.parametrize("case", ["not YAML", "unknown type"], ids=lambda case: case.replace(" ", "-"))
def test_broken_template_of_an_update(world: World, case: str, tmp_path: Path) -> None:
    before = everything(world)
    require_refused(world.run(project=broken_copy(world, tmp_path, case)), *BROKEN[case][2])
    assert everything(world) == before
