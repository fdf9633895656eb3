# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP face as OpenAPI describes it: requests that fit the description, requests that do not, replies that must."""

from __future__ import annotations

import typing as t
from pathlib import Path

import requests
import schemathesis
from hypothesis import strategies as st

from tests.fuzz.checks import Violation
from tests.fuzz.requests import Sent
from tests.fuzz.tokens import Credential
from tests.fuzz.wire import PATIENCE, Reply

DESCRIPTION = Path(__file__).with_name("openapi.yaml")
# JSON-RPC answers what does not fit with 200 and an error, which checks.py looks at; the rest sends requests again.
LEFT_OUT = (
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
)


def load() -> schemathesis.BaseSchema:
    """Read the description."""
    checks = {name: {"enabled": False} for name in LEFT_OUT}
    return schemathesis.openapi.from_path(DESCRIPTION, config=schemathesis.Config.from_dict({"checks": checks}))


def cases(schema: schemathesis.BaseSchema) -> st.SearchStrategy[schemathesis.Case]:
    """Draw requests for any operation; the message endpoint gets most of them."""
    operations = [methods[name] for methods in schema.values() for name in methods]
    weighted = [each for each in operations for _ in range(6 if each.label == "POST /mcp" else 1)]
    modes = list(schemathesis.GenerationMode)
    return st.one_of(*(each.as_strategy(generation_mode=mode) for each in weighted for mode in modes))


def send(case: schemathesis.Case, url: str, session: requests.Session, credential: Credential) -> tuple[Sent, Reply]:
    """Send a request and check the reply against the description.

    :raises Violation: it does not fit
    """
    assert credential.header is not None
    headers = {"Authorization": credential.header.decode()} if case.path == "/mcp" else {}
    response = case.call(base_url=url, session=session, headers=headers, timeout=PATIENCE)
    try:
        case.validate_response(response, headers=headers)
    except schemathesis.errors.FailureGroup as error:  # which is no Exception
        raise Violation(str(error)) from error
    asked = response.request
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body or b""
    found = {name.lower(): ", ".join(values) for name, values in response.headers.items()}
    given = tuple((name.encode(), str(value).encode("latin-1", "replace")) for name, value in asked.headers.items())
    sent = Sent(str(asked.method).encode(), str(asked.path_url).encode(), given, t.cast(bytes, body))
    return sent, Reply(response.status_code, found, response.content)
