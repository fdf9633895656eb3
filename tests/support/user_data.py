# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user data of staging's instances: rendered as the role does, and read again."""

from __future__ import annotations

import re
import typing as t

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from tests.support.checkout import ROOT

TEMPLATE = ROOT / "roles" / "staging" / "templates" / "user-data.sh.j2"
EXAMPLE: dict[str, t.Any] = {
    "release": "0123456789ab",
    "package_bucket": "mcp-staging-state-123456789012",
    "package_key": "releases/0123456789ab/ec2-x86_64.zip",
    "package_sha256": "5f" * 32,
    "region": "us-east-1",
    "python_version": "3.13",
    "environment": {
        "MCP_ENVIRONMENT": "staging",
        "MCP_RELEASE": "0123456789ab",
        "MCP_PUBLIC_URL": "https://mcp-staging-1234567890.us-east-1.elb.amazonaws.com",
        "MCP_ALLOWED_HOSTS": "mcp-staging-1234567890.us-east-1.elb.amazonaws.com,127.0.0.1:*",
        "MCP_REQUEST_TIMEOUT": "28",
        "MCP_DATABASE_URL": "postgresql://mcp@db:5432/mcp?sslmode=verify-full&sslrootcert=/etc/mcp/rds-ca.pem",
        "MCP_DATABASE_AUTH": "iam",
        "MCP_JWKS_URL": "",
    },
    "port": 8000,
    "prepare": True,
    "master_secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1-AbCdEf",
    "migrates": True,
    "log_group": "/mcp/staging/server",
    "hook_name": "mcp-staging-ready",
    "group_name": "mcp-staging",
    "database_ca_url": "https://truststore.pki.rds.amazonaws.com/us-east-1/us-east-1-bundle.pem",
}


def render(**changes: t.Any) -> str:
    """Return the script for the example with these keys changed."""
    lookup = trust_as_template("{{ lookup('ansible.builtin.template', _template) }}")
    variables = {"_staging_user_data": {**EXAMPLE, **changes}, "_template": str(TEMPLATE)}
    return str(Templar(loader=DataLoader(), variables=variables).template(lookup))


def files(script: str) -> dict[str, str]:
    """Return what the script writes, by path."""
    found = re.findall(
        r"^# >>> file (\S+)\ncat >\1 <<'MCP_FILE'\n(.*?)^MCP_FILE\n# <<< file$", script, re.MULTILINE | re.DOTALL
    )
    return dict(found)
