# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a run at a moment that its calls to AWS mark, and let the next run finish the work."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from tests.support.moments import Live, Proxy, Stop
from tests.support.playbook import PlaybookRun
from tests.support.world import World


@dataclass(frozen=True)
class Moment:
    """Where to kill.

    :param call: the call to hold; ``{e}`` stands for the environment
    :param state: says (by assertions) that this is the state it is about
    :param locked: the killed run holds the lock
    """

    name: str
    call: str
    state: t.Callable[[World], None]
    after: tuple[str, ...] = ()
    done: bool = False
    locked: bool = True

    def stop(self, world: World) -> Stop:
        """Return the stop for one environment."""
        patterns = [text.replace("{e}", world.name) for text in (self.call, *self.after)]
        return Stop(patterns[0], tuple(patterns[1:]), self.done)


def by_name(moment: Moment) -> str:
    """Return the name of a test."""
    return moment.name.replace(",", "").replace(" ", "-")


def kill_at(world: World, moment: Moment, *options: str, playbook: str = "deploy.yml") -> None:
    """Start a run, kill it at the moment, and make sure that it was this one."""
    stop = moment.stop(world)
    with Proxy(stop) as proxy:
        live = world.start(*options, playbook=playbook, env=proxy.environment)
        try:
            live.until(stop.reached.is_set, moment.name)
        finally:
            live.kill_tree()
        moment.state(world)
        assert (world.lock() is not None) == moment.locked


@contextlib.contextmanager
def held_at(world: World, moment: Moment, *options: str) -> t.Iterator[Live]:
    """Start a deploy and hold it at the moment for as long as the block lasts; then it goes on to its end."""
    stop = moment.stop(world)
    with Proxy(stop) as proxy:
        live = world.start(*options, env=proxy.environment)
        try:
            live.until(stop.reached.is_set, moment.name)
            moment.state(world)
            yield live
            proxy.let_go = True
            stop.released.set()
            live.end()
        finally:
            live.kill_tree()


def run_after_kill(world: World, locked: bool, *options: str, **more: t.Any) -> PlaybookRun:
    """Run again; the lock of the dead run is taken over at once, with a message."""
    run = world.run(*options, **more).require()
    told = "was taken over from" in run.output and "on this machine is gone" in run.output
    assert told == locked, run.output
    return run


def require_unchanged(world: World, *options: str, **more: t.Any) -> None:
    """Run once more: there is nothing left to do."""
    assert world.run(*options, **more).require().changed == 0
    assert world.report()["changed"] is False
