# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the emulated CloudFormation import secrets, as AWS does: the emulator itself knows no import of that type."""

from __future__ import annotations

import typing as t

SECRET = "AWS::SecretsManager::Secret"


def find_secret(secrets: t.Any, arn: str) -> dict[str, t.Any] | None:
    """Return the secret with this ARN that does not wait for its deletion, None where there is none."""
    found: list[dict[str, t.Any]] = [secret for secret in secrets.values() if secret["ARN"] == arn]
    return next((secret for secret in found if not secret.get("DeletedDate")), None)


def install() -> None:
    """Teach the emulator the import of secrets by their ARN."""
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

    changesets._IMPORT_LOOKUPS[SECRET] = (("Id",), problem)
    provisioners._RESOURCE_HANDLERS[SECRET]["import"] = take_over
