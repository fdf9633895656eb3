# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a certificate that no public authority has signed: its own small authority signs it once and is forgotten."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import tempfile
import typing as t
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    MISSING_LIBRARY: ImportError | None = error
else:
    MISSING_LIBRARY = None

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

# A load balancer refuses a subject that does not look like a host; its own name may be too long for one.
NOWHERE = "invalid"
# Clocks differ.
EARLIER = datetime.timedelta(minutes=5)


class Made(t.NamedTuple):
    """A new certificate; the key is for ACM alone."""

    certificate: bytes
    key: bytes
    chain: bytes


def require_library() -> None:
    """:raises McpError: the library that makes keys is missing"""
    if MISSING_LIBRARY is not None:
        raise McpError(
            f"The Python library cryptography is missing ({MISSING_LIBRARY}): without it no certificate can be made. "
            "Install it with: pip install cryptography"
        )


def general_name(name: str) -> t.Any:
    """Return a name as a certificate has it: an address or a host."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def common_name(text: str) -> t.Any:
    """Return the name of a subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_usage(signs_certificates: bool) -> t.Any:
    """Return what a key may be used for."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def build(subject: t.Any, issuer: t.Any, public_key: t.Any, days: int) -> t.Any:
    """Return what a certificate of either kind begins with."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def pem(certificate: t.Any) -> bytes:
    """Return a certificate as text."""
    return t.cast("bytes", certificate.public_bytes(serialization.Encoding.PEM))


def make(title: str, names: list[str], days: int) -> Made:
    """Make an authority, let it sign a certificate for these names, and forget its key.

    :param title: what a person sees as the subject, at most 50 characters
    """
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = common_name(f"{title} authority")
    own_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    authority = (
        build(authority_name, authority_name, authority_key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(True), critical=True)
        .add_extension(own_identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        build(common_name(f"{title}.{NOWHERE}"), authority_name, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(own_identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Made(pem(certificate), secret, pem(authority))


def names_of(text: str) -> set[str]:
    """Return the names that a certificate is made out to."""
    certificate = x509.load_pem_x509_certificate(text.encode())
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name) for kind in (x509.DNSName, x509.IPAddress) for name in found.get_values_for_type(kind)}


def end_of(text: str) -> datetime.datetime:
    """Return when a certificate ends."""
    certificate = x509.load_pem_x509_certificate(text.encode())
    # cryptography before 42 has it without a zone
    aware = getattr(certificate, "not_valid_after_utc", None)
    return aware or certificate.not_valid_after.replace(tzinfo=datetime.UTC)


def write_for_clients(path: str, text: str) -> None:
    """Write a certificate that clients are to trust, in one step; it is no secret. One that is there stays untouched.

    :raises McpError: it cannot be written
    """
    target = Path(path)
    with contextlib.suppress(OSError):
        if target.read_text(encoding="ascii") == text:
            return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        raise McpError(
            f"ca_file is '{path}', which cannot be written: {error}. Choose another folder: -e mcp_report_dir=..."
        ) from error
