# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of checks."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_aws
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_http import HTTP_KINDS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_postgres import POSTGRES
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_prometheus import PROMETHEUS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_redis import REDIS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_tcp import TCP
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_tls import TLS

OWN = (*HTTP_KINDS, TCP, TLS, POSTGRES, REDIS, PROMETHEUS)
KINDS: dict[str, Kind] = {kind.name: kind for kind in OWN} | health_aws.KINDS
