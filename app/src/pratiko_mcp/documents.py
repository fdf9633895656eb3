# SPDX-License-Identifier: MIT
"""The documents that anybody may read: health, what protects the server, its issuer's keys."""

from __future__ import annotations

from .asgi import MCP_PATH
from .settings import Settings

HEALTH_PATH = "/health"
METADATA_PATH = "/.well-known/oauth-protected-resource"
KEYS_PATH = "/.well-known/jwks.json"


def public_documents(settings: Settings) -> dict[str, object]:
    """Return the public documents by path; without tokens there is no metadata about them."""
    health = {
        "status": "ok",
        "release": settings.release,
        "environment": settings.environment,
        "server": settings.server_name,
    }
    documents: dict[str, object] = {HEALTH_PATH: health}
    if settings.token:
        metadata = _resource_metadata(settings, settings.token.issuer)
        documents |= {METADATA_PATH: metadata, METADATA_PATH + MCP_PATH: metadata}
        if settings.token.jwks:
            documents[KEYS_PATH] = settings.token.jwks
    return documents


def _resource_metadata(settings: Settings, issuer: str) -> dict[str, object]:
    """Build the RFC 9728 document."""
    scopes = {"scopes_supported": list(settings.scopes_supported)} if settings.scopes_supported else {}
    return {
        "resource": settings.resource,
        "resource_name": settings.server_name,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        **scopes,
    }


def challenge(settings: Settings) -> str:
    """Return the start of the WWW-Authenticate header, without a scope."""
    return f'Bearer resource_metadata="{settings.public_url}{METADATA_PATH}{MCP_PATH}"'
