# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of tasks that keep the deploy lock of a run while they take their time."""

from __future__ import annotations


class ModuleDocFragment:
    """The option ``lock``, as module_utils/lock_renewal.py takes it."""

    DOCUMENTATION = r"""
options:
  lock:
    description: A deploy lock that is renewed while the task takes its time.
    type: dict
    suboptions:
      bucket:
        description: Bucket of the lock.
        type: str
        required: true
      key:
        description: Key of the lock.
        type: str
        required: true
      run_id:
        description: The run that holds it.
        type: str
        required: true
      lease:
        description: Seconds for which a renewal is good.
        type: int
        default: 900
      owner:
        description: Account that has to own the bucket, whose name anybody could have taken. Without it any may.
        type: str
"""
