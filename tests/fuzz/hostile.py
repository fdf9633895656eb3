# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that have broken servers before, as strategies."""

from __future__ import annotations

import json
import typing as t

from hypothesis import strategies as st

# Stands for what callers do not want to find again in logs or in other replies.
CANARY = "c4n4ry-5up3r53cr37"

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udc00\ud800",
    "\u2028\u2029",
    "\r\nX-Injected: 1\r\n\r\n",
    "\x1b[31m",
    "\u202eabc",
    "\ufeff",
    "\U0001f9e8" * 40,
    "e\u0301\u0301\u0301",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "%2e%2e%2f%00",
    "file:///etc/passwd",
    "document://",
    "document://../index",
    "documents://index",
    "__proto__",
    "__class__",
    "{0.__class__}",
    "%s%n%x",
    "{{7*7}}${7*7}",
    "'; DROP TABLE documents; --",
    "<script>alert(1)</script>",
    '"}],"id":2,{"',
    "null",
    "NaN",
    "-1",
    "1e400",
    "a" * 129,
    "a" * 5000,
    "\u00e9" * 3000,
)
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400, -0.0, 0.1, 1.5e308, 5e-324)

texts = st.sampled_from(TEXTS) | st.text(max_size=30)
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts | st.just(CANARY)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)


def encode(document: t.Any) -> bytes:
    """Encode as JSON in ASCII, half a surrogate pair as its escape."""
    return json.dumps(document, separators=(",", ":")).encode()


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Change some bytes: a part is lost, doubled or replaced."""
    data = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        middle = draw(st.sampled_from([b"", data[start:end] * 2, b"\x00", b"\xff\xfe", b'"', b"{", b"]", b"\\u"]))
        data = data[:start] + middle + data[end:]
    return data


def _nested(depth: int, form: int) -> bytes:
    opening, closing = ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"))[form]
    return opening * depth + b"1" + closing * depth


deep = st.builds(_nested, st.sampled_from([99, 100, 198, 199, 200, 201, 202, 1000, 9000]), st.integers(0, 2))

NOT_JSON = (
    b"",
    b" ",
    b"{",
    b"nul",
    b"'a'",
    b"{'a': 1}",
    b"{a: 1}",
    b'{"a": 1,}',
    b"[1 2]",
    b"// a\n{}",
    b"{}{}",
    b'{"id": 1} x',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b'{"a": "\x01"}',
    b'{"a": "\\x"}',
    b'{"a": "\\ud800"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\xc0\x80"}',
    b"NaN",
    b'{"id": NaN}',
    b'{"id": -Infinity}',
    b'{"id": 1e999}',
    b'{"id": 01}',
    b'{"id": 1.}',
    b'{"id": ' + b"9" * 5000 + b"}",
    b"\x00",
    b"\x1f\x8b\x08\x00",
    b"a=1&b=2",
    b"<xml/>",
)
