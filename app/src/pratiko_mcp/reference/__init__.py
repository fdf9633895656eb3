# SPDX-License-Identifier: MIT
"""The reference server: a small document store."""
