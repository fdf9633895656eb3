# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secret an import takes over, and which resources count as there."""

from __future__ import annotations

import imports
import pytest

SECRETS = {
    "a": {"ARN": "arn:a", "Name": "a", "DeletedDate": None},
    "b": {"ARN": "arn:b", "Name": "b", "DeletedDate": 1},
}


@pytest.mark.parametrize(("arn", "name"), [("arn:a", "a"), ("arn:b", None), ("arn:c", None)])
def test_a_secret_is_found_by_its_arn_unless_it_waits_for_its_deletion(arn: str, name: str | None) -> None:
    found = imports.find_secret(SECRETS, arn)
    assert (found and found["Name"]) == name


def test_a_resource_whose_condition_is_false_is_not_there() -> None:
    resources = {name: {"Condition": name} for name in ("held", "left")} | {"always": {}}
    assert set(imports.only_live(resources, {"held": True, "left": False})) == {"held", "always"}
