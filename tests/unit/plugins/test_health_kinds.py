# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of the health module: what is documented is what there is, and wrong options are said plainly."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health, health_thresholds
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import COMMON
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kinds import KINDS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_options import PROBE_SPEC, checked

from tests.support.checkout import ROOT
from tests.unit.plugins.loopback import Answer, context, serving


def documented() -> dict[str, t.Any]:
    """Return the documentation of the module's options."""
    source = (ROOT / "plugins" / "modules" / "health.py").read_text(encoding="utf-8")
    return yaml.safe_load(source.split('DOCUMENTATION = r"""')[1].split('"""')[0])["options"]


def plain(spec: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the part of an option's specification that documentation repeats."""
    wanted = {name: spec[name] for name in ("type", "default", "choices", "elements") if name in spec}
    return wanted | ({"required": True} if spec.get("required") else {})


def test_every_option_of_a_probe_is_documented_as_it_is() -> None:
    suboptions = documented()["probes"]["suboptions"]
    assert {name: plain(option) for name, option in suboptions.items()} == {
        name: plain(spec) for name, spec in PROBE_SPEC.items()
    }
    assert {name: plain(option) for name, option in suboptions["lambda"]["suboptions"].items()} == {
        name: plain(spec) for name, spec in PROBE_SPEC["lambda"]["options"].items()
    }


def test_every_threshold_is_documented() -> None:
    text = " ".join(documented()["thresholds"]["description"])
    assert [name for name in health_thresholds.DEFAULTS if f"C({name})" not in text] == []


def test_kinds_and_options_belong_together() -> None:
    taken = {option for kind in KINDS.values() for option in kind.options} | COMMON
    assert taken == set(PROBE_SPEC)
    for name, kind in KINDS.items():
        assert kind.name == name and set(kind.required) <= kind.options


VALUES: dict[str, t.Any] = {
    "url": "http://127.0.0.1:1/",
    "host": "127.0.0.1",
    "port": 1,
    "lambda": {"function_name": "f", "host": "h"},
    "method_arn": "arn",
    "token_file": "t",
    "overrides": [],
    "target": "it",
    "stage": "live",
}


def minimal(kind: str) -> dict[str, t.Any]:
    """Return the least that a probe of a kind needs."""
    given = {option: VALUES[option] for option in KINDS[kind].required}
    return {"name": "it", "kind": kind, **given} | ({"url": VALUES["url"]} if kind == "mcp" else {})


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_requires_is_enough_to_begin(kind: str) -> None:
    assert checked(minimal(kind))[1] is None or KINDS[kind].check(checked(minimal(kind))[0])


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.required])
def test_what_a_kind_requires_is_asked_for(kind: str) -> None:
    given = minimal(kind)
    del given[KINDS[kind].required[0]]
    assert "missing required arguments: " + KINDS[kind].required[0] in str(checked(given)[1])


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({"kind": "htp", "url": "http://x/"}, "kind=htp is unknown. Did you mean http? There are: mcp, http, "),
        ({"kind": ["http"]}, "kind=['http'] is unknown."),
        ({"kind": "http", "uri": "http://x/"}, "uri is no option of a probe. Did you mean url?"),
        (
            {"kind": "tcp", "host": "h", "port": 1, "token_file": "x"},
            "kind=tcp takes no token_file. Use kind mcp, http",
        ),
        ({"kind": "tcp", "host": "h", "port": "many"}, "port"),
        ({"kind": "tcp", "host": "h", "port": 0}, "port=0 is less than 1. Raise it"),
        ({"kind": "tcp", "host": "h", "port": 65536}, "port=65536 is more than 65535. Lower it"),
        ({"kind": "http", "url": "http://x/", "timeout": "nan"}, "timeout=nan is less than 0.001"),
        ({"kind": "http", "url": "http://x/", "expect_json": 5}, "expect_json"),
        ({"kind": "prometheus", "url": "x"}, "url=x is not an http:// or https:// URL"),
    ],
)
def test_a_wrong_probe_is_unknown_the_others_run_and_then_the_task_fails(probe: dict[str, t.Any], words: str) -> None:
    with serving(lambda _request: Answer()) as (url, _seen), pytest.raises(McpError) as failure:
        health.run(context({"name": "wrong", **probe}, {"name": "good", "kind": "http", "url": url}))
    wrong, good = failure.value.details["results"]
    assert wrong["status"] == "unknown" and words in wrong["evidence"] and wrong["next_step"]
    assert good["status"] == "healthy" and failure.value.details["status"] == "unknown"
    assert failure.value.message.startswith("Probe wrong: ") and words in failure.value.message


def test_a_probe_without_a_name_and_all_else_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(McpError) as failure:
        health.run(context({"kind": "tcp"}, {"name": "b", "kind": "x"}, {"name": "b", "kind": "tcp"}))
    assert [result["check"] for result in failure.value.details["results"]] == ["probe 1", "b", "b"]
    assert failure.value.message.count("run the same command again") == 3
    assert "two probes have this name" in failure.value.message


def test_fail_on_and_a_wrong_probe_are_both_told() -> None:
    with pytest.raises(McpError) as failure:
        health.run(context({"name": "a"}, minimal("tcp"), fail_on=["critical"]))
    assert failure.value.message.startswith("Probe a: exactly one of url and lambda is wanted")
    assert "1 of 2 checks of testing failed. it is critical: 127.0.0.1:1: Connection refused" in failure.value.message


def test_an_option_that_is_null_is_not_set() -> None:
    probe, wrong = checked({**minimal("tcp"), "token_file": None, "samples": None})
    assert wrong is None and probe["samples"] == 1


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("certificate_days", 30, "healthy"),
        ("certificate_days", 29.9, "warning"),
        ("certificate_days", 6.9, "critical"),
        ("certificate_days", -1, "critical"),
        ("connections_percent", 80, "healthy"),
        ("connections_percent", 80.1, "warning"),
        ("connections_percent", 95.1, "critical"),
        ("traffic_p95_ms", 500, "healthy"),
        ("traffic_p95_ms", 501, "critical"),
        ("secret_overdue_days", 0, "healthy"),
        ("secret_overdue_days", 1, "warning"),
    ],
)
def test_a_value_may_reach_its_limit(name: str, value: float, status: str) -> None:
    assert health_thresholds.thresholds_of(None).level(name, value) == status


def test_thresholds_are_merged_into_the_defaults() -> None:
    given = {"certificate_days": {"warning": "14"}, "traffic_minimum_calls": 5}
    limits = health_thresholds.thresholds_of(given)
    assert limits.level("certificate_days", 20) == "healthy" and limits.level("certificate_days", 6) == "critical"
    assert limits.number("traffic_minimum_calls") == 5 and limits.number("traffic_window_minutes") == 60
    assert health_thresholds.thresholds_of(None).level("certificate_days", 20) == "warning"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"certifcate_days": {}}, "thresholds.certifcate_days is unknown. Did you mean certificate_days?"),
        ({"certificate_days": {"warn": 3}}, "thresholds.certificate_days.warn is unknown. Did you mean warning?"),
        ({"certificate_days": 3}, "thresholds.certificate_days=3 is not a dictionary of warning and critical."),
        ({"certificate_days": {"warning": "soon"}}, "thresholds.certificate_days.warning='soon' is not a number"),
        ({"certificate_days": {"warning": True}}, "=True is not a number"),
        ({"certificate_days": {"warning": 3}}, "critical=7 comes before warning=3"),
        ({"connections_percent": {"critical": 50}}, "critical=50 comes before warning=80"),
        ({"traffic_minimum_calls": 0}, "thresholds.traffic_minimum_calls=0 is not a number of at least 1"),
        ({"spend_percent": {"warning": float("inf")}}, "is not a number of at least 0"),
    ],
)
def test_thresholds_that_cannot_be_meant_are_told_and_all_probes_run(given: dict[str, t.Any], words: str) -> None:
    with serving(lambda _request: Answer()) as (url, seen), pytest.raises(McpError) as failure:
        health.run(context({"name": "it", "kind": "http", "url": url}, thresholds=given))
    assert words in failure.value.message and failure.value.message.endswith("run the same command again.")
    assert [result["status"] for result in failure.value.details["results"]] == ["healthy", "unknown"]
    assert len(seen) == 1


def test_a_threshold_of_the_task_is_used() -> None:
    with serving(lambda _request: Answer()) as (url, _seen):
        ctx = context({"name": "it", "kind": "http", "url": url}, thresholds={"own_p95_ms": {"warning": 0}})
        (result,) = health.run(ctx)["results"]
    assert result["status"] == "warning" and result["evidence"].endswith(" over own_p95_ms.warning=0")


def test_statuses_to_fail_on_are_checked() -> None:
    given = {"environment": "testing", "probes": [], "fail_on": ["bad"]}
    assert ArgumentSpecValidator(health.ARGUMENT_SPEC).validate(given).error_messages
