# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of an MCP server: its id, and its packages in the cache and in the bucket."""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_build,
    package_check,
    package_install,
    package_source,
    package_target,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION, lock_kept
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
    BucketMissing,
    Stored,
    to_json,
)

ATTEMPTS = 5
ARGUMENT_SPEC: dict[str, t.Any] = {
    "source": {"type": "str", "required": True},
    "entrypoint": {"type": "str", "required": True},
    "runtime_source": {"type": "path", "required": True},
    "target": {"type": "str", "required": True, "choices": package_target.TARGETS},
    "sandbox_python": {"type": "path"},
    "python_version": {"type": "str", "default": "3.13"},
    "build_dir": {"type": "path", "default": "~/.cache/pratikoai-mcp-servers"},
    "bucket": {"type": "str"},
    "bucket_owner": {"type": "str"},
    "max_bytes": {"type": "int", "default": 262144000},
    "check_environment": {"type": "dict", "default": {}},
    "lock": LOCK_OPTION,
    "state": {"type": "str", "choices": ["present", "unpacked", "uploaded"], "default": "present"},
}
SPEC_OPTIONS: dict[str, t.Any] = {"required_if": [("state", "uploaded", ("bucket",))]}


class Release(t.NamedTuple):
    """One release and where its description lies."""

    id: str
    entrypoint: str
    python_version: str
    source: str

    @property
    def record_key(self) -> str:
        """Return the key of release.json."""
        return f"releases/{self.id}/release.json"

    def key(self, target: str) -> str:
        """Return the key of one target's package."""
        return f"releases/{self.id}/{target}.zip"


def identify(params: dict[str, t.Any]) -> tuple[Release, package_source.Source]:
    """Return the release that the options describe."""
    package_check.check_form(params["entrypoint"])
    source = package_source.parse_source(params["source"])
    version, entrypoint = params["python_version"], params["entrypoint"]
    digits = package_source.release_id(source, params["runtime_source"], version, entrypoint)
    return Release(digits, entrypoint, version, source.label), source


def packages_of(bucket: Bucket, key: str, stored: Stored | None) -> dict[str, dict[str, t.Any]]:
    """Return the packages in a release.json by target."""
    record = bucket.parse(key, stored) if stored else {"packages": []}
    try:
        return {str(package["target"]): dict(package) for package in record["packages"]}
    except (KeyError, TypeError, ValueError) as error:
        raise McpError(
            f"{bucket.url(key)} is no description of a release ({error!r}). Nothing was overwritten. Its earlier "
            f"versions: aws s3api list-object-versions --bucket {bucket.name} --prefix {key}  To have it made again: "
            f"aws s3 rm {bucket.url(key)}"
        ) from error


def recorded(bucket: Bucket | None, release: Release) -> dict[str, dict[str, t.Any]]:
    """Return the packages that the bucket has (none when there is no bucket yet)."""
    if bucket is None:
        return {}
    try:
        return packages_of(bucket, release.record_key, bucket.read(release.record_key))
    except BucketMissing:
        return {}


def is_uploaded(bucket: Bucket | None, package: dict[str, t.Any] | None) -> bool:
    """Tell whether a recorded package still lies in the bucket."""
    return bool(bucket and package and bucket.size(package["key"]) == package["bytes"])


def upload_zip(bucket: Bucket, package: dict[str, t.Any]) -> dict[str, t.Any]:
    """Upload a package; one that is there already (an upload that was killed before its record) wins."""
    key = package["key"]
    with pathlib.Path(package["path"]).open("rb") as stream:
        if bucket.write(key, stream, IfNoneMatch="*", ContentType="application/zip"):
            return package
    stored = bucket.read(key)
    if stored is None:
        raise McpError(f"{bucket.url(key)} appeared and vanished during the upload. Run the same command again.")
    return {**package, "path": None, "sha256": hashlib.sha256(stored.body).hexdigest(), "bytes": len(stored.body)}


def recordable(package: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a package's description as other machines may read it: without this machine's path."""
    return {name: value for name, value in package.items() if name != "path"}


def record(bucket: Bucket, release: Release, package: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Add a package to release.json, beside those that other runs add; return all."""
    for _attempt in range(ATTEMPTS):
        stored = bucket.read(release.record_key)
        packages = packages_of(bucket, release.record_key, stored)
        packages[package["target"]] = recordable(package)
        body = to_json({**release._asdict(), "packages": [packages[name] for name in sorted(packages)]})
        condition = {"IfMatch": stored.etag} if stored else {"IfNoneMatch": "*"}
        if bucket.write(release.record_key, body, ContentType="application/json", **condition):
            return packages
    raise McpError(f"{bucket.url(release.record_key)} changed {ATTEMPTS} times meanwhile. Run the same command again.")


def describe(
    release: Release, packages: dict[str, dict[str, t.Any]], target: str, changed: bool, path: str | None
) -> dict[str, t.Any]:
    """Return the task's result."""
    own = packages[target]
    return {
        "changed": changed,
        "path": path,
        "release": {
            **release._asdict(),
            "packages": [packages[name] for name in sorted(packages)],
            "bytecode": own.get("bytecode"),
            "server": own.get("server"),
            "degraded": own.get("degraded", []),
            "left_out": own.get("left_out", []),
        },
    }


def build(ctx: Context, release: Release, source: package_source.Source, target: package_target.Target) -> t.Any:
    """Return the package from the cache, built if need be."""
    params = ctx.params
    work = package_install.Build(
        source=source,
        entrypoint=release.entrypoint,
        runtime_source=params["runtime_source"],
        release_id=release.id,
        cache=cache_folder(params, release),
        max_bytes=params["max_bytes"],
        environment={name: str(value) for name, value in params["check_environment"].items()},
        sandbox_python=params["sandbox_python"],
        progress=ctx.progress,
        as_folders=params["state"] == "unpacked",
    )
    return package_build.ensure(work, target)


def cache_folder(params: dict[str, t.Any], release: Release) -> pathlib.Path:
    """Return the folder of a release in the cache."""
    return pathlib.Path(params["build_dir"]).expanduser().absolute() / "releases" / release.id


def run(ctx: Context) -> dict[str, t.Any]:
    """Make sure that a release's package for one target exists, and keep the deploy lock meanwhile.

    :raises McpError: an option, the source, the package index, S3 or another run stands in the way
    """
    with lock_kept(ctx, "packaging"):
        return ensure(ctx)


def ensure(ctx: Context) -> dict[str, t.Any]:
    """Return the package of a release for one target; find, build and upload it as need be."""
    params = ctx.params
    release, source = identify(params)
    target = package_target.resolve_target(params["target"], params["sandbox_python"], params["python_version"])
    as_folders = params["state"] == "unpacked"
    remote = params["bucket"] and not as_folders
    bucket = Bucket(ctx.client("s3"), params["bucket"], params["bucket_owner"]) if remote else None
    known = recorded(bucket, release)
    local = package_build.cached(cache_folder(params, release), package_build.folder_name(target.name, as_folders))
    uploaded = is_uploaded(bucket, known.get(target.name))
    made = known[target.name] if uploaded else local
    if made:
        package_tree.check_limit(made["unzipped"], params["max_bytes"])
    if uploaded:
        same = local and local["sha256"] == known[target.name]["sha256"]
        return describe(release, known, target.name, False, local["path"] if local and same else None)
    if ctx.check_mode and not local:
        local = {"target": target.name, "sha256": None, "bytes": None, "degraded": package_build.foreseen(target)}
    key = None if as_folders else release.key(target.name)
    package = dict(local or build(ctx, release, source, target), key=key)
    uploads = params["state"] == "uploaded"
    if bucket and uploads and not ctx.check_mode:
        ctx.progress(f"uploading release {release.id} for {target.name} ({package['bytes'] / 2**20:.1f} MiB)")
        package = upload_zip(bucket, package)
        known = record(bucket, release, package)
    else:
        known = {**known, target.name: recordable(package)}
    return describe(release, known, target.name, uploads, package.get("path"))
