# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of a cost review is written with: numbers that name their place in the JSON, and tables."""

from __future__ import annotations

import typing as t
from html import escape

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import usd

Review = dict[str, t.Any]
Path = tuple[t.Union[str, int], ...]  # noqa: UP007  # ansible-test's pylint takes no | here


class Figures:
    """The numbers of one review.

    :param review: what the JSON has
    """

    def __init__(self, review: Review) -> None:
        self.review = review

    def at(self, path: Path) -> t.Any:
        """Return the value at a place of the review, None where there is none."""
        found: t.Any = self.review
        for step in path:
            if isinstance(found, dict):
                found = found.get(str(step))
            elif found is not None:
                found = found[int(step)]
        return found

    def figure(self, *path: str | int, form: t.Callable[[t.Any], str] = usd) -> str:
        """Return a number with the place in the JSON that it comes from."""
        value = self.at(path)
        pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
        if value in (None, "", "unknown"):
            return f'<span class="unknown" data-at="{escape(pointer)}">unknown</span>'
        return f'<data value="{escape(str(value))}" data-at="{escape(pointer)}">{escape(form(value))}</data>'


def table(
    head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]], none: str = "There are none.", amounts: bool = True
) -> str:
    """Return a table of cells that are HTML already; too wide for a telephone its rows stand below each other there.

    :param amounts: whether all columns but the first are amounts
    """
    if not rows:
        return f"<p>{none}</p>"
    kinds = ["", *["amount" if amounts else ""] * (len(head) - 1)]
    cells = "".join(f'<th scope="col"{css(kind)}>{escape(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    openings = [f'<td data-head="{escape(name)}"{css(kind)}>' for name, kind in zip(head, kinds, strict=True)]
    body = "".join(
        f"<tr>{''.join(f'{opening}{cell}</td>' for opening, cell in zip(openings, row, strict=True))}</tr>"
        for row in rows
    )
    return f"<table{css('wide' if len(head) > 2 else '')}><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def css(kind: str) -> str:
    """Return the class of an element, nothing where it has none."""
    return f' class="{kind}"' if kind else ""


def items_list(items: t.Sequence[tuple[str, str]]) -> str:
    """Return names beside their values, which are HTML already."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in items)}</dl>"
