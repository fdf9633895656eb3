# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of a stack whose values are read from SSM for the request alone.

CloudFormation reads secrets of Secrets Manager by itself, but not SecureStrings for most properties. So the value is
read here when a change set is asked for; it is in no variable, no result and no saved plan.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import Template, parameter_text


def with_secrets(ctx: Context, template: Template, parameters: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return a request's parameters with the values of O(secret_parameters) in the place of what the stack has.

    :raises McpError: a parameter would show its value, or there is no value
    """
    sources = ctx.params["secret_parameters"]
    for name in sources:
        if parameter_text(template.parameters.get(name, {}).get("NoEcho", False)) != "true":
            raise McpError(
                f"secret_parameters has '{name}': allowed are the template's parameters with NoEcho: true, as others "
                "are shown to anyone who may look at the stack. Nothing was changed."
            )
    kept = [entry for entry in parameters if entry["ParameterKey"] not in sources]
    values = {name: read_value(ctx, source["ssm_parameter"], source.get("field")) for name, source in sources.items()}
    return kept + [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def read_value(ctx: Context, name: str, field: str | None) -> str:
    """Return what a SecureString holds, or one field of its JSON document.

    :raises McpError: there is none (what it holds is not shown)
    """
    try:
        text = ctx.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        value = json.loads(text)[field] if field else text
    except AWS_ERRORS as error:
        if error_code(error) != "ParameterNotFound":
            raise
        value = None
    except (ValueError, TypeError, KeyError):
        value = None
    if not value:
        raise McpError(
            f"secret_parameters: the SSM parameter {name} has no value{f' in its field {field}' if field else ''}. "
            "Nothing was changed. Run the same command again, which makes what is missing."
        )
    return str(value)
