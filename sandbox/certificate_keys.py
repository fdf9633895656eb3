# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what the emulated ACM forgets: the keys of imported certificates, and what the certificates say of themselves.

A load balancer's door (load_balancer_door.py) needs key and certificate. They lie in the sandbox's own folder, one file
for each; nobody gets a key from the emulator.
"""

from __future__ import annotations

import functools
import json
import typing as t
from pathlib import Path

import self_signed

FOLDER = "certificates"
PAGE = "/_sandbox/listeners"
LOOPBACK = ("localhost", "127.0.0.1")

Certificate = dict[str, t.Any]


def details_of(pem: str) -> Certificate:
    """Return what ACM reads out of an imported certificate."""
    from cryptography import x509

    found = x509.load_pem_x509_certificate(pem.encode())
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*extension.get_values_for_type(x509.DNSName)]
        names += [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        names = []
    common = [str(item.value) for item in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    form = "%Y-%m-%dT%H:%M:%SZ"
    domain = (common or names or [""])[0]
    return {
        "DomainName": domain,
        "SubjectAlternativeNames": names or [domain],
        "NotBefore": found.not_valid_before_utc.strftime(form),
        "NotAfter": found.not_valid_after_utc.strftime(form),
    }


class Keys:
    """The files with keys and certificates of one sandbox.

    :param directory: the sandbox's
    """

    def __init__(self, directory: Path) -> None:
        self.folder = directory / FOLDER

    def path(self, arn: str) -> Path:
        """Return where key and certificate of a certificate lie."""
        return self.folder / f"{arn.rpartition('/')[2]}.pem"

    def write(self, arn: str, key: str, *certificates: str) -> Path:
        """Write them, whole or not at all, for this user alone."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        path, partial = self.path(arn), self.path(arn).with_suffix(".new")
        partial.touch(0o600)
        partial.write_text("\n".join(part.strip() for part in (key, *certificates) if part) + "\n", encoding="utf-8")
        partial.replace(path)
        return path

    def of(self, certificate: Certificate) -> Path:
        """Return the file of a certificate; one that ACM has issued gets a self-signed stand-in."""
        path = self.path(certificate["CertificateArn"])
        if not path.exists():
            names = dict.fromkeys((*certificate.get("SubjectAlternativeNames", []), *LOOPBACK))
            public, private = self_signed.make(list(names))
            self.write(certificate["CertificateArn"], private.decode(), public.decode())
        return path

    def listeners(self, host: str) -> dict[str, t.Any] | None:
        """Return what a load balancer listens to; None: there is no such load balancer."""
        from ministack.services import acm, alb

        found = [item for item in list(alb._lbs._data.values()) if item["DNSName"].lower() == host.lower()]
        if not found:
            return None
        every = list(alb._listeners._data.values())
        own = [item for item in every if item["LoadBalancerArn"] == found[0]["LoadBalancerArn"]]
        arns = [arn for item in own if item.get("Port") == 443 for arn in item.get("Certificates", [])]
        certificates = [item for item in list(acm._certificates._data.values()) if item["CertificateArn"] in arns[:1]]
        ports = [item.get("Port") for item in own]
        return {"ports": ports, "certificate": str(self.of(certificates[0])) if certificates else ""}

    async def answer(self, query: bytes, send: t.Any) -> None:
        """Answer the front door's question for the listeners of a load balancer."""
        found = self.listeners(query.decode(errors="replace").partition("host=")[2])
        body = json.dumps(found or {"message": "There is no such load balancer."}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def install(self) -> None:
        """Put this into the emulated ACM."""
        from ministack.services import acm

        imports, delete = acm._import_certificate, acm._delete_certificate

        @functools.wraps(imports)
        def imported(data: dict[str, t.Any]) -> t.Any:
            try:
                known = details_of(acm._decode_pem_field(data.get("Certificate")))
            except ValueError:
                text = "The certificate field contains more than one certificate, or is no certificate in PEM format."
                return acm.error_response_json("ValidationException", text, 400)
            answer = imports(data)
            certificate = acm._certificates.get(json.loads(answer[2]).get("CertificateArn"))
            if certificate:
                certificate.update(known)
                parts = (certificate["_pem_body"], certificate["_pem_chain"])
                self.write(certificate["CertificateArn"], certificate.pop("_private_key"), *parts)
            return answer

        @functools.wraps(delete)
        def deleted(data: dict[str, t.Any]) -> t.Any:
            answer = delete(data)
            if answer[0] == 200:
                self.path(str(data.get("CertificateArn"))).unlink(missing_ok=True)
            return answer

        acm._import_certificate, acm._delete_certificate = imported, deleted
