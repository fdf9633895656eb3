# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any order of calls on a store of documents, beside a dictionary that says what must come of each."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from pratiko_mcp.reference.storage import (
    KEY_SECONDS,
    SEARCHED_CHARS,
    KeyReused,
    Once,
    Storage,
    StorageError,
    Summary,
    VersionConflict,
)

IDS = st.sampled_from(["a", "A", "a-1", "a.b", "a0", "b", "x" * 128])
WORDS = st.sampled_from(["ab", "AB b", "%", "é", "x" * (SEARCHED_CHARS - 1) + "ab"])
ANY_TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
TITLES = WORDS | ANY_TEXT.filter(len)
TEXTS = WORDS | ANY_TEXT
KEYS = st.none() | st.builds(Once, st.sampled_from([(), ("i", "s", "c")]), st.sampled_from(["k", "l"]))
# How far the expected version is from the stored one; None expects nothing.
EXPECTED = st.sampled_from([None, None, 0, 0, 1, -1])
QUERIES = st.sampled_from(["ab", "b", "%", "é", "b\n"]) | ANY_TEXT.filter(len).map(str.lower)


@dataclass(frozen=True)
class Call:
    """A write as it was made."""

    tool: str
    document_id: str
    content: tuple[str, str] | None
    expected: int | None
    once: Once | None


@dataclass(frozen=True)
class Kept:
    """A document as it must be."""

    content: tuple[str, str]
    version: int


class StorageMachine(RuleBasedStateMachine):
    """The calls; ``factory`` makes an empty store."""

    def __init__(self, factory: t.Callable[[t.Any], Storage], clock: t.Any) -> None:
        super().__init__()
        self.clock = clock
        self.storage = factory(clock)
        self.documents: dict[str, Kept] = {}
        self.results: dict[Once, tuple[Call, t.Any, float]] = {}

    @rule(document_id=IDS, title=TITLES, text=TEXTS, distance=EXPECTED, once=KEYS)
    def save(self, document_id: str, title: str, text: str, distance: int | None, once: Once | None) -> None:
        self.write(Call("save", document_id, (title, text), self.expected(document_id, distance), once))

    @rule(document_id=IDS, distance=EXPECTED, once=KEYS)
    def delete(self, document_id: str, distance: int | None, once: Once | None) -> None:
        self.write(Call("delete", document_id, None, self.expected(document_id, distance), once))

    @precondition(lambda self: self.results)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Make a call once more that was made with a key before."""
        self.write(self.results[data.draw(st.sampled_from(sorted(self.results, key=repr)))][0])

    @rule(document_id=IDS, bad=st.sampled_from(["\x00", "\ud800"]), once=KEYS)
    def save_what_cannot_be_stored(self, document_id: str, bad: str, once: Once | None) -> None:
        try:
            self.storage.save(document_id, "T", f"x{bad}", None, once)
        except StorageError:
            return
        raise AssertionError("a text was stored that not every backend can keep")

    @rule(hours=st.sampled_from([1, 12, 24]))
    def wait(self, hours: int) -> None:
        self.clock.now += hours * 3600

    @rule(document_id=IDS)
    def get(self, document_id: str) -> None:
        document, kept = self.storage.get(document_id), self.documents.get(document_id)
        assert (document is None) == (kept is None)
        if document and kept:
            assert ((document.title, document.text), document.version) == (kept.content, kept.version)
            self.check_summary(document.summary(), document_id)

    @rule(limit=st.integers(1, 5), query=st.none() | QUERIES)
    def page_through(self, limit: int, query: str | None) -> None:
        found: list[Summary] = []
        after: str | None = None
        for _ in range(len(self.documents) + 1):
            page = self.storage.page(limit, after, query)
            assert len(page.documents) <= limit
            found += page.documents
            after = page.next_id
            if after is None:
                break
        else:
            raise AssertionError("more pages than documents")
        assert [summary.document_id for summary in found] == self.matching(query)
        for summary in found:
            self.check_summary(summary, summary.document_id)

    def expected(self, document_id: str, distance: int | None) -> int | None:
        """Return the stored version, or one beside it."""
        if distance is None:
            return None
        return max(0, self.version(document_id) + distance)

    def version(self, document_id: str) -> int:
        return self.documents[document_id].version if document_id in self.documents else 0

    def matching(self, query: str | None) -> list[str]:
        """Return the ids that a listing or a search must find."""

        def terms(kept: Kept) -> str:
            return f"{kept.content[0]}\n{kept.content[1][:SEARCHED_CHARS]}".lower()

        return sorted(name for name, kept in self.documents.items() if query is None or query in terms(kept))

    def check_summary(self, summary: Summary, document_id: str) -> None:
        title, text = self.documents[document_id].content
        assert summary.document_id == document_id
        assert (summary.title, summary.size_bytes) == (title, len(text.encode()))
        assert summary.version == self.documents[document_id].version

    def write(self, call: Call) -> None:
        """Make a call, and compare what comes of it with what must."""
        wanted: t.Any = self.outcome(call)
        try:
            result: t.Any = self.make(call)
        except (KeyReused, VersionConflict) as error:
            result = type(error)
        if isinstance(wanted, tuple):  # a first save: only its version is known before
            version, changed = wanted
            assert (result.summary.version, result.changed) == (version, changed)
            self.check_summary(result.summary, call.document_id)
            result = result.summary
        elif isinstance(wanted, Summary):
            assert (result.summary, result.changed) == (wanted, False)
            return
        else:
            assert result == wanted
        if call.once and not isinstance(result, type) and not self.known(call.once):
            self.results[call.once] = (call, result, self.clock.now + KEY_SECONDS)

    def make(self, call: Call) -> t.Any:
        if call.content is None:
            return self.storage.delete(call.document_id, call.expected, call.once)
        return self.storage.save(call.document_id, *call.content, call.expected, call.once)

    def known(self, once: Once) -> bool:
        return once in self.results and self.clock.now < self.results[once][2]

    def outcome(self, call: Call) -> t.Any:
        """Apply a call to the dictionary; return an error's type, an earlier result, or what must come of it."""
        if call.once and self.known(call.once):
            before, result, _ = self.results[call.once]
            return result if before == call else KeyReused
        version = self.version(call.document_id)
        if call.content is None:
            if version and call.expected not in (None, version):
                return VersionConflict
            return self.documents.pop(call.document_id, None) is not None
        if version and self.documents[call.document_id].content == call.content:
            return version, False
        if call.expected not in (None, version):
            return VersionConflict
        self.documents[call.document_id] = Kept(call.content, version + 1)
        return version + 1, True
