# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms, dashboard, topic, traces and logs, in the templates as they are deployed."""

from __future__ import annotations

import functools
import json
import re
import typing as t

import pytest

from tests.support.checkout import ROOT
from tests.support.expanded import EVERY, FULL, LAYERS, PLAIN, PRODUCTION, expanded

FREE_ALARMS = 10
# As AWS documents them (2026-11): with other dimensions an alarm finds no data, and is green for ever.
DIMENSIONS = {
    "AWS/ApiGateway": {"ApiName", "Stage"},
    "AWS/CertificateManager": {"CertificateArn"},
    "AWS/CloudFront": {"DistributionId", "Region"},
    "AWS/DynamoDB": {"TableName"},
    "AWS/Lambda": {"FunctionName"},
    "AWS/Logs": {"LogGroupName"},
    "mcp": {"Environment"},
}
OTHER_DIMENSIONS: dict[str, set[str]] = {
    "SystemErrors": {"TableName", "Operation"},
    # A metric filter's own; the environment is in its name.
    "AuthorizerFailures-production": set(),
}
IN_US_EAST_1_ONLY = {"AWS/CertificateManager", "AWS/CloudFront"}


def resources(layer: str, type_: str, **given: t.Any) -> dict[str, dict[str, t.Any]]:
    """Return the properties of a layer's resources of a type, by logical id."""
    document = expanded(layer, {**PLAIN, **given})
    return {name: body["Properties"] for name, body in document["Resources"].items() if body["Type"] == type_}


@functools.cache
def every_alarm() -> dict[str, dict[str, t.Any]]:
    """Return the alarms there are with everything that a variable can switch on."""
    return resources("watch", "AWS::CloudWatch::Alarm", **FULL)


ALARMS = pytest.mark.parametrize("name", every_alarm())


def dimensions_of(namespace: str, metric: str) -> set[str]:
    """Return the names of the dimensions that AWS documents for a metric."""
    return OTHER_DIMENSIONS.get(metric, DIMENSIONS[namespace])


def test_alarms_stay_within_what_is_free():
    alarms = [alarm for layer in PRODUCTION for alarm in resources(layer, "AWS::CloudWatch::Alarm", **FULL).values()]
    assert len({alarm["AlarmName"] for alarm in alarms}) == len(alarms) == FREE_ALARMS


@ALARMS
def test_an_alarm_looks_at_a_metric_that_exists(name):
    alarm = every_alarm()[name]
    given = {dimension["Name"] for dimension in alarm.get("Dimensions", [])}
    assert given == dimensions_of(alarm["Namespace"], alarm["MetricName"])
    assert all(dimension["Value"] for dimension in alarm.get("Dimensions", []))
    assert "Metrics" not in alarm


@ALARMS
def test_an_alarm_tells_people_and_says_what_to_type(name):
    alarm = every_alarm()[name]
    assert alarm["AlarmName"].startswith("mcp-production-")
    assert alarm["AlarmActions"] == alarm["OKActions"] == ["alertstopicarn"]
    text = alarm["AlarmDescription"]
    assert len(text) <= 1024 and not re.search(r"\$\{|\n", text.rstrip("\n"))
    assert re.search(r"playbooks/\w+\.yml|aws [a-z0-9-]+ [a-z-]+", text)
    for playbook in re.findall(r"playbooks/\w+\.yml", text):
        assert (ROOT / playbook).exists(), playbook


@ALARMS
def test_an_alarm_is_of_standard_resolution_and_knows_what_silence_means(name):
    alarm = every_alarm()[name]
    assert alarm["Period"] % 60 == 0 and alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]
    # AWS: at most seven days, and one day for periods under an hour.
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 86400
    silence = "ignore" if alarm["MetricName"] == "DaysToExpiry" else "notBreaching"
    assert alarm["TreatMissingData"] == silence


def breaching(alarm: dict[str, t.Any], values: list[float]) -> bool:
    """Say whether the newest values put the alarm in ALARM."""
    newest = values[-alarm["EvaluationPeriods"] :]
    compare = {
        "GreaterThanThreshold": lambda value: value > alarm["Threshold"],
        "GreaterThanOrEqualToThreshold": lambda value: value >= alarm["Threshold"],
    }[alarm["ComparisonOperator"]]
    return sum(map(compare, newest)) >= alarm["DatapointsToAlarm"]


def test_one_cold_start_never_pages_and_ten_minutes_of_slowness_do():
    alarm = every_alarm()["LatencyAlarm"]
    assert (alarm["ExtendedStatistic"], alarm["Threshold"]) == ("p95", 500)
    assert alarm["EvaluateLowSampleCountPercentile"] == "ignore" and "Statistic" not in alarm
    assert alarm["Period"] * alarm["DatapointsToAlarm"] == 600
    assert not breaching(alarm, [80, 2400]) and not breaching(alarm, [2400, 80])
    assert breaching(alarm, [510, 510])


def test_one_failed_call_never_pages_and_an_outage_does_in_three_minutes():
    alarm = every_alarm()["ErrorRateAlarm"]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("5XXError", "Average", 0.01)
    assert not breaching(alarm, [0, 0, 1, 0, 0])
    assert breaching(alarm, [0, 0, 1, 1, 1])
    assert not breaching(alarm, [0.01] * 5), "one percent is allowed"


def test_refused_tokens_never_page():
    alarm = every_alarm()["AuthorizerErrorsAlarm"]
    assert alarm["Namespace"] == "mcp", "AWS/Lambda Errors counts every 401"
    filters = resources("app", "AWS::Logs::MetricFilter")
    assert [item["LogGroupName"] for item in filters.values()] == [{"Ref": "AuthorizerLogs"}] * 2
    for item in filters.values():
        (transformation,) = item["MetricTransformations"]
        assert (transformation["MetricNamespace"], transformation["MetricName"]) == ("mcp", alarm["MetricName"])
    assert filters["AuthorizerFailureFilter"]["FilterPattern"] == '"[ERROR]" -Unauthorized'
    assert 'raise Exception("Unauthorized")' in (ROOT / "app/src/pratiko_mcp/authorizer.py").read_text()


def test_a_rotation_that_fails_is_seen_however_it_was_called():
    """Secrets Manager calls the function synchronously: its failures reach no dead letter queue."""
    function = resources("app", "AWS::Lambda::Function")["RotationFunction"]["FunctionName"]
    alarm = every_alarm()["RotationErrorsAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": "rotationfunctionname"}]
    variables = (ROOT / "roles/production/vars/main.yml").read_text()
    assert 'RotationFunctionName: "mcp-{{ mcp_environment }}-rotation"' in variables
    assert function == "mcp-production-rotation"
    # One failure rings within the hour, and for a day: the longest that CloudWatch looks back.
    assert breaching(alarm, [1]) and breaching(alarm, [1, *[0.0] * 23]) and not breaching(alarm, [0] * 24)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 86400 and alarm["Period"] <= 3600


def test_the_alarm_of_the_cdn_does_not_hide_that_it_answers_by_itself():
    """While it gives the maintenance answer this alarm rings alone."""
    text = every_alarm()["CdnErrorsAlarm"]["AlarmDescription"]
    assert "maintenance answer" in text and "playbooks/undivert.yml" in text and "mcp_divert_at=cdn" in text


def test_without_alarms_the_dashboard_stays():
    off = expanded("watch", {**FULL, "Alarms": "false"})["Resources"]
    assert {body["Type"] for body in off.values()} == {"AWS::CloudWatch::Dashboard"}


def test_elsewhere_no_alarm_looks_for_what_is_in_us_east_1():
    alarms = resources("watch", "AWS::CloudWatch::Alarm", **{**FULL, "Region": "eu-south-1"})
    assert not IN_US_EAST_1_ONLY & {alarm["Namespace"] for alarm in alarms.values()}
    assert len(alarms) == len(every_alarm()) - 2


def test_a_release_is_watched_by_alarms_that_exist():
    groups = resources("app", "AWS::CodeDeploy::DeploymentGroup", **FULL)
    named = {item["Name"] for group in groups.values() for item in group["AlarmConfiguration"]["Alarms"]}
    variables = (ROOT / "roles/production/vars/main.yml").read_text()
    (listed,) = re.findall(r"_mcp_alarms_watching: >-\n\s+\{\{ \[(.*?)\]", variables)
    assert named == {f"mcp-production-{name}" for name in re.findall(r"[\w-]+", listed)}
    assert named and named <= {alarm["AlarmName"] for alarm in every_alarm().values()}


def widgets(**given: t.Any) -> list[dict[str, t.Any]]:
    """Return the dashboard's widgets."""
    (dashboard,) = resources("watch", "AWS::CloudWatch::Dashboard", **given).values()
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
def test_a_widget_shows_metrics_that_exist(widget):
    assert widget["x"] + widget["width"] <= 24 and widget["properties"]["region"] == "us-east-1"
    for namespace, name, dimensions, options in metrics_of(widget):
        assert set(dimensions) == dimensions_of(namespace, name), name
        assert options["label"]
        assert (options.get("region") == "us-east-1") == (namespace in IN_US_EAST_1_ONLY)


def test_the_dashboard_shows_what_the_alarms_watch():
    shown = {(namespace, name) for widget in widgets() for namespace, name, _, _ in metrics_of(widget)}
    hidden = {"AWS/CertificateManager", "AWS/CloudFront"}
    watched = {(alarm["Namespace"], alarm["MetricName"]) for alarm in every_alarm().values()}
    assert {entry for entry in watched if entry[0] not in hidden} <= shown
    statistics = {options.get("stat") for widget in widgets() for _, _, _, options in metrics_of(widget)}
    assert {"p50", "p95", "p99"} <= statistics


def test_the_topic_takes_alerts_of_this_account_alone():
    (policy,) = resources("foundation", "AWS::SNS::TopicPolicy").values()
    allowed = [item for item in policy["PolicyDocument"]["Statement"] if item["Effect"] == "Allow"]
    assert {item["Principal"]["Service"] for item in allowed} == {
        "budgets.amazonaws.com",
        "cloudwatch.amazonaws.com",
        "costalerts.amazonaws.com",
    }
    for item in allowed:
        assert item["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


def test_a_key_of_its_own_lets_the_same_services_publish():
    assert not resources("foundation", "AWS::KMS::Key")
    (topic,) = resources("foundation", "AWS::SNS::Topic").values()
    assert "KmsMasterKeyId" not in topic
    (key,) = resources("foundation", "AWS::KMS::Key", AlertsKey="own").values()
    (topic,) = resources("foundation", "AWS::SNS::Topic", AlertsKey="own").values()
    assert key["EnableKeyRotation"] is True and topic["KmsMasterKeyId"] == {"Ref": "AlertsKmsKey"}
    statement = next(item for item in key["KeyPolicy"]["Statement"] if item["Sid"] == "WhoPublishesAlerts")
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    (policy,) = resources("foundation", "AWS::SNS::TopicPolicy").values()
    publishers = {
        item["Principal"]["Service"] for item in policy["PolicyDocument"]["Statement"] if item["Effect"] == "Allow"
    }
    assert set(statement["Principal"]["Service"]) == publishers


def test_an_address_is_subscribed_only_when_given():
    assert not resources("foundation", "AWS::SNS::Subscription")
    (mail,) = resources("foundation", "AWS::SNS::Subscription", AlertEmail="oncall@example.org").values()
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "oncall@example.org")


def versions(**given: t.Any) -> set[str]:
    """Return the logical ids of the versions that an app deployed with these values publishes."""
    return set(resources("app", "AWS::Lambda::Version", **given))


@pytest.mark.parametrize("mode", ["PassThrough", "Active"])
def test_traces_are_all_on_or_all_off(mode):
    functions = resources("app", "AWS::Lambda::Function", Tracing=mode)
    serving = [functions[name] for name in ("ServerFunction", "AuthorizerFunction")]
    assert [item["TracingConfig"]["Mode"] for item in serving] == [mode, mode]
    (stage,) = resources("app", "AWS::ApiGateway::Stage", Tracing=mode).values()
    assert stage["TracingEnabled"] is (mode == "Active")
    # Given in both modes: Lambda checks the right when tracing is switched on, and IAM needs a while to spread it.
    wanted = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    roles = resources("app", "AWS::IAM::Role", Tracing=mode)
    for name in ("ServerRole", "AuthorizerRole"):
        (policy,) = roles[name]["Policies"]
        assert wanted in [item["Action"] for item in policy["PolicyDocument"]["Statement"]]


def test_switching_traces_publishes_new_versions():
    assert len(versions()) == 2 and not versions() & versions(Tracing="Active")


@pytest.mark.parametrize("given", EVERY.values(), ids=EVERY)
def test_every_function_logs_into_a_group_that_ends(given):
    bodies = [body for layer in PRODUCTION for body in expanded(layer, given)["Resources"].values()]
    groups = {
        body["Properties"]["LogGroupName"]: body["Properties"]["RetentionInDays"]
        for body in bodies
        if body["Type"] == "AWS::Logs::LogGroup"
    }
    functions = [body["Properties"] for body in bodies if body["Type"] == "AWS::Lambda::Function"]
    assert len(functions) >= 2
    for function in functions:
        assert groups[function["LoggingConfig"]["LogGroup"]] > 0, function["FunctionName"]


def test_nothing_makes_a_log_group_that_we_do_not_end():
    for layer in LAYERS:
        text = json.dumps(expanded(layer, FULL))
        assert "logs:CreateLogGroup" not in text
        # API Gateway and CloudFront would make their own.
        assert "LoggingLevel" not in text and "DataTraceEnabled" not in text and "console.log" not in text
