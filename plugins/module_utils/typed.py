# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as the person who started Ansible would type them."""

from __future__ import annotations

import os


def where() -> str:
    """Return the folder that commands are typed in, by the name that the shell shows."""
    shown, here = os.environ.get("PWD", ""), os.getcwd()
    try:
        # What started Ansible may have changed the folder, and not said so.
        return shown if shown and os.path.samefile(shown, here) else here
    except OSError:
        return here


def typed_path(path: str) -> str:
    """Return a path as it can be typed there."""
    return os.path.relpath(path, where())
