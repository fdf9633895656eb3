# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the emulated CloudFormation import as AWS does.

The emulator itself knows no import of secrets, and takes a resource whose condition is false for one that is there.
"""

from __future__ import annotations

import typing as t

SECRET = "AWS::SecretsManager::Secret"


def find_secret(secrets: t.Any, arn: str) -> dict[str, t.Any] | None:
    """Return the secret with this ARN that does not wait for its deletion, None where there is none."""
    found: list[dict[str, t.Any]] = [secret for secret in secrets.values() if secret["ARN"] == arn]
    return next((secret for secret in found if not secret.get("DeletedDate")), None)


def only_live(resources: dict[str, t.Any], conditions: dict[str, bool]) -> dict[str, t.Any]:
    """Return the resources without those whose condition is false."""
    return {name: body for name, body in resources.items() if conditions.get(body.get("Condition", ""), True)}


def install() -> None:
    """Teach the emulator the import of secrets by their ARN, and to compare what the conditions leave of templates."""
    from ministack.services import secretsmanager
    from ministack.services.cloudformation import changesets, provisioners

    def problem(arn: str) -> str | None:
        if find_secret(secretsmanager._secrets, arn):
            return None
        return changesets._IMPORT_NOT_FOUND.format(type=SECRET, value=arn)

    def take_over(identifier: dict[str, str]) -> tuple[str, dict[str, str]]:
        arn = identifier["Id"]
        secret = find_secret(secretsmanager._secrets, arn)
        if secret is None:
            raise ValueError(f"{SECRET} {arn} does not exist")
        # The emulator's own physical id of a secret is its name.
        return secret["Name"], {"Id": arn, "Arn": arn}

    resolve = changesets._resolve_props_for_diff

    def resolve_live(template: dict[str, t.Any], params: t.Any, *stack: str) -> dict[str, t.Any]:
        resources = resolve(template, params, *stack).get("Resources", {})
        return {"Resources": only_live(resources, changesets._evaluate_conditions(template, params))}

    changesets._resolve_props_for_diff = resolve_live
    changesets._IMPORT_LOOKUPS[SECRET] = (("Id",), problem)
    provisioners._RESOURCE_HANDLERS[SECRET]["import"] = take_over
