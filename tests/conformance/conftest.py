# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite, and the server it is run against."""

from __future__ import annotations

import pytest

from tests.support import conformance


@pytest.fixture(scope="session")
def suite() -> conformance.Suite:
    """The installed suite."""
    return conformance.install()
