# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp.develop``: serves like ``python -m pratiko_mcp``, and again after every saved edit.

This process holds the listening socket and hands it to one child after the other. A child takes connections only once
it is ready, and the one before it ends only then; an edit that does not start therefore changes nothing but the log.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .__main__ import make_parser, serve
from .entrypoint import EntrypointError
from .logs import configure_logging, redact
from .settings import DEFAULT_ENTRYPOINT, SettingsError

if TYPE_CHECKING:
    import uvicorn

# Beside Python: what servers read from their own folders.
WATCHED = (".html", ".j2", ".json", ".jinja", ".md", ".sql", ".toml", ".txt", ".yaml", ".yml")
# Folders of installed packages and of bytecode; hidden ones are tools' own.
UNWATCHED = ("__pycache__", "node_modules", "site-packages")
# Seconds. A child ends calls in flight by its own MCP_REQUEST_TIMEOUT; one that is stuck is killed after this, before a
# supervisor that waits a minute kills this process.
END_SECONDS = 55.0
# A server that ends sooner than this after its start is started again with a growing pause.
STEADY_SECONDS = 10.0
# Of quiet, after which a new watch is asked what it has missed; in milliseconds.
FIRST_LOOK_MS = 500
LONGEST_PAUSE = 30.0
MOST_DOUBLINGS = 7
LINGER_SECONDS = 1.0
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    b'{"error": "server_not_running", "message": "Its log says why."}'
)

logger = logging.getLogger("pratiko_mcp.develop")


class Child:
    """One start of the server: a process, and a socket that says when it is ready and, by its end, that we are gone."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self.since = time.monotonic()
        self.overtaken = False
        self._control = control

    @classmethod
    async def start(cls, listener: socket.socket, arguments: Sequence[str]) -> Child:
        """Start a child on the source as it is now."""
        ours, theirs = socket.socketpair()
        with theirs:
            fds = (listener.fileno(), theirs.fileno())
            # Without the interpreter's own packages, where this process does without them too.
            options = ["-S"] if sys.flags.no_site else []
            command = [sys.executable, *options, "-m", "pratiko_mcp.develop", "--child", *map(str, fds), *arguments]
            process = await asyncio.create_subprocess_exec(*command, pass_fds=fds, stdin=asyncio.subprocess.DEVNULL)
        ours.setblocking(False)
        return cls(process, ours)

    async def ready(self) -> bool:
        """Wait until it takes connections; False: it ended before."""
        with contextlib.suppress(OSError):
            if await asyncio.get_running_loop().sock_recv(self._control, 1):
                return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), LINGER_SECONDS)
        return False

    async def stop(self) -> None:
        """End it in an orderly way, and return when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), END_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self._control.close()


class Runner:
    """Keeps a server of the newest source that starts.

    :param listener: bound to the server's address
    :param arguments: of the children's command line
    :param folders: where edits are looked for
    :param ignored: where they are not
    """

    def __init__(
        self, listener: socket.socket, arguments: Sequence[str], folders: Sequence[Path], ignored: Sequence[Path] = ()
    ) -> None:
        self._listener = listener
        self._arguments = arguments
        self._folders = folders
        self._ignored = ignored
        self._changed = asyncio.Event()
        self._serving: Child | None = None
        self._starting: Child | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._refusing: asyncio.Server | None = None
        self._failures = 0

    async def run(self) -> None:
        """Serve until cancelled; then end every child.

        :raises ExceptionGroup: the folders cannot be watched
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._serve())
        finally:
            children = [child for child in (self._serving, self._starting) if child]
            await asyncio.gather(*(child.stop() for child in children), *self._leaving)

    async def _watch(self) -> None:
        from watchfiles import Change, PythonFilter, awatch

        is_source = PythonFilter(extra_extensions=WATCHED)

        def counts(change: Change, path: str) -> bool:
            return is_source(change, path) or (change is Change.added and _may_hold_source(Path(path), self._ignored))

        def stamps() -> dict[Path, int]:
            folders = folders_within(self._folders, self._ignored)
            return _stamps(folders, lambda path: is_source(Change.modified, path))

        known = stamps()
        while True:
            # Each by itself: of all below a folder, a database and installed packages would be watched as well.
            folders = folders_within(self._folders, self._ignored)
            found = awatch(
                *folders,
                watch_filter=counts,
                recursive=False,
                ignore_permission_denied=True,
                rust_timeout=FIRST_LOOK_MS,
                yield_on_timeout=True,
            )
            looked = False
            with contextlib.suppress(FileNotFoundError):  # a folder that is gone by now
                async with contextlib.aclosing(found):
                    async for changes in found:
                        files = {Path(path) for _kind, path in changes}
                        if not looked:  # what was edited while nobody watched
                            files |= {path for path, _stamp in known.items() ^ stamps().items()}
                            looked = True
                        if not files:
                            continue
                        known = stamps()  # all that is in it is seen by the child that is started now
                        await self._edited(sorted(files))
                        if any(file.is_dir() for file in files):
                            break

    async def _edited(self, files: Sequence[Path]) -> None:
        logger.info("changed: %s", ", ".join(file.name for file in files[:5]) + (" ..." if files[5:] else ""))
        if child := self._starting:  # else it might write the bytecode that is forgotten here
            child.overtaken = True
            await child.stop()
        _forget_bytecode(files)
        self._failures = 0
        self._changed.set()

    async def _serve(self) -> None:
        while True:
            self._changed.clear()
            child = self._starting = await Child.start(self._listener, self._arguments)
            ready = await child.ready()
            self._starting = None
            if child.overtaken:
                await self._changed.wait()
                continue
            if ready:
                self._switch(child)
            else:
                await child.stop()
                self._tell_failure(child)
            await self._wait()

    def _switch(self, child: Child) -> None:
        before, self._serving = self._serving, child
        logger.info("live after %.2f s, process %d", time.monotonic() - child.since, child.process.pid)
        if self._refusing:
            self._refusing.close()
            self._refusing = None
        if before:
            task = asyncio.create_task(before.stop())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _tell_failure(self, child: Child) -> None:
        self._failures += 1
        rest = "the version before goes on serving" if self._serving else "nothing serves"
        logger.error("the server does not start (exit code %s); %s", child.process.returncode, rest)

    async def _wait(self) -> None:
        """Return when it is time for the next start: after an edit, or when the server has ended."""
        edit = asyncio.create_task(self._changed.wait())
        try:
            if self._serving:
                ended = asyncio.create_task(self._serving.process.wait())
                await asyncio.wait({edit, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    ended.cancel()
                    return
                self._tell_end(self._serving)
                self._serving = None
            if pause := pause_after(self._failures):
                await self._refuse()
                await asyncio.wait({edit}, timeout=pause)
        finally:
            edit.cancel()

    def _tell_end(self, child: Child) -> None:
        lived = time.monotonic() - child.since
        self._failures = 0 if lived > STEADY_SECONDS else self._failures + 1
        logger.error("the server ended after %.0f s (exit code %s)", lived, child.process.returncode)

    async def _refuse(self) -> None:
        """Answer 503 where no server does: a connection that is never taken would look like a slow one."""
        if self._refusing is None:
            self._refusing = await asyncio.start_server(_say_not_running, sock=self._listener.dup())


def pause_after(failures: int) -> float:
    """Return how many seconds to wait before the next start, after so many failures in a row."""
    return min(0.5 * 2 ** min(failures, MOST_DOUBLINGS) - 0.5, LONGEST_PAUSE)


async def _say_not_running(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(REFUSAL)
    with contextlib.suppress(OSError, TimeoutError):
        writer.write_eof()
        # Closing before the request is read would take the answer away with it.
        await asyncio.wait_for(_drain(reader), LINGER_SECONDS)
    writer.close()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def _forget_bytecode(files: Iterable[Path]) -> None:
    """Remove what was compiled from these files: of two edits in one second and of one size it may be the first."""
    for file in files:
        if file.suffix == ".py":
            with contextlib.suppress(OSError):
                Path(importlib.util.cache_from_source(str(file))).unlink()


def folders_within(roots: Iterable[Path], ignored: Sequence[Path] = ()) -> list[Path]:
    """Return the folders and all below them that may hold the server's source."""
    found: dict[str, Path] = {}
    for root in roots:
        for path, names, _files in os.walk(root, followlinks=True):
            if os.path.realpath(path) in found:
                names.clear()
                continue
            found[os.path.realpath(path)] = Path(path)
            names[:] = [name for name in names if _may_hold_source(Path(path, name), ignored)]
    return list(found.values())


def _stamps(folders: Iterable[Path], is_source: Callable[[str], bool]) -> dict[Path, int]:
    """Return when each source file was written, in nanoseconds; a folder is there, no more."""
    found = dict.fromkeys(folders, 0)
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if is_source(entry.path) and not entry.is_dir():
                    with contextlib.suppress(OSError):
                        found[Path(entry.path)] = entry.stat().st_mtime_ns
    return found


def _may_hold_source(folder: Path, ignored: Sequence[Path]) -> bool:
    """Tell whether something is a folder, and none of tools, of packages, of bytecode or of what is ignored."""
    if folder.name.startswith(".") or folder.name in UNWATCHED or not folder.is_dir():
        return False
    return not (folder / "pyvenv.cfg").exists() and folder.resolve() not in ignored


def folders_of(entrypoint: str) -> list[Path]:
    """Return the folder of an entry point's package, without importing it; the current one where it is not found."""
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(entrypoint.partition(":")[0].partition(".")[0])
        if spec and spec.submodule_search_locations:
            return [Path(path) for path in spec.submodule_search_locations]
        if spec and spec.origin:
            return [Path(spec.origin).parent]
    return [Path.cwd()]


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and does not listen yet: connections are refused until there is a server.

    :raises OSError: the address is taken, or not this machine's
    """
    family, kind, _proto, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def run_child(options: argparse.Namespace) -> None:
    """Serve the source as it is, on the parent's socket, as long as the parent lives."""
    listener, control = (socket.socket(fileno=fd) for fd in options.child)
    for fd in options.child:
        os.set_inheritable(fd, False)
    control.setblocking(False)

    def started(server: uvicorn.Server) -> None:
        def parent_gone() -> None:
            loop.remove_reader(control)
            server.should_exit = True

        loop = asyncio.get_running_loop()
        loop.add_reader(control, parent_gone)
        control.send(b"1")

    try:
        serve(options, [listener], started)
    except EntrypointError as error:
        sys.stderr.write(redact("".join(traceback.format_exception(error.__cause__ or error))))
        sys.exit(str(error))
    except SettingsError as error:
        sys.exit(str(error))


@contextlib.asynccontextmanager
async def _ended_by_signals() -> AsyncIterator[None]:
    """Turn the first SIGTERM or SIGINT into the end of what runs inside."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        yield


async def run_parent(options: argparse.Namespace, listener: socket.socket) -> None:
    """Run children on the listener until a signal ends it."""
    folders = options.watch or folders_of(os.environ.get("MCP_ENTRYPOINT") or DEFAULT_ENTRYPOINT)
    arguments = ["--host", options.host, "--max-connections", str(options.max_connections)]
    logger.info("serving %s:%d, watching %s", options.host, options.port, ", ".join(map(str, folders)))
    async with _ended_by_signals():
        await Runner(listener, arguments, folders, [folder.resolve() for folder in options.ignore or ()]).run()


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the runner."""
    parser = make_parser("python -m pratiko_mcp.develop", "Serve MCP_ENTRYPOINT, again after every saved edit")
    parser.add_argument(
        "--watch", type=Path, action="append", metavar="FOLDER", help="where to look for edits (default: its package)"
    )
    parser.add_argument(
        "--ignore", type=Path, action="append", metavar="FOLDER", help="where not to look; hidden folders never count"
    )
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        run_child(options)
        return
    if missing := [str(folder) for folder in options.watch or () if not folder.is_dir()]:
        sys.exit(f"--watch is {missing[0]!r}. Allowed: a folder that is there, with the source of the server.")
    configure_logging("INFO")
    logging.getLogger("watchfiles").setLevel("WARNING")
    try:
        import watchfiles  # noqa: F401  # only whether it is there
    except ImportError as error:
        sys.exit(f"{error}. It sees edits. Try: pip install 'pratiko-mcp[develop]'")
    try:
        listener = bind(options.host, options.port)
    except OSError as error:
        sys.exit(f"--port is {options.port}: {error.strerror} at {options.host}. Allowed: a free one, --port 8001.")
    with listener:
        asyncio.run(run_parent(options, listener))


if __name__ == "__main__":
    main()
