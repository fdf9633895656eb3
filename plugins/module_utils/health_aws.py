# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that ask AWS."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    health_aws_backup,
    health_aws_bucket,
    health_aws_connections,
    health_aws_database,
    health_aws_due,
    health_aws_edge,
    health_aws_servers,
    health_aws_stack,
    health_aws_table,
    health_aws_traffic,
    health_aws_watch,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind

KINDS: dict[str, Kind] = {
    **health_aws_stack.KINDS,
    **health_aws_servers.KINDS,
    **health_aws_database.KINDS,
    **health_aws_connections.KINDS,
    **health_aws_traffic.KINDS,
    **health_aws_bucket.KINDS,
    **health_aws_table.KINDS,
    **health_aws_edge.KINDS,
    **health_aws_watch.KINDS,
    **health_aws_due.KINDS,
    **health_aws_backup.KINDS,
}
