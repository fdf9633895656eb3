# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store of documents must do: subclass `StorageContract` and give it a fixture ``factory``.

class TestMyStorage(StorageContract):
    @pytest.fixture
    def factory(self):
        return lambda clock: MyStorage(..., clock=clock)  # a store of its own with nothing in it, at every call
"""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from pratiko_mcp.reference.storage import (
    KEY_SECONDS,
    SEARCHED_CHARS,
    KeyReused,
    Once,
    Saved,
    Storage,
    StorageError,
    VersionConflict,
)

from tests.support.storage_machine import StorageMachine

ONCE = Once(("issuer", "subject", "client"), "key-1")
WRITERS = 8


class Clock:
    """Seconds since 1970 as a test sets them."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.5

    def __call__(self) -> float:
        return self.now


Factory = t.Callable[[Clock], Storage]


def profile(examples: int, **options: t.Any) -> settings:
    """Return how hypothesis runs here: no database, no deadline; the same examples each time unless told otherwise."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = {"derandomize": True, "database": None, "deadline": None, "suppress_health_check": checks, **options}
    return settings(max_examples=examples, **chosen)


def run_machine(factory: Factory, chosen: settings) -> None:
    """Try any order of calls on new stores."""

    class Machine(StorageMachine):
        def __init__(self) -> None:
            super().__init__(factory, Clock())

    run_state_machine_as_test(Machine, settings=chosen)


def ids_of(storage: Storage, limit: int = 100, query: str | None = None) -> list[str]:
    """Page through all documents."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = storage.page(limit, after, query)
        assert len(page.documents) <= limit
        found += [summary.document_id for summary in page.documents]
        if page.next_id is None:
            return found
        after = page.next_id


def at_once(*calls: t.Callable[[], t.Any]) -> list[t.Any]:
    """Run calls in threads that start together; return each one's result or `StorageError`."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[t.Any] = [None] * len(calls)

    def run(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = calls[place]()
        except StorageError as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


class StorageContract:
    """The suite. ``examples`` and ``long_examples`` say how much hypothesis tries, in every run and in a proof."""

    examples = 100
    steps = 30
    long_examples = 3000
    long_steps = 60

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def storage(self, factory: Factory, clock: Clock) -> Storage:
        return factory(clock)

    def test_life_of_a_document(self, storage: Storage) -> None:
        assert storage.get("a") is None
        first = storage.save("a", "Title", "tüxt")
        assert (first.summary.version, first.summary.size_bytes, first.changed) == (1, 5, True)
        stored = storage.get("a")
        assert stored is not None
        assert (stored.summary(), stored.text) == (first.summary, "tüxt")
        assert storage.save("a", "Title", "tüxt") == Saved(first.summary, changed=False)
        second = storage.save("a", "Title", "other", 1).summary
        assert (second.version, second.created_at) == (2, first.summary.created_at)
        assert storage.page(10).documents == (second,)
        assert storage.delete("a", 2)
        assert not storage.delete("a")
        assert (storage.get("a"), storage.page(10).documents) == (None, ())
        assert storage.save("a", "Title", "tüxt").summary.version == 1

    def test_times_are_in_utc(self, storage: Storage) -> None:
        summary = storage.save("a", "T", "x").summary
        created = datetime.fromisoformat(summary.created_at)
        assert created.utcoffset() == timedelta(0)
        assert abs(created.timestamp() - time.time()) < 60
        assert summary.updated_at == summary.created_at

    def test_versions_are_checked(self, storage: Storage) -> None:
        with pytest.raises(VersionConflict, match="'a' does not exist, not at version 1"):
            storage.save("a", "T", "x", 1)
        storage.save("a", "T", "x", 0)
        for expected in (0, 2, 7):
            with pytest.raises(VersionConflict, match=f"is at version 1, not at version {expected}"):
                storage.save("a", "T", "y", expected)
            with pytest.raises(VersionConflict, match=f"is at version 1, not at version {expected}"):
                storage.delete("a", expected)
        document = storage.get("a")
        assert document is not None
        assert (document.text, document.version) == ("x", 1)
        assert not storage.delete("b", 7)

    def test_ids_sort_by_their_bytes(self, storage: Storage) -> None:
        ids = ["b", "a", "a_", "aa", "aA", "a0", "a.", "a-", "Z-1", "B", "A", "9", "10", "0", "x" * 128]
        for name in ids:
            storage.save(name, "T", name)
        assert ids_of(storage, 4) == sorted(ids)

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    def test_pages_have_every_document_once(self, storage: Storage, limit: int) -> None:
        names = [f"doc-{number}" for number in range(7)]
        for name in reversed(names):
            storage.save(name, "T", "x")
        assert ids_of(storage, limit) == names
        assert len(storage.page(limit).documents) == min(limit, 7)

    def test_page_after_an_id_that_is_gone(self, storage: Storage) -> None:
        for name in "bdfh":
            storage.save(name, "T", "x")
        cursor = storage.page(2).next_id
        assert cursor == "d"
        for removed, rest in (("d", ["f", "h"]), ("f", ["h"]), ("h", [])):
            storage.delete(removed)
            assert [summary.document_id for summary in storage.page(9, cursor).documents] == rest
        for after, following in (("a", ["b"]), ("b", []), ("zz", [])):
            assert [summary.document_id for summary in storage.page(9, after).documents] == following

    def test_search(self, storage: Storage) -> None:
        for number in range(7):
            storage.save(f"doc-{number}", "Even" if number % 2 == 0 else "Odd", "x")
        assert ids_of(storage, 2, "even") == ["doc-0", "doc-2", "doc-4", "doc-6"]
        found = storage.page(2, None, "even")
        assert [summary.document_id for summary in found.documents] == ["doc-0", "doc-2"]
        assert ids_of(storage, 9, "ven\nx") == ["doc-0", "doc-2", "doc-4", "doc-6"]
        assert ids_of(storage, 9, "nothing like it") == []

    def test_search_looks_at_the_beginning(self, storage: Storage) -> None:
        storage.save("a", "Über", "x" * (SEARCHED_CHARS - 4) + "KNÖTLATE")
        assert [ids_of(storage, 9, query) for query in ("über", "knöt", "knötl")] == [["a"], ["a"], []]

    @pytest.mark.parametrize("text", ["100%", "a_b", "back\\slash", "it's", 'say "x"', "#[]{}*?^$", "\t\r\n", "😀"])
    def test_search_has_no_special_characters(self, storage: Storage, text: str) -> None:
        storage.save("hit", f"<{text}>", "x")
        storage.save("miss", "100 axb backslash its say x", "x")
        assert ids_of(storage, 9, text) == ["hit"]

    def test_largest_document(self, storage: Storage) -> None:
        text = "ü" * 150_000
        storage.save("x" * 128, "😀" * 200, text, None, ONCE)
        stored = storage.get("x" * 128)
        assert stored is not None
        assert (stored.text, stored.size_bytes) == (text, 300_000)

    @pytest.mark.parametrize(("bad", "shown"), [("\x00", "U+0000"), ("\ud800", "U+D800"), ("\udfff", "U+DFFF")])
    def test_text_that_cannot_be_stored(self, storage: Storage, bad: str, shown: str) -> None:
        with pytest.raises(StorageError, match=f"title has the character {shown.replace('+', '[+]')} at position 1"):
            storage.save("a", f"T{bad}", "x", None, ONCE)
        with pytest.raises(StorageError, match="text has the character"):
            storage.save("a", "T", bad, None, ONCE)
        with pytest.raises(StorageError, match="query has the character"):
            storage.page(9, None, bad)
        assert storage.get("a") is None
        assert storage.save("a", "T", "x", None, ONCE).changed

    def test_text_comes_back_as_it_was(self, storage: Storage) -> None:
        usable = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=50)

        @profile(self.examples)
        @given(usable.filter(len), usable)
        def check(title: str, text: str) -> None:
            storage.save("a", title, text)
            document = storage.get("a")
            assert document is not None
            assert (document.title, document.text, document.size_bytes) == (title, text, len(text.encode()))
            assert ids_of(storage, 9, title.lower()) == ["a"]

        check()

    def test_same_call_with_a_key_returns_the_first_result(self, storage: Storage) -> None:
        first = storage.save("a", "T", "x", 0, ONCE)
        assert first.changed
        assert storage.save("a", "T", "x", 0, ONCE) == Saved(first.summary, changed=False)
        storage.save("a", "T", "moved on")
        assert storage.save("a", "T", "x", 0, ONCE) == Saved(first.summary, changed=False)
        storage.delete("a")
        assert storage.save("a", "T", "x", 0, ONCE) == Saved(first.summary, changed=False)
        assert storage.get("a") is None

    def test_save_that_changed_nothing_is_remembered_too(self, storage: Storage) -> None:
        first = storage.save("a", "T", "x").summary
        assert storage.save("a", "T", "x", None, ONCE) == Saved(first, changed=False)
        storage.save("a", "T", "y")
        assert storage.save("a", "T", "x", None, ONCE) == Saved(first, changed=False)
        assert storage.page(9).documents[0].version == 2

    @pytest.mark.parametrize("exists", [True, False])
    def test_delete_with_a_key(self, storage: Storage, exists: bool) -> None:
        if exists:
            storage.save("a", "T", "x")
        assert storage.delete("a", None, ONCE) is exists
        storage.save("a", "T", "again")
        assert storage.delete("a", None, ONCE) is exists
        assert storage.get("a") is not None

    def test_key_of_another_call_is_refused(self, storage: Storage) -> None:
        storage.save("a", "T", "x", None, ONCE)
        others: list[t.Callable[[], t.Any]] = [
            lambda: storage.save("b", "T", "x", None, ONCE),
            lambda: storage.save("a", "t", "x", None, ONCE),
            lambda: storage.save("a", "T", "y", None, ONCE),
            lambda: storage.save("a", "T", "x", 1, ONCE),
            lambda: storage.save("a", "T", "x", 0, ONCE),
            lambda: storage.delete("a", None, ONCE),
        ]
        for other in others:
            with pytest.raises(KeyReused, match="'key-1' stands for another call of save_document"):
                other()
        assert ids_of(storage) == ["a"]
        assert storage.page(9).documents[0].version == 1

    def test_keys_belong_to_their_caller(self, storage: Storage) -> None:
        callers = [(), ("i", "s", "c"), ("i", "s", "d"), ("i", "t", "c"), ("j", "s", "c")]
        for number, caller in enumerate(callers):
            assert storage.save("a", "T", str(number), None, Once(caller, "k")).summary.version == number + 1

    def test_failed_call_does_not_use_up_its_key(self, storage: Storage) -> None:
        with pytest.raises(VersionConflict):
            storage.save("a", "T", "x", 3, ONCE)
        assert storage.save("a", "T", "x", 0, ONCE).changed
        with pytest.raises(VersionConflict):
            storage.delete("a", 3, Once((), "k"))
        assert storage.delete("a", 1, Once((), "k"))

    def test_keys_expire(self, storage: Storage, clock: Clock) -> None:
        storage.save("a", "T", "x", None, ONCE)
        clock.now += KEY_SECONDS - 1
        with pytest.raises(KeyReused):
            storage.save("a", "T", "y", None, ONCE)
        clock.now += 1
        assert storage.save("a", "T", "y", None, ONCE).summary.version == 2
        clock.now += KEY_SECONDS - 1
        assert not storage.save("a", "T", "y", None, ONCE).changed

    def test_same_key_at_once_happens_once(self, storage: Storage) -> None:
        outcomes = at_once(*[lambda: storage.save("a", "T", "x", 0, ONCE)] * WRITERS)
        saved = [outcome for outcome in outcomes if isinstance(outcome, Saved)]
        assert [outcome.changed for outcome in saved].count(True) == 1
        assert {outcome.summary for outcome in saved} == {storage.page(9).documents[0]}
        self._only_in_use(outcomes, Saved)

    def test_same_key_at_once_for_two_calls(self, storage: Storage) -> None:
        calls = [lambda: storage.save("a", "T", "x", None, ONCE), lambda: storage.save("b", "T", "x", None, ONCE)]
        outcomes = at_once(*calls)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["KeyReused", "Saved"]
        assert len(ids_of(storage)) == 1

    def test_two_writers_and_one_expected_version(self, storage: Storage) -> None:
        storage.save("a", "T", "x")
        outcomes = at_once(*[lambda text=str(n): storage.save("a", "T", text, 1) for n in range(WRITERS)])
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Saved", *["VersionConflict"] * (WRITERS - 1)]
        assert storage.page(9).documents[0].version == 2

    def test_writers_without_expected_version_lose_nothing(self, storage: Storage) -> None:
        outcomes = at_once(*[lambda text=str(n): storage.save("a", "T", text) for n in range(WRITERS)])
        saved = [outcome.summary.version for outcome in outcomes if isinstance(outcome, Saved)]
        assert sorted(saved) == list(range(1, len(saved) + 1))
        assert storage.page(9).documents[0].version == len(saved)
        self._only_in_use(outcomes, Saved)

    def test_deleters_at_once(self, storage: Storage) -> None:
        storage.save("a", "T", "x")
        outcomes = at_once(*[lambda: storage.delete("a")] * WRITERS)
        assert outcomes.count(True) == 1
        self._only_in_use(outcomes, bool)

    def test_answers_before_and_after_a_reset(self, storage: Storage) -> None:
        storage.check()
        storage.save("a", "T", "x")
        storage.reset()
        assert storage.get("a") is not None
        storage.check()

    def test_any_order_of_calls(self, factory: Factory) -> None:
        run_machine(factory, profile(self.examples, stateful_step_count=self.steps))

    @pytest.mark.proof
    def test_any_order_of_calls_for_long(self, factory: Factory) -> None:
        options = {"stateful_step_count": self.long_steps, "derandomize": False, "print_blob": True}
        run_machine(factory, profile(self.long_examples, **options))

    def _only_in_use(self, outcomes: list[t.Any], kind: type) -> None:
        """A write that others get in the way of all the time may give up, and says so."""
        for outcome in outcomes:
            assert isinstance(outcome, kind) or "being changed by others" in str(outcome)
