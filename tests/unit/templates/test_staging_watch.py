# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging's alarms and dashboard, in the template as it is deployed."""

from __future__ import annotations

import functools
import json
import re
import typing as t

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support.checkout import ROOT
from tests.support.expanded import FULL, STAGING, expanded

FREE_ALARMS = 10
# As AWS and the agent document them (2026-11): with other dimensions an alarm finds no data, and is green for ever.
DIMENSIONS = {
    "AWS/ApplicationELB": {"LoadBalancer"},
    "AWS/AutoScaling": {"AutoScalingGroupName"},
    "AWS/CertificateManager": {"CertificateArn"},
    "AWS/EC2": {"AutoScalingGroupName"},
    "AWS/Logs": {"LogGroupName"},
    "AWS/RDS": {"DBInstanceIdentifier"},
    "CWAgent": {"AutoScalingGroupName"},
    "mcp": {"Environment"},
}
OTHER_DIMENSIONS = {
    "HealthyHostCount": {"LoadBalancer", "TargetGroup"},
    "UnHealthyHostCount": {"LoadBalancer", "TargetGroup"},
    "disk_used_percent": {"AutoScalingGroupName", "path", "fstype"},
}
COMPARE: dict[str, t.Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def resources(type_: str, **given: t.Any) -> dict[str, dict[str, t.Any]]:
    """Return the properties of the resources of a type, by logical id."""
    document = expanded("staging-watch", {**FULL, "Environment": "staging", **given})
    return {name: body["Properties"] for name, body in document["Resources"].items() if body["Type"] == type_}


@functools.cache
def alarms() -> dict[str, dict[str, t.Any]]:
    """Return every alarm there can be."""
    return resources("AWS::CloudWatch::Alarm")


ALARMS = pytest.mark.parametrize("name", alarms())


def rings(name: str, values: list[float], **given: t.Any) -> bool:
    """Say whether the newest values put the alarm in ALARM."""
    alarm = resources("AWS::CloudWatch::Alarm", **given)[name]
    newest = values[-alarm["EvaluationPeriods"] :]
    breaching = sum(COMPARE[alarm["ComparisonOperator"]](value, alarm["Threshold"]) for value in newest)
    return breaching >= alarm["DatapointsToAlarm"]


def dimensions_of(namespace: str, metric: str) -> set[str]:
    """Return the names of the dimensions that are documented for a metric."""
    return OTHER_DIMENSIONS.get(metric, DIMENSIONS[namespace])


def test_alarms_stay_within_what_is_free() -> None:
    assert len({alarm["AlarmName"] for alarm in alarms().values()}) == len(alarms()) == FREE_ALARMS


@ALARMS
def test_an_alarm_looks_at_a_metric_that_exists(name: str) -> None:
    alarm = alarms()[name]
    given = {dimension["Name"] for dimension in alarm["Dimensions"]}
    assert given == dimensions_of(alarm["Namespace"], alarm["MetricName"])
    assert all(dimension["Value"] for dimension in alarm["Dimensions"])
    # The emulator refuses metric math, so nobody could see such an alarm ring.
    assert "Metrics" not in alarm


@ALARMS
def test_an_alarm_tells_people_and_says_what_to_type(name: str) -> None:
    alarm = alarms()[name]
    assert alarm["AlarmName"].startswith("mcp-staging-")
    assert alarm["AlarmActions"] == alarm["OKActions"] == ["alertstopicarn"]
    text = alarm["AlarmDescription"]
    assert len(text) <= 1024 and not re.search(r"\$\{|\n", text.rstrip("\n"))
    options = (ROOT / "roles/preflight/meta/argument_specs.yml").read_text(encoding="utf-8")
    for option in re.findall(r"\bmcp_\w+", text):
        assert f"{option}:" in options, option
    playbooks = re.findall(r"playbooks/\w+\.yml", text)
    assert playbooks or re.search(r"aws [a-z0-9-]+ [a-z-]+", text)
    for playbook in playbooks:
        assert (ROOT / playbook).exists(), playbook


@ALARMS
def test_an_alarm_is_of_standard_resolution_and_knows_what_silence_means(name: str) -> None:
    alarm = alarms()[name]
    assert alarm["Period"] % 60 == 0 and alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]
    # AWS: at most one day for periods under an hour.
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 86400
    silence = "ignore" if alarm["MetricName"] == "DaysToExpiry" else "notBreaching"
    assert alarm["TreatMissingData"] == silence


def test_slow_first_calls_never_page_and_ten_minutes_of_slowness_do() -> None:
    alarm = alarms()["LatencyAlarm"]
    assert (alarm["MetricName"], alarm["ExtendedStatistic"]) == ("TargetResponseTime", "p95")
    assert alarm["EvaluateLowSampleCountPercentile"] == "ignore" and "Statistic" not in alarm
    # In seconds, unlike an API's.
    assert not rings("LatencyAlarm", [0.08, 2.4]) and rings("LatencyAlarm", [0.51, 0.51])


@pytest.mark.parametrize("name", ["TargetErrorsAlarm", "BalancerErrorsAlarm"])
def test_one_failed_call_never_pages_and_an_outage_does_in_three_minutes(name: str) -> None:
    assert alarms()[name]["Statistic"] == "Sum"
    assert not rings(name, [0, 0, 7, 0, 0]) and not rings(name, [0] * 5)
    assert rings(name, [0, 0, 1, 1, 1])


def test_an_instance_that_is_being_replaced_does_not_page_and_one_that_stays_unhealthy_does() -> None:
    assert not rings("UnhealthyHostsAlarm", [0, 0, 0, 1, 1])
    assert rings("UnhealthyHostsAlarm", [0, 0, 1, 1, 1])


def test_a_new_instance_without_credits_does_not_page() -> None:
    """T3 in standard mode starts with none; a t3.micro earns twelve an hour."""
    earning = [float(minutes) * 12 / 60 for minutes in range(0, 120, 5)]
    assert not rings("CpuCreditsAlarm", earning) and rings("CpuCreditsAlarm", [0.0] * 24)


def test_the_database_rings_before_it_is_full_or_out_of_connections() -> None:
    gigabyte = float(2**30)
    assert rings("DatabaseStorageAlarm", [gigabyte] * 3) and not rings("DatabaseStorageAlarm", [2 * gigabyte] * 3)
    # A db.t3.micro takes about 80 connections.
    assert rings("DatabaseConnectionsAlarm", [75.0] * 3) and not rings("DatabaseConnectionsAlarm", [40.0] * 3)
    assert rings("DatabaseMemoryAlarm", [60.0 * 2**20] * 3) and not rings("DatabaseMemoryAlarm", [150.0 * 2**20] * 3)


def test_thresholds_follow_the_memory_of_the_class() -> None:
    template = load_template(STAGING["staging-watch"].read_text(), "watch")
    rows = template["Mappings"]["Memory"]
    assert list(rows) == template["Parameters"]["InstanceClassMemoryMb"]["AllowedValues"]
    for memory, row in rows.items():
        size = int(memory) * 2**20
        assert row == {"Connections": int(min(size / 9531392 * 0.6, 4000)), "FreeBytes": int(size * 0.08)}
    big = resources("AWS::CloudWatch::Alarm", InstanceClassMemoryMb="4096")
    assert big["DatabaseConnectionsAlarm"]["Threshold"] == rows["4096"]["Connections"]


def test_without_alarms_the_dashboard_stays() -> None:
    off = expanded("staging-watch", {**FULL, "Alarms": "false"})["Resources"]
    assert {body["Type"] for body in off.values()} == {"AWS::CloudWatch::Dashboard"}


def test_without_a_certificate_nobody_watches_one() -> None:
    assert set(alarms()) - set(resources("AWS::CloudWatch::Alarm", CertificateArn="none")) == {"CertificateAlarm"}


def test_a_release_is_watched_by_alarms_that_exist_and_that_a_diversion_does_not_ring() -> None:
    variables = yaml.safe_load((ROOT / "roles/staging/vars/main.yml").read_text(encoding="utf-8"))
    listed = json.loads(variables["_staging_alarms"].partition("|")[0].strip("{ ").replace("'", '"'))
    names = {alarm["AlarmName"].removeprefix("mcp-staging-") for alarm in alarms().values()}
    assert {"target-errors", "latency-p95"} <= set(listed) <= names - {"balancer-errors"}


def widgets() -> list[dict[str, t.Any]]:
    """Return the dashboard's widgets."""
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    return json.loads(dashboard["DashboardBody"])["widgets"]


def metrics_of(widget: dict[str, t.Any]) -> list[tuple[str, str, dict[str, str], dict[str, t.Any]]]:
    """Return namespace, name, dimensions and options of a widget's metrics."""
    rows = []
    for row in widget["properties"]["metrics"]:
        options = row[-1] if isinstance(row[-1], dict) else {}
        names = [item for item in row if isinstance(item, str)]
        rows.append((names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True)), options))
    return rows


@pytest.mark.parametrize("widget", widgets(), ids=lambda widget: widget["properties"]["title"])
def test_a_widget_shows_metrics_that_exist(widget: dict[str, t.Any]) -> None:
    assert widget["x"] + widget["width"] <= 24 and widget["properties"]["region"] == "us-east-1"
    for namespace, name, dimensions, options in metrics_of(widget):
        assert set(dimensions) == dimensions_of(namespace, name), name
        assert options["label"]
        assert "stat" in options or "stat" in widget["properties"]


def test_the_dashboard_shows_what_the_alarms_watch() -> None:
    shown = {(namespace, name) for widget in widgets() for namespace, name, _, _ in metrics_of(widget)}
    watched = {(alarm["Namespace"], alarm["MetricName"]) for alarm in alarms().values()}
    assert {entry for entry in watched if entry[0] != "AWS/CertificateManager"} <= shown
    statistics = {options.get("stat") for widget in widgets() for _, _, _, options in metrics_of(widget)}
    assert {"p50", "p95", "p99"} <= statistics


def test_what_the_agent_measures_is_what_the_dashboard_shows() -> None:
    script = (ROOT / "roles/staging/templates/user-data.sh.j2").read_text(encoding="utf-8")
    shown = {name for widget in widgets() for namespace, name, _, _ in metrics_of(widget) if namespace == "CWAgent"}
    assert shown == {"mem_used_percent", "disk_used_percent"}
    assert '"namespace": "CWAgent"' in script and '"omit_hostname": true' in script and '"drop_device": true' in script
    assert script.count('"measurement": ["used_percent"]') == len(shown)
