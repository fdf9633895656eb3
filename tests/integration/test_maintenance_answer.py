# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CDN's maintenance answer, run by Node: what a program, a browser and a monitor get."""

from __future__ import annotations

import html.parser
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support.checkout import ROOT
from tests.support.node import install_node

pytestmark = pytest.mark.integration

PATH = ROOT / "roles" / "production" / "files" / "edge.yaml"
CALL = "console.log(JSON.stringify(JSON.parse(process.argv[1]).map(request => handler({request}))));"
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
Ask = t.Callable[..., dict[str, t.Any]]


@pytest.fixture(scope="module")
def node() -> Path:
    return install_node()


@pytest.fixture(scope="module")
def ask(node: Path) -> Ask:
    """Ask the function: method and Accept."""
    template = load_template(PATH.read_text(), PATH.name)
    source = template["Resources"]["MaintenanceAnswer"]["Properties"]["FunctionCode"]["Fn::Sub"]

    def run(
        method: str, accept: str = "", message: str = "Back at 9 o'clock", retry_after: int = 60
    ) -> dict[str, t.Any]:
        code = source.replace("${MaintenanceMessage}", message).replace("${MaintenanceRetryAfter}", str(retry_after))
        request = {"method": method, "uri": "/mcp", "headers": {"accept": {"value": accept}} if accept else {}}
        done = subprocess.run(
            [node, "-e", code + CALL, json.dumps([request])], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)[0]

    return run


def test_a_program_gets_an_error_that_clients_show(ask: Ask) -> None:
    answer = ask("POST", "application/json, text/event-stream")
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]["data"]) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32050,
            "message": "Back at 9 o'clock",
            "data": {"status": "maintenance", "retry_after": 60},
        },
    }


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
def test_others_get_a_small_document(ask: Ask, method: str) -> None:
    answer = ask(method)
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]["data"]) == {"status": "maintenance", "message": "Back at 9 o'clock"}


@pytest.mark.parametrize(("method", "accept"), [("POST", ""), ("GET", BROWSER), ("HEAD", BROWSER), ("DELETE", "")])
def test_nobody_keeps_it(ask: Ask, method: str, accept: str) -> None:
    headers = ask(method, accept, retry_after=120)["headers"]
    assert headers["retry-after"]["value"] == "120"
    assert headers["cache-control"]["value"] == "no-store"


def test_a_look_at_the_head_has_no_body(ask: Ask) -> None:
    assert "body" not in ask("HEAD", BROWSER)


class Page(html.parser.HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_browser_gets_a_page_of_its_own(ask: Ask) -> None:
    answer = ask("GET", BROWSER)
    page = answer["body"]["data"]
    assert answer["headers"]["content-type"]["value"] == "text/html; charset=utf-8"
    found = Page(page)
    assert "Back at 9 o'clock." in found.text and "about a minute" in found.text
    assert 'name="viewport"' in page and "prefers-color-scheme:dark" in page and 'lang="en"' in page
    assert not re.search(r"url\(|@import", page)


def test_a_message_is_text_and_ends_once(ask: Ask) -> None:
    page = ask("GET", BROWSER, message="<script>alert('1')</script> & back soon!")["body"]["data"]
    found = Page(page)
    assert "script" not in found.tags
    assert "<script>alert('1')</script> & back soon!" in found.text and "soon!." not in found.text


@pytest.mark.parametrize(("seconds", "said"), [(1, "a minute"), (60, "a minute"), (61, "2 minutes"), (7200, "2 hours")])
def test_the_wait_is_said_in_words(ask: Ask, seconds: int, said: str) -> None:
    assert f"about {said}." in ask("GET", BROWSER, retry_after=seconds)["body"]["data"]
