# SPDX-License-Identifier: MIT
"""How many calls pass in what time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pratiko_mcp.limits import RateLimiter


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_minute_s_calls_at_once_then_evenly(clock: Clock) -> None:
    limiter = RateLimiter(clock)
    assert [limiter.take("me", 3) for _ in range(3)] == [0.0] * 3
    assert limiter.take("me", 3) == pytest.approx(20)
    clock.now += 15
    assert limiter.take("me", 3) == pytest.approx(5)
    clock.now += 5
    assert limiter.take("me", 3) == 0.0
    assert limiter.take("me", 3) == pytest.approx(20)
    clock.now += 3600
    assert [limiter.take("me", 3) for _ in range(3)] == [0.0] * 3
    assert limiter.take("me", 3) > 0


def test_keys_do_not_share(clock: Clock) -> None:
    limiter = RateLimiter(clock)
    assert limiter.take(("a", "b"), 1) == limiter.take(("a", "c"), 1) == 0.0
    assert limiter.take(("a", "b"), 1) == pytest.approx(60)


def test_a_new_limit_holds_at_once(clock: Clock) -> None:
    limiter = RateLimiter(clock)
    for _ in range(60):
        limiter.take("me", 60)
    assert limiter.take("me", 6) == pytest.approx(10)
    assert limiter.take("me", 600) == pytest.approx(0.1)


def test_memory_is_bounded_and_busy_keys_stay(clock: Clock) -> None:
    limiter = RateLimiter(clock, max_keys=100)
    for _ in range(3):
        assert limiter.take("busy", 3) == 0.0
    for number in range(1000):  # each is new, and seen later than the busy one
        assert limiter.take(f"key {number}" * 100, 3) == 0.0
        assert len(limiter._full_at) <= 100
    assert limiter.take("busy", 3) > 0


@given(
    st.integers(1, 1_000_000),
    st.lists(st.floats(0, 90) | st.just(0.0), max_size=200),
    st.floats(0, 1e9),
)
def test_no_stretch_of_time_lets_more_through_than_promised(per_minute: int, pauses: list[float], start: float) -> None:
    clock = Clock()
    clock.now = start
    limiter = RateLimiter(clock)
    passed: list[float] = []
    for pause in pauses:
        clock.now += pause
        wait = limiter.take("me", per_minute)
        assert 0 <= wait <= 60 / per_minute + 1e-6
        if wait == 0:
            passed.append(clock.now)
    for index, first in enumerate(passed):
        for count, last in enumerate(passed[index:], 1):
            assert count <= per_minute * (1 + (last - first) / 60) + 1e-3


@given(st.integers(1, 1000), st.integers(1, 300))
def test_who_waits_as_told_is_let_through(per_minute: int, calls: int) -> None:
    clock = Clock()
    limiter = RateLimiter(clock)
    for _ in range(calls):
        wait = limiter.take("me", per_minute)
        clock.now += wait
        assert wait == 0 or limiter.take("me", per_minute) == 0
