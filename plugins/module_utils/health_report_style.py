# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page of a health report looks: on a desk, on a telephone, in the dark and on paper."""

from __future__ import annotations

import base64
import hashlib

LIGHT_COLORS = "--line:#8886;--soft:#8882;--critical:#b3261e;--warning:#8a5a00;--unknown:#5b4a9c;--healthy:#197a3e"
DARK_COLORS = "--critical:#ff9a92;--warning:#f0c060;--unknown:#b9aef5;--healthy:#6fd08f"
STYLE = f"""
:root{{color-scheme:light dark;{LIGHT_COLORS}}}
@media(prefers-color-scheme:dark){{:root{{{DARK_COLORS}}}}}
*{{box-sizing:border-box}}
body{{font:16px/1.45 system-ui,sans-serif;max-width:84rem;margin:2rem auto;padding:0 1rem}}
h1{{margin:0}}h2{{margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}}h3{{margin:0}}
p{{margin:.25rem 0}}data,time{{font-variant-numeric:tabular-nums}}
.state{{font-weight:700;white-space:nowrap}}
.critical{{color:var(--critical)}}.warning{{color:var(--warning)}}.unknown{{color:var(--unknown)}}
.healthy{{color:var(--healthy)}}
.note{{font-size:.85rem;opacity:.8}}
.counts{{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;padding:0;margin:.75rem 0}}
.cards{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem;margin:1rem 0}}
.card{{border:1px solid var(--line);border-radius:6px;padding:.6rem .9rem;overflow-wrap:anywhere}}
table{{border-collapse:collapse;width:100%;table-layout:fixed}}
th,td{{text-align:left;vertical-align:top;padding:.5rem .6rem;border-bottom:1px solid var(--line)}}
th,td{{overflow-wrap:anywhere}}th.check{{width:10rem}}
td.critical,td.warning,td.unknown,td.healthy{{color:inherit}}
td.critical{{box-shadow:inset 4px 0 var(--critical);background:var(--soft)}}
td.warning{{box-shadow:inset 4px 0 var(--warning)}}td.unknown{{box-shadow:inset 4px 0 var(--unknown)}}
.evidence{{font-size:.875rem}}
code{{font:.8125rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}}
.next code{{display:block;border:1px solid var(--line);border-radius:4px;padding:.25rem .4rem;user-select:all}}
svg{{display:block;height:14px;width:100%;margin:.3rem 0 0}}
rect.healthy{{fill:var(--healthy)}}rect.warning{{fill:var(--warning)}}rect.critical{{fill:var(--critical)}}
rect.unknown{{fill:none;stroke:var(--unknown)}}
.legend{{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;font-size:.85rem}}
.legend li{{display:flex;gap:.4rem;align-items:center}}.legend svg{{width:8px;margin:0}}
@media(max-width:52rem){{body{{margin:1rem auto}}
thead{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}}
table,tbody,tr,th,td{{display:block;width:auto}}th.check{{width:auto;border:0;font-size:1.1rem;padding-bottom:0}}
tr{{border:1px solid var(--line);border-radius:6px;margin:0 0 1rem}}
td:last-child{{border-bottom:0}}td.none{{display:none}}
td::before{{content:attr(data-head);display:block;font-weight:600}}}}
@media print{{:root{{color-scheme:light;{LIGHT_COLORS}}}
body{{font-size:10px;max-width:none;margin:0;color:#000;background:#fff}}
tr,.card{{break-inside:avoid}}svg{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}}}
"""


def policy() -> str:
    """Return a policy that lets the page load nothing and run nothing; its own style is known by its hash."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
