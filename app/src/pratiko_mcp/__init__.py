# SPDX-License-Identifier: MIT
"""Runs any Model Context Protocol server: on AWS Lambda, or with uvicorn."""
