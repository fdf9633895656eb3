# SPDX-License-Identifier: MIT
"""Numbered in their order; `pratiko_mcp.reference.schema` says what each of them owes to servers that run meanwhile."""
