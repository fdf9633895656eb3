# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""imported_certificate: made once, found again, renewed in place; clients that are handed its authority trust it."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import imported_certificate, own_certificate
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.stub import ANY, Stubber
from cryptography import x509

NAME = "mcp-staging-1.us-east-1.elb.amazonaws.com"
ARNS = [f"arn:aws:acm:us-east-1:123456789012:certificate/{number:08d}-0000-0000-0000-000000000000" for number in (1, 2)]
ARN, OTHER = ARNS
TAGS = {"mcp:environment": "staging", "mcp:managed-by": "pratikoai.mcp_servers", "mcp:certificate": "imported"}
LISTING = {"Includes": {"keyTypes": ["EC_prime256v1"]}}


class Acm:
    """Stubbed ACM."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.client = SHARED_SESSION.client("acm", **options)
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.warned: list[str] = []

    def listed(self, *arns: str) -> None:
        found = [{"CertificateArn": arn, "DomainName": "mcp-staging", "Type": "IMPORTED"} for arn in arns]
        found.append({"CertificateArn": OTHER, "DomainName": "asked.for", "Type": "AMAZON_ISSUED"})
        self.stub.add_response("list_certificates", {"CertificateSummaryList": found}, LISTING)

    def tagged(self, arn: str = ARN, **tags: str) -> None:
        both = [{"Key": key, "Value": value} for key, value in {**TAGS, **tags}.items()]
        self.stub.add_response("list_tags_for_certificate", {"Tags": both}, {"CertificateArn": arn})

    def has(self, made: own_certificate.Made, arn: str = ARN) -> None:
        answer = {"Certificate": made.certificate.decode(), "CertificateChain": made.chain.decode()}
        self.stub.add_response("get_certificate", answer, {"CertificateArn": arn})

    def gone(self, arn: str = ARN) -> None:
        self.stub.add_client_error("get_certificate", "ResourceNotFoundException", "no", 400, expected_params=None)

    def imports(self, **which: t.Any) -> None:
        wanted = {"Certificate": ANY, "PrivateKey": ANY, "CertificateChain": ANY, **which}
        self.stub.add_response("import_certificate", {"CertificateArn": ARN}, wanted)

    def run(self, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        given = {"environment": "staging", "names": [NAME], **params}
        checked = ArgumentSpecValidator(
            imported_certificate.ARGUMENT_SPEC, required_if=imported_certificate.SPEC_OPTIONS["required_if"]
        ).validate(given)
        assert not checked.error_messages, checked.error_messages
        ctx = Context(
            params=dict(checked.validated_parameters),
            make_client=lambda service, region: self.client,
            check_mode=check_mode,
            warn=self.warned.append,
        )
        result = imported_certificate.run(ctx)
        self.stub.assert_no_pending_responses()
        return result


@pytest.fixture
def acm() -> Acm:
    return Acm()


@pytest.fixture(scope="module")
def good() -> own_certificate.Made:
    return own_certificate.make("mcp-staging", [NAME], 365)


def tag_list(**more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted({**TAGS, **more}.items())]


def test_the_first_one_is_made_imported_and_handed_out(acm: Acm, tmp_path: Path) -> None:
    acm.listed()
    acm.imports(Tags=tag_list(**{"mcp:phase": "staging"}))
    target = tmp_path / "reports" / "ca.pem"
    result = acm.run(ca_file=str(target), tags={"mcp:phase": "staging"})
    assert (result["changed"], result["arn"], result["why"]) == (True, ARN, "there is none yet")
    text = target.read_text(encoding="ascii")
    assert "PRIVATE KEY" not in text
    authority = x509.load_pem_x509_certificate(text.encode())
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is True
    assert target.stat().st_mode & 0o777 == 0o644


def test_check_mode_makes_and_writes_nothing(acm: Acm, tmp_path: Path) -> None:
    acm.listed()
    result = acm.run(check_mode=True, ca_file=str(tmp_path / "ca.pem"))
    assert (result["changed"], result["arn"]) == (True, "")
    assert list(tmp_path.iterdir()) == []


def test_the_one_that_the_listener_has_is_kept(acm: Acm, good: own_certificate.Made, tmp_path: Path) -> None:
    acm.has(good)
    acm.tagged()
    result = acm.run(arn=ARN, ca_file=str(tmp_path / "ca.pem"))
    assert (result["changed"], result["arn"], result["why"]) == (False, ARN, "")
    assert (tmp_path / "ca.pem").read_bytes() == good.chain
    written = (tmp_path / "ca.pem").stat().st_mtime_ns
    acm.has(good)
    acm.tagged()
    acm.run(arn=ARN, ca_file=str(tmp_path / "ca.pem"))
    assert (tmp_path / "ca.pem").stat().st_mtime_ns == written


def test_one_that_a_dead_run_has_imported_is_found_by_its_tags(acm: Acm, good: own_certificate.Made) -> None:
    acm.listed(ARN)
    acm.tagged()
    acm.has(good)
    assert acm.run() == {"changed": False, "arn": ARN, "ends": ANY, "why": ""}


def test_another_environments_is_not_taken(acm: Acm) -> None:
    acm.listed(ARN)
    acm.tagged(**{"mcp:environment": "rehearsal"})
    acm.imports(Tags=tag_list())
    assert acm.run()["changed"] is True


def test_a_domains_own_certificate_is_not_taken_for_ours(acm: Acm, good: own_certificate.Made) -> None:
    acm.has(good, OTHER)
    acm.tagged(OTHER, **{"mcp:certificate": "asked"})
    acm.listed()
    acm.imports(Tags=tag_list())
    assert acm.run(arn=OTHER)["arn"] == ARN


def test_it_is_renewed_in_place_before_its_end(acm: Acm) -> None:
    ending = own_certificate.make("mcp-staging", [NAME], 29)
    acm.has(ending)
    acm.tagged()
    acm.imports(CertificateArn=ARN)
    result = acm.run(arn=ARN)
    assert result["why"] == f"it ends on {own_certificate.end_of(ending.certificate.decode()):%Y-%m-%d}"
    left = datetime.date.fromisoformat(result["ends"]) - datetime.datetime.now(datetime.UTC).date()
    assert left.days in (364, 365)


def test_a_new_name_of_the_load_balancer_gets_a_new_one(acm: Acm, good: own_certificate.Made) -> None:
    acm.has(good)
    acm.tagged()
    acm.imports(CertificateArn=ARN)
    result = acm.run(arn=ARN, names=["another.elb.amazonaws.com", NAME])
    assert result["why"] == "it is not made out to another.elb.amazonaws.com"


def test_handing_out_touches_nothing_else(acm: Acm, good: own_certificate.Made, tmp_path: Path) -> None:
    acm.has(good)
    acm.tagged()
    assert acm.run(state="handed_out", arn=ARN, ca_file=str(tmp_path / "ca.pem"))["changed"] is False
    assert (tmp_path / "ca.pem").read_bytes() == good.chain


def test_of_a_certificate_that_is_gone_nothing_is_handed_out(acm: Acm, tmp_path: Path) -> None:
    acm.gone()
    assert acm.run(state="handed_out", arn=ARN, ca_file=str(tmp_path / "ca.pem"))["arn"] == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_clear_error(
    acm: Acm, good: own_certificate.Made, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    acm.has(good)
    acm.tagged()
    with pytest.raises(McpError, match=r"ca_file is .*which cannot be written.*-e mcp_report_dir="):
        acm.run(arn=ARN, ca_file=str(tmp_path / "file" / "ca.pem"))


def test_destroy_removes_ours_and_keeps_what_is_in_use(acm: Acm) -> None:
    acm.listed(*ARNS)
    acm.tagged(ARN)
    acm.tagged(OTHER)
    acm.stub.add_response("delete_certificate", {}, {"CertificateArn": ARN})
    acm.stub.add_client_error("delete_certificate", "ResourceInUseException", "in use", 400)
    result = acm.run(state="absent", names=[])
    assert [item["resource"] for item in result["removed"]] == [ARN]
    assert [item["resource"] for item in result["kept"]] == [OTHER]
    assert "stays, because it is in use" in acm.warned[0]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_strict_client_with_the_authority_takes_it_and_one_without_does_not(name: str, tmp_path: Path) -> None:
    made = own_certificate.make("mcp-staging", ["localhost", "127.0.0.1"], 365)
    (tmp_path / "server.pem").write_bytes(made.certificate + made.key)
    (tmp_path / "ca.pem").write_bytes(made.chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    # What Python 3.13 asks for by itself.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert greet(server, client, name) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(server, ssl.create_default_context(), name)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"ostname mismatch|IP address mismatch"):
        greet(server, client, "example.org")


def greet(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """Shake hands over a pair of sockets; return the version of TLS."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    theirs.settimeout(5)

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as talk:
            return talk.version()
    finally:
        ours.close()
        thread.join()
