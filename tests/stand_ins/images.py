# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that stand in for the official ones where no image registry can be reached.

``python -m tests.stand_ins.images`` builds what is missing: Debian from its packages (mmdebstrap), on it PostgreSQL 18
and the emulated S3 from the package index, Redis, Prometheus, Alertmanager and the exporters from Debian. They have a
prefix of their own and take over no official name. Each keeps to what the Compose file asks of the official image: its
entry point, variables, folders and the users that may write to them. Grafana's server is in neither index: its stand-in
answers ``/api/health`` and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PREFIX = "mcp-stand-in"
SUITE = "trixie"
PYTHON_VERSION = "3.13"  # Debian 13's
BASE = "debian:13"
PACKAGES = "ca-certificates,libnss-wrapper,wget"
# For instances: the systemd that Amazon Linux 2023 has, 252.
INSTANCE_SUITE = "bookworm"
INSTANCE_BASE = "debian-systemd:12"
INSTANCE_PACKAGES = (
    "ca-certificates,curl,iproute2,logrotate,passwd,procps,python3,python3-venv,systemd,systemd-sysv,util-linux"
)
# In the order in which they build on each other.
IMAGES = {
    "server_base": ("python", f"python:{PYTHON_VERSION}"),
    "postgres": ("postgres", "postgres:18"),
    "redis": ("redis", "redis:8.0"),
    "s3": ("s3", "s3:1.5.33"),
    "prometheus": ("prometheus", "prometheus:2.53"),
    "alertmanager": ("alertmanager", "alertmanager:0.28"),
    "postgres_exporter": ("postgres-exporter", "postgres-exporter:0.17"),
    "redis_exporter": ("redis-exporter", "redis-exporter:1.69"),
    "grafana": ("grafana", "grafana:none"),
}
SOURCE_LABEL = "mcp.stand-in.source"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def names() -> dict[str, str]:
    """Return the images by the names that ``mcp_local_images`` has for them."""
    return {service: f"{PREFIX}/{tag}" for service, (_folder, tag) in IMAGES.items()}


def docker(*arguments: str, quiet: bool = True) -> str:
    """Run the Docker CLI.

    :raises RuntimeError: it failed; the message is the end of what it said
    """
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        errors="replace",
        # The classic builder: a plain engine has no other.
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)} ended with {done.returncode}:\n{(done.stdout or '')[-4000:]}")
    return done.stdout or ""


def digest_of(folder: Path | None, base: str = SUITE) -> str:
    """Return a hash over what an image is built from.

    :param base: what the Debian under it is made of
    """
    total = hashlib.sha256(base.encode())
    if CERTIFICATES.is_file():
        total.update(CERTIFICATES.read_bytes())
    for path in sorted(folder.iterdir()) if folder else []:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def is_built(image: str, digest: str) -> bool:
    """Tell whether an image is there and of today's sources."""
    try:
        (found,) = json.loads(docker("image", "inspect", image))
    except RuntimeError:
        return False
    return (found["Config"].get("Labels") or {}).get(SOURCE_LABEL) == digest


def build_base(tag: str = BASE, suite: str = SUITE, packages: str = PACKAGES, base: str = SUITE) -> None:
    """Make Debian from its packages, with this machine's certificates: a proxy of its network may need its own."""
    image, digest = f"{PREFIX}/{tag}", digest_of(None, base)
    if is_built(image, digest):
        return
    if shutil.which("mmdebstrap") is None:
        raise RuntimeError("mmdebstrap is not installed. Type: sudo apt-get install mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        tar = Path(folder) / "base.tar"
        included = f"--include={packages}"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", included, suite, str(tar)], check=True)
        docker(
            "import", "--change", f"LABEL {SOURCE_LABEL}=", "--change", f"ENV PIP_CERT={CERTIFICATES}", str(tar), image
        )
        if CERTIFICATES.is_file():
            shutil.copy(CERTIFICATES, folder)
        else:
            (Path(folder) / CERTIFICATES.name).touch()
        (Path(folder) / "Dockerfile").write_text(
            f"FROM {image}\nCOPY {CERTIFICATES.name} {CERTIFICATES}\n", encoding="utf-8"
        )
        tar.unlink()
        docker("build", "--tag", image, "--label", f"{SOURCE_LABEL}={digest}", folder)


def build_all() -> dict[str, str]:
    """Build what is missing or has other sources; return all images by service.

    :raises RuntimeError: a build failed
    """
    build_base()
    for folder, tag in IMAGES.values():
        build(folder, tag, SUITE)
    return names()


def build(folder: str, tag: str, base: str) -> str:
    """Build an image from its folder if need be; return its name."""
    image, digest = f"{PREFIX}/{tag}", digest_of(HERE / folder, base)
    if not is_built(image, digest):
        print(f"building {image}", file=sys.stderr, flush=True)
        docker("build", "--tag", image, "--label", f"{SOURCE_LABEL}={digest}", str(HERE / folder))
    return image


def build_instance() -> str:
    """Build what boots user data as an instance does: an image with systemd; return its name.

    :raises RuntimeError: the build failed
    """
    base = f"{INSTANCE_SUITE} {INSTANCE_PACKAGES}"
    build_base(INSTANCE_BASE, INSTANCE_SUITE, INSTANCE_PACKAGES, base)
    return build("instance", "instance:al2023", base)


if __name__ == "__main__":
    print(json.dumps(build_all(), indent=1))
