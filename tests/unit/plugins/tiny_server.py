# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server project, a runtime and a package index that are folders: packages are built without the network."""

from __future__ import annotations

import hashlib
import json
import os
import sysconfig
import typing as t
import zipfile
from pathlib import Path

LOCKED = ("helper-1.0", "tokens-3.0")
# A build backend inside the project: no build needs the network.
BACKEND = """
import zipfile, pathlib, tomllib
def build_wheel(folder, config_settings=None, metadata_directory=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    base = f"{project['name']}-{project['version']}"
    name = base + "-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        for path in pathlib.Path("src").rglob("*.py"):
            wheel.write(path, path.relative_to("src"))
        needs = "".join(f"Requires-Dist: {need}\\n" for need in project.get("dependencies", []))
        about = f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n"
        wheel.writestr(f"{base}.dist-info/METADATA", about + needs)
        wheel.writestr(f"{base}.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        files = "".join(entry + ",,\\n" for entry in wheel.namelist())
        wheel.writestr(f"{base}.dist-info/RECORD", files + f"{base}.dist-info/RECORD,,\\n")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1.0"
dependencies = {dependencies}
"""
SERVER = "import helper, boto3\nasync def app(scope, receive, send):\n    pass\nnumber = 1\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str], tag: str = "py3-none-any") -> Path:
    """Write a wheel by hand; an entry ``Requires-Dist`` in ``files`` becomes metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    needs = files.pop("Requires-Dist", "")
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    files[f"{info}/METADATA"] = about
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    files[f"{info}/RECORD"] = "".join(f"{entry},,\n" for entry in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for entry, text in files.items():
            wheel.writestr(entry, text)
    return path


def make_project(root: Path, server: str = SERVER, dependencies: t.Sequence[str] = ("helper>=1", "boto3")) -> Path:
    files = {"backend.py": BACKEND, "src/tiny/__init__.py": "", "src/tiny/server.py": server}
    return write(root, {**files, "pyproject.toml": PYPROJECT.format(dependencies=json.dumps(list(dependencies)))})


def make_index(folder: Path) -> Path:
    """Fill a folder with the wheels that servers and runtime of these tests want."""
    make_wheel(folder, "helper", "1.0", {"helper/__init__.py": "", "helper/tests/test_x.py": "x = 1\n"})
    make_wheel(folder, "helper", "2.0", {"helper/__init__.py": "new = 1\n"})
    make_wheel(folder, "boto3", "1.0", {"boto3/__init__.py": "", "Requires-Dist": "botocore"})
    make_wheel(folder, "botocore", "1.0", {"botocore/__init__.py": ""})
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    make_wheel(folder, "binary", "1.0", {"binary.py": "machine = 'here'\n"}, f"py3-none-{here}")
    make_wheel(folder, "binary", "1.0", {"binary.py": "machine = 'arm'\n"}, "py3-none-manylinux_2_17_aarch64")
    make_wheel(folder, "tokens", "3.0", {"tokens.py": "version = 3\n"})
    make_wheel(folder, "tokens", "2.0", {"tokens.py": "version = 2\n"})
    make_wheel(folder, "served", "1.2", {"served.py": "async def app(scope, receive, send): pass\n"})
    return folder


def make_runtime(root: Path, index: Path) -> Path:
    """Write a runtime with two locked requirements."""
    digests = {name: hashlib.sha256((index / f"{name}-py3-none-any.whl").read_bytes()).hexdigest() for name in LOCKED}
    lock = "".join(
        f"{name.replace('-', '==')} \\\n    --hash=sha256:{digest}\n    # via x\n" for name, digest in digests.items()
    )
    return write(root, {"src/pratiko_mcp/__init__.py": "import tokens\n", "requirements.lock": lock})


def pip_settings(index: Path) -> dict[str, str]:
    """Return the variables with which pip sees this index, no other, and no settings of the person's."""
    return {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
