# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of a load balancer: TLS by its listener's certificate, redirects, renewal, and what stands in for what."""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t
import urllib.error
import urllib.request

import pytest
import self_signed

from tests.support.emulated import TestSandbox
from tests.support.fleet import Fleet, until

pytestmark = pytest.mark.integration
NAMES = ["mcp.example.com", "localhost", "127.0.0.1"]


class Balanced(t.NamedTuple):
    """A load balancer with TLS and its door."""

    fleet: Fleet
    door: dict[str, t.Any]
    certificate: str
    trusted: str


def listen(fleet: Fleet, arn: str) -> None:
    """Give the load balancer a listener with TLS, and let the other one redirect to it."""
    (plain,) = fleet.balancing.describe_listeners(LoadBalancerArn=fleet.balancer)["Listeners"]
    forward = [{"Type": "forward", "TargetGroupArn": fleet.target_group}]
    fleet.balancing.create_listener(
        LoadBalancerArn=fleet.balancer, Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": arn}],
        DefaultActions=forward,
    )  # fmt: skip
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    fleet.balancing.modify_listener(
        ListenerArn=plain["ListenerArn"], DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}]
    )


@pytest.fixture(scope="module")
def balanced(sandbox: TestSandbox) -> t.Iterator[Balanced]:
    """One for all tests of this file."""
    public, private = self_signed.make(NAMES)
    arn = sandbox.client("acm").import_certificate(Certificate=public, PrivateKey=private)["CertificateArn"]
    fleet = Fleet(sandbox, "balanced").make("first")
    listen(fleet, arn)
    until(lambda: fleet.targets() == ["healthy"])
    yield Balanced(fleet, sandbox.door("balanced", kind="load_balancer", host=fleet.host), arn, public.decode())
    fleet.remove()


def ask(url: str, trusted: str) -> tuple[int, dict[str, t.Any]]:
    """GET with that certificate as the only one that is trusted."""
    context = ssl.create_default_context(cadata=trusted)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("path", ["/health", "/ready", "/mcp?a=b", "/.well-known/oauth-protected-resource", "/logout"])
def test_every_path_reaches_the_target_by_the_load_balancers_name(balanced: Balanced, path: str) -> None:
    status, said = ask(balanced.door["url"] + path, balanced.trusted)
    assert (status, said["release"], said["host"]) == (200, "first", balanced.fleet.host)


def test_without_tls_one_is_sent_to_the_door_with_it(balanced: Balanced) -> None:
    connection = http.client.HTTPConnection(balanced.door["http_url"].removeprefix("http://"), timeout=10)
    connection.request("GET", "/mcp?a=b")
    response = connection.getresponse()
    assert (response.status, response.getheader("Location")) == (301, f"{balanced.door['url']}/mcp?a=b")
    connection.close()


def test_another_certificate_is_not_what_the_door_shows(balanced: Balanced) -> None:
    other, _ = self_signed.make(NAMES)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(balanced.door["url"], other.decode())


def test_a_certificate_in_use_stays_and_a_renewed_one_is_shown_at_once(balanced: Balanced) -> None:
    store = balanced.fleet.sandbox.client("acm")
    described = store.describe_certificate(CertificateArn=balanced.certificate)["Certificate"]
    assert (described["DomainName"], described["SubjectAlternativeNames"]) == (NAMES[0], NAMES)
    assert described["InUseBy"] == [balanced.fleet.balancer]
    with pytest.raises(store.exceptions.ResourceInUseException):
        store.delete_certificate(CertificateArn=balanced.certificate)
    public, private = self_signed.make(NAMES)
    store.import_certificate(CertificateArn=balanced.certificate, Certificate=public, PrivateKey=private)
    assert ask(balanced.door["url"], public.decode())[0] == 200
    with pytest.raises(urllib.error.URLError):
        ask(balanced.door["url"], balanced.trusted)


def test_what_is_no_certificate_is_refused(sandbox: TestSandbox) -> None:
    store = sandbox.client("acm")
    with pytest.raises(store.exceptions.ClientError, match="no certificate in PEM"):
        store.import_certificate(Certificate=b"none", PrivateKey=b"none")


def test_a_load_balancer_that_is_gone_is_said(sandbox: TestSandbox) -> None:
    door = sandbox.door("gone", kind="load_balancer", host="gone-1.us-east-1.elb.amazonaws.com")
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(door["http_url"] + "/mcp", timeout=10)
    assert failed.value.code == 404 and b"which does not exist" in failed.value.read()


def test_the_page_names_what_is_in_use(balanced: Balanced) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(balanced.fleet.sandbox.control + "/_sandbox/stand-ins", timeout=10) as answer:
        lines = json.loads(answer.read())["stand_ins"]
    named = {line["stands_for"]: line for line in lines}
    assert "user data was not run" in named["EC2 instances"]["missing"]
    assert named["Amazon EC2 Auto Scaling"]["stand_in"].startswith("simulated")


def test_door_and_certificate_outlive_a_restart(own_sandbox: TestSandbox) -> None:
    public, private = self_signed.make(NAMES)
    arn = own_sandbox.start().client("acm").import_certificate(Certificate=public, PrivateKey=private)["CertificateArn"]
    fleet = Fleet(own_sandbox, "again").make("first")
    listen(fleet, arn)
    until(lambda: fleet.targets() == ["healthy"])
    door = own_sandbox.door("again", kind="load_balancer", host=fleet.host)
    own_sandbox.stop()
    own_sandbox.start()
    until(lambda: fleet.targets() == ["healthy"])
    assert own_sandbox.status()["doors"] == [door]
    assert ask(door["url"], public.decode())[0] == 200
    fleet.remove()
