# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check kind tls: a certificate that is trusted, fits the name and does not end soon."""

from __future__ import annotations

import shlex
import ssl
import typing as t
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    TIMED,
    Finding,
    Kind,
    Look,
    Observation,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_tcp import (
    connected,
    connection_finding,
    place_of,
    timed,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import tls_context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import shorten


def tls_step(probe: dict[str, t.Any]) -> str:
    place, host = shlex.quote(place_of(probe)), shlex.quote(probe["host"])
    return f"openssl s_client -connect {place} -servername {host}"


def context_of(probe: dict[str, t.Any]) -> ssl.SSLContext:
    """Return what verifies chain and name, and takes TLS 1.2 at least.

    :raises Finding: unknown, ``ca_file`` cannot be used
    """
    path = probe["ca_file"]
    try:
        return tls_context(path)
    except OSError as error:
        raise Finding("unknown", f"ca_file {path}: {error}", f"ls -l {shlex.quote(str(path))}") from error


def issuer_of(certificate: dict[str, t.Any]) -> str:
    """Return the common name of who signed a certificate, else the organisation."""
    names = dict(pair for group in certificate.get("issuer", ()) for pair in group)
    return str(names.get("commonName") or names.get("organizationName") or "unnamed")


def shake_hands(look: Look, context: ssl.SSLContext) -> tuple[dict[str, t.Any], str]:
    """Return the verified certificate of the server and the protocol.

    :raises Finding: critical: not trusted, another name, expired, too old a protocol, or no TLS at all
    """
    probe, seconds = look.probe, look.seconds_left()
    try:
        with connected(look) as plain, context.wrap_socket(plain, server_hostname=probe["host"]) as secure:
            return dict(secure.getpeercert() or {}), str(secure.version())
    except ssl.SSLCertVerificationError as error:
        text = f"{place_of(probe)}: the certificate is not trusted: {shorten(error.verify_message)}"
        raise Finding("critical", text) from error
    except ssl.SSLEOFError as error:
        text = f"{place_of(probe)}: the server closed the connection during the handshake"
        raise Finding("critical", text) from error
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        raise Finding("critical", f"{place_of(probe)}: no TLS 1.2 or later: {shorten(reason)}") from error
    except OSError as error:
        raise connection_finding(error, probe, seconds) from error


def look_tls(look: Look) -> Observation:
    """Shake hands, and count the days until the certificate ends."""
    context = context_of(look.probe)
    seen: list[tuple[dict[str, t.Any], str]] = []
    times = timed(lambda: seen.append(shake_hands(look, context)), look.probe["samples"])
    certificate, protocol = seen[-1]
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - look.now).total_seconds() / 86400
    text = f"{place_of(look.probe)}: {protocol}, issued by {issuer_of(certificate)}, ends {ends:%Y-%m-%d}"
    return Observation(look.thresholds.level("certificate_days", days), f"{text} ({days:.0f} days left)", times)


TLS = Kind("tls", look_tls, TIMED | {"host", "port", "ca_file"}, required=("host", "port"), step=tls_step)
