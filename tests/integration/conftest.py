# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several integration tests use."""

from __future__ import annotations

import typing as t

import pytest

from tests.support import browser as browsers


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[browsers.Browser]:
    """Start a Chromium."""
    binary = browsers.find()
    if not binary:
        pytest.skip(f"none of {', '.join(browsers.NAMES)} is on PATH; on Debian: apt-get install chromium")
    with browsers.started(binary, tmp_path_factory.mktemp("profile")) as running:
        yield running
