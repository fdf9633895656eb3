# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page of a cost review looks: on a desk, on a telephone, in the dark and on paper."""

from __future__ import annotations

import base64
import hashlib

# Okabe and Ito's colours, which people with any colour vision tell apart; the last one is for the rest.
LIGHT = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8300", "#767676")
DARK = ("#3d9bdc", "#f0b429", "#2bbf94", "#e09ac2", "#8ccdf5", "#ff8a4c", "#d9d04a", "#a0a0a0")


def palette(colors: tuple[str, ...]) -> str:
    """Return the colours of the bands as variables."""
    return "".join(f"--band{place}:{color};" for place, color in enumerate(colors))


BANDS = "".join(
    f".band{place}{{fill:var(--band{place})}}.dot{place}{{background:var(--band{place})}}"
    for place in range(len(LIGHT))
)
LIGHT_COLORS = f"--line:#8886;--soft:#8882;--good:#197a3e;--bad:#b3261e;--warn:#8a5a00;--bar:#0072b2;{palette(LIGHT)}"
DARK_COLORS = f"--good:#6fd08f;--bad:#ff9a92;--warn:#f0c060;--bar:#3d9bdc;{palette(DARK)}"
STYLE = f"""
:root{{color-scheme:light dark;{LIGHT_COLORS}}}
@media(prefers-color-scheme:dark){{:root{{{DARK_COLORS}}}}}
*{{box-sizing:border-box}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}}
h1{{margin-bottom:0}}h2{{margin-top:2.5rem;border-bottom:1px solid var(--line)}}h3{{margin:1.5rem 0 .5rem}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}}
th,td{{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}}
td{{overflow-wrap:anywhere}}.amount{{text-align:right;white-space:nowrap}}
data,.levels{{font-variant-numeric:tabular-nums}}
.within,.holds{{color:var(--good)}}.over,.does_not_hold{{color:var(--bad)}}
.watch,.unknown,.not_comparable,.gap{{color:var(--warn)}}
.note{{opacity:.75;font-size:.9rem}}
.chart{{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 .5rem;margin:1rem 0 .5rem}}
.levels{{display:flex;flex-direction:column;justify-content:space-between;text-align:right;font-size:.85rem;line-height:1}}
.dates{{grid-column:2;display:flex;justify-content:space-between;font-size:.85rem}}
svg{{display:block;width:100%}}svg.daily{{height:14rem}}svg.bar{{height:1.6rem;margin:.25rem 0}}
.grid{{stroke:var(--line);vector-effect:non-scaling-stroke}}
.track{{fill:var(--soft)}}.range{{fill:var(--line)}}rect.spent{{fill:var(--bar)}}rect.near{{fill:var(--warn)}}
rect.over{{fill:var(--bad)}}
line.budget{{stroke:currentColor;stroke-width:3;vector-effect:non-scaling-stroke}}
line.forecast{{stroke:currentColor;stroke-width:2;stroke-dasharray:3 3;vector-effect:non-scaling-stroke}}
.grows{{opacity:.55}}
.legend{{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;margin:.5rem 0;font-size:.9rem}}
.dot{{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}}{BANDS}
.cards{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem}}
.card{{border:1px solid var(--line);border-radius:6px;padding:.75rem 1rem}}.card h3{{margin-top:0}}
dl{{display:grid;grid-template-columns:auto auto;gap:.1rem 1rem;margin:.5rem 0}}dt{{opacity:.75}}
dd{{margin:0;text-align:right;overflow-wrap:anywhere}}
@media(max-width:40rem){{body{{margin:1rem auto}}svg.daily{{height:10rem}}
table.wide thead{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}}
.wide td{{display:block;border:0;padding:.1rem .6rem;text-align:left;white-space:normal}}
.wide tr{{display:block;padding:.35rem 0;border-bottom:1px solid var(--line)}}
.wide td:empty{{display:none}}.wide td::before{{content:attr(data-head) ": ";opacity:.75}}}}
@media print{{:root{{color-scheme:light;{LIGHT_COLORS}}}
body{{font-size:11px;max-width:none;margin:0;color:#000;background:#fff}}
.card,table,tr,.chart,.legend{{break-inside:avoid}}h2,h3{{break-after:avoid}}svg.daily{{height:9rem}}
details:not([open]){{display:none}}svg,.dot{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}}}
"""


def policy() -> str:
    """Return a policy that lets the page load nothing and run nothing; its own style is known by its hash."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
