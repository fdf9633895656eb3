# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state bucket forgets nothing that is in force: records, audit lines, packages and templates of releases."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support.checkout import ROOT

FOUNDATION = ROOT / "roles" / "production" / "files" / "foundation.yaml"
BUCKET = load_template(FOUNDATION.read_text(encoding="utf-8"), "foundation.yaml")["Resources"]["StateBucket"]
# What these do to an object that nobody replaced or deleted, no rule may do here.
TOUCHES_WHAT_IS_IN_FORCE = {"ExpirationDate", "ExpirationInDays", "Transition", "Transitions"}
# A release record is read back through versions when somebody overwrites it by hand: give them a quarter.
DAYS = 90


def test_it_is_versioned_and_outlives_its_stack() -> None:
    assert BUCKET["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert BUCKET["DeletionPolicy"] == "RetainExceptOnCreate" and BUCKET["UpdateReplacePolicy"] == "Retain"


def test_its_lifecycle_touches_only_what_was_replaced_or_deleted_and_what_nobody_reads_again() -> None:
    rules = BUCKET["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rules
    for rule in rules:
        # No stack and no record ever names a template that was uploaded for a look, nor a day's answer about costs.
        passing = rule.get("Prefix") in ("templates/look-", "cost-cache/")
        assert passing or not TOUCHES_WHAT_IS_IN_FORCE & set(rule), rule["Id"]
        replaced = rule.get("NoncurrentVersionExpiration")
        assert replaced is None or replaced["NoncurrentDays"] >= DAYS, rule["Id"]
