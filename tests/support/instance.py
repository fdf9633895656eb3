# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances for tests: a systemd container that boots the real user data, and around it what AWS would be.

S3, Secrets Manager and the rest of AWS are the sandbox's; the database is a real PostgreSQL behind what stands in for
RDS. Auto Scaling's answer to a launch is only kept.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from tests.stand_ins import images
from tests.support import user_data
from tests.support.checkout import ROOT
from tests.support.direct import Issuer
from tests.support.emulated import TestSandbox
from tests.support.rds import Authority, Rds, rds
from tests.support.services import postgres

ACCOUNT = "123456789012"
PYTHON_VERSION = "3.11"  # of the image, and of Amazon Linux 2023
TRUST_STORE, DATABASE = "truststore.test", "database.test"
GROUP, HOOK, LOG_GROUP = "mcp-rehearsal", "mcp-rehearsal-ready", "/mcp/rehearsal/server"
# systemd in a container needs these; with seccomp's own profile its sandboxes fail.
SYSTEMD = ("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--security-opt=seccomp=unconfined", "--cgroupns=host")
FOLDERS = ("--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro", "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec")
ANSWER = '<{0}Response xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><{0}Result/></{0}Response>'


class AutoScaling(ThreadingHTTPServer):
    """Keeps what instances say when their launch ends."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        self.said: list[dict[str, str]] = []
        super().__init__((address, 0), _AutoScalingCall)


class _AutoScalingCall(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer one call."""
        server = t.cast(AutoScaling, self.server)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        call = {name: values[0] for name, values in parse_qs(body).items()}
        server.said.append(call)
        answer = ANSWER.format(call["Action"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class Forward:
    """Carries connections from an address that containers reach to a port of loopback."""

    def __init__(self, address: str, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((address, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Instance:
    """One container; it boots at once."""

    def __init__(self, name: str, image: str, options: t.Sequence[str]) -> None:
        self.name = name
        images.docker("run", "--detach", f"--name={name}", *SYSTEMD, *FOLDERS, *options, image)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command as root; return what it said."""
        done = subprocess.run(["docker", "exec", self.name, *command], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def read(self, path: str) -> str:
        """Return a file's text; nothing while it is not there."""
        return self.run("cat", path, check=False)

    @property
    def boot_log(self) -> str:
        """What the user data has said."""
        return self.read("/var/log/cloud-init-output.log")

    @property
    def address(self) -> str:
        """The address on Docker's bridge."""
        (found,) = json.loads(images.docker("inspect", self.name))
        return str(found["NetworkSettings"]["IPAddress"])

    def unit(self, *names: str) -> dict[str, str]:
        """Return properties of the server's unit."""
        said = self.run("systemctl", "show", "mcp-server.service", f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in said.splitlines())

    def ask(self, path: str, port: int = 8000) -> t.Any:
        """Return the server's JSON answer to a question from the instance itself; None when there is none."""
        said = self.run("curl", "-sS", "-m", "5", f"http://127.0.0.1:{port}{path}", check=False)
        return json.loads(said) if said else None

    def contains(self, secret: str) -> list[str]:
        """Return where a text is: in which files of the whole disk and of memory, in which processes' lines."""
        found = []
        with tempfile.TemporaryDirectory() as folder:
            images.docker("export", f"--output={folder}/disk.tar", self.name)
            if secret.encode() in (Path(folder) / "disk.tar").read_bytes():
                found.append("disk")
        quiet = ("grep", "--recursive", "--files-with-matches", "--fixed-strings", "--", secret, "/run", "/tmp", "/etc")
        found += [path for path in self.run(*quiet, check=False).splitlines() if not path.startswith("/etc/stand-in/")]
        lines = self.run("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'", check=False)
        return found + (["processes"] if secret in lines else [])

    def remove(self) -> None:
        """End it."""
        images.docker("rm", "--force", "--volumes", self.name)


class World:
    """What is around instances; ``boot`` starts one."""

    def __init__(self, folder: Path, sandbox: TestSandbox, gate: Rds, gateway: str, authority: Authority) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.gate = gate
        self.gateway = gateway
        self.authority = authority
        self.issuer = Issuer()
        self.auto_scaling = AutoScaling(gateway)
        self.bucket, self.files = (f"mcp-{name}-{secrets.token_hex(6)}" for name in ("state", "files"))
        self.secrets = {
            "master password": gate.database.password,
            "request-state key": secrets.token_hex(32),
            "secret access key": gate._secret_key,
        }
        self._instances: list[Instance] = []
        self._aws = Forward(gateway, sandbox.port)
        self._trust_store = _trust_store(gateway, authority)
        for server in (self.auto_scaling, self._trust_store):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self._fill()

    def _fill(self) -> None:
        """Make what a stack would have."""
        for bucket in (self.bucket, self.files):
            self.sandbox.client("s3").create_bucket(Bucket=bucket)
        master = {"username": "master", "password": self.secrets["master password"]}
        texts = {
            "master": json.dumps(master),
            "request-state": json.dumps({"value": self.secrets["request-state key"]}),
        }
        client = self.sandbox.client("secretsmanager")
        unique = self.bucket[-6:]
        self.arns = {
            name: client.create_secret(Name=f"{unique}-{name}", SecretString=text)["ARN"]
            for name, text in texts.items()
        }
        self.sandbox.client("ssm").put_parameter(
            Name="/mcp/rehearsal/limits", Value="{}", Type="String", Overwrite=True
        )

    @property
    def public_url(self) -> str:
        """What clients would call the load balancer."""
        return "https://staging.test"

    def user_data(self, package: dict[str, t.Any], **changes: t.Any) -> str:
        """Render the user data of a release for this world."""
        return user_data.render(**self.variables(package, **changes))

    def variables(self, package: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
        """Return what the role would give to the template."""
        address = f"{DATABASE}:{self.gate.port}/mcp?sslmode=verify-full&sslrootcert=/etc/mcp/rds-ca.pem"
        environment = {
            "MCP_ENVIRONMENT": "rehearsal",
            "MCP_RELEASE": package["release"],
            "MCP_PUBLIC_URL": self.public_url,
            "MCP_ALLOWED_HOSTS": "staging.test,127.0.0.1:*",
            "MCP_JWKS": self.issuer.jwks,
            "MCP_METRICS": "emf",
            "MCP_REQUEST_TIMEOUT": "20",
            "MCP_DATABASE_URL": f"postgresql://app@{address}",
            "MCP_DATABASE_AUTH": "iam",
            "MCP_REQUEST_STATE_SECRET": self.arns["request-state"],
            "MCP_LIMITS_PARAMETER": "/mcp/rehearsal/limits",
            "MCP_BUCKET": self.files,
            **changes.pop("environment", {}),
        }
        return {
            **user_data.EXAMPLE,
            "release": package["release"],
            "package_bucket": self.bucket,
            "package_key": package["key"],
            "package_sha256": package["sha256"],
            "python_version": PYTHON_VERSION,
            "environment": environment,
            "master_secret_arn": self.arns["master"],
            "log_group": LOG_GROUP,
            "hook_name": HOOK,
            "group_name": GROUP,
            "database_ca_url": f"https://{TRUST_STORE}:{self._trust_store.server_port}/bundle.pem",
            "abandon_seconds": 1,
            **changes,
        }

    def package(self, build_dir: Path) -> dict[str, t.Any]:
        """Build the reference server's package for instances, and put it into the state bucket."""
        from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import package
        from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context

        options = {
            **{name: option.get("default") for name, option in package.ARGUMENT_SPEC.items()},
            "source": str(ROOT / "app"),
            "entrypoint": "pratiko_mcp.reference.server:mcp",
            "runtime_source": str(ROOT / "app"),
            "target": "ec2-x86_64",
            "python_version": PYTHON_VERSION,
            "build_dir": str(build_dir),
            "max_bytes": 2**40,
            "bucket": self.bucket,
            "state": "uploaded",
        }
        made = package.run(Context(options, lambda service, *_: self.sandbox.client(service)))["release"]
        (found,) = made["packages"]
        return {"release": made["id"], "key": found["key"], "sha256": found["sha256"]}

    def boot(self, script: str) -> Instance:
        """Start an instance with this user data."""
        number = f"i-{secrets.token_hex(8)}"
        mounts = self.mounts(number)
        (self.folder / number / "stand-in" / "user-data").write_text(script, encoding="utf-8")
        options = [f"--add-host={name}:{address}" for name, address in self.hosts.items()]
        options += [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        instance = Instance(number, images.build_instance(), options)
        self._instances.append(instance)
        return instance

    @property
    def hosts(self) -> dict[str, str]:
        """The names that instances have to know."""
        return dict.fromkeys((TRUST_STORE, DATABASE), self.gateway)

    def mounts(self, number: str) -> dict[str, str]:
        """Make what an instance finds in its container, but the user data; return where each belongs."""
        folder = self.folder / number
        (folder / "stand-in").mkdir(parents=True)
        (folder / "stand-in" / "metadata.json").write_text(self._metadata(number), encoding="utf-8")
        trusted = folder / "ca-certificates.crt"
        shutil.copy(images.CERTIFICATES, trusted)
        trusted.write_bytes(trusted.read_bytes() + self.authority.path.read_bytes())
        endpoints = f"AWS_ENDPOINT_URL=http://{self.gateway}:{self._aws.port} "
        endpoints += f"AWS_ENDPOINT_URL_AUTO_SCALING=http://{self.gateway}:{self.auto_scaling.server_port}"
        (folder / "endpoints.conf").write_text(f"[Manager]\nDefaultEnvironment={endpoints}\n", encoding="utf-8")
        return {
            str(folder / "stand-in"): "/etc/stand-in",
            str(trusted): str(images.CERTIFICATES),
            str(folder / "endpoints.conf"): "/etc/systemd/system.conf.d/endpoints.conf",
        }

    def _metadata(self, number: str) -> str:
        role = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": "test",
            "SecretAccessKey": self.secrets["secret access key"],
            "Token": "a-session-token",
            "LastUpdated": "2026-11-23T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        credentials = "/meta-data/iam/security-credentials"
        texts = {
            "/meta-data/instance-id": number,
            "/meta-data/placement/region": "us-east-1",
            credentials: "mcp-rehearsal-server",
            f"{credentials}/mcp-rehearsal-server": json.dumps(role),
        }
        return json.dumps(texts)

    def verdict(self, instance: Instance, seconds: float = 300) -> str:
        """Wait until an instance has told Auto Scaling how its launch ended; return CONTINUE or ABANDON."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for call in self.auto_scaling.said:
                if call.get("InstanceId") == instance.name:
                    assert (call["Action"], call["AutoScalingGroupName"], call["LifecycleHookName"]) == (
                        "CompleteLifecycleAction",
                        GROUP,
                        HOOK,
                    )
                    return call["LifecycleActionResult"]
            time.sleep(0.5)
        raise AssertionError(f"no verdict within {seconds:g} s:\n{instance.boot_log[-6000:]}")

    def token(self) -> str:
        """Sign an access token for the server."""
        return self.issuer.token(self.public_url, scope="documents:read documents:write")

    def close(self) -> None:
        """Remove what was started."""
        for instance in self._instances:
            instance.remove()
        self._aws.close()
        for server in (self.auto_scaling, self._trust_store):
            server.shutdown()
            server.server_close()


def _trust_store(address: str, authority: Authority) -> ThreadingHTTPServer:
    """Return what hands out the certificates of RDS, over TLS."""

    class Bundle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(authority.path.read_bytes())

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((address, 0), Bundle)
    server.daemon_threads = True
    tls: ssl.SSLContext = authority.server_tls(TRUST_STORE)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    return server


def bridge() -> str:
    """Return this machine's address on Docker's bridge."""
    (network,) = json.loads(images.docker("network", "inspect", "bridge"))
    return str(network["IPAM"]["Config"][0]["Gateway"])


@contextlib.contextmanager
def world(folder: Path, sandbox: TestSandbox) -> t.Iterator[World]:
    """Make a world with a database of its own, which is away until ``gate.open()``."""
    gateway, authority = bridge(), Authority.make(folder)
    tls = authority.server_tls(DATABASE)
    key = secrets.token_hex(20)
    with postgres() as database, rds(database, tls, DATABASE, key, address=gateway) as gate:
        made = World(folder, sandbox, gate, gateway, authority)
        try:
            yield made
        finally:
            made.close()


def exposure(security: str) -> float:
    """Return the score in what ``systemd-analyze security`` says."""
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", security)
    assert found, security[-500:]
    return float(found.group(1))


def main() -> None:
    """Keep a world for a scenario that boots instances itself: ``python -m tests.support.instance FOLDER``.

    ``world.json`` says what it needs; ``verdicts.json`` what instances have said. The file ``stop`` ends it.
    """
    from tests.conftest import _make_collection_importable

    _make_collection_importable()
    folder = Path(sys.argv[1])
    sandbox = TestSandbox(folder / "sandbox")
    try:
        with world(folder, sandbox.start()) as made:
            made.gate.open()
            _offer(made)
            while not (folder / "stop").exists():
                replace(folder / "verdicts.json", made.auto_scaling.said)
                time.sleep(0.5)
    finally:
        sandbox.stop()
        replace(folder / "stopped.json", True)


def _offer(made: World) -> None:
    """Say how an instance of this world is started, and what its user data is rendered from."""
    number = "i-rehearsal"
    offer = {
        "name": f"mcp-instance-{secrets.token_hex(4)}",
        "instance_id": number,
        "image": images.build_instance(),
        "folder": str(made.folder / number / "stand-in"),
        "mounts": [f"{source}:{target}:ro" for source, target in made.mounts(number).items()],
        "hosts": made.hosts,
        "user_data": made.variables(made.package(made.folder / "packages")),
        "secrets": list(made.secrets.values()),
    }
    replace(made.folder / "world.json", offer)


def replace(path: Path, content: t.Any) -> None:
    """Write JSON so that a reader finds all of it or what was there before."""
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(path)


if __name__ == "__main__":
    main()
