# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the health checks of AWS share; each answer is held against AWS's own service model."""

from __future__ import annotations

import functools
import re
import shlex
import types
import typing as t
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_aws_common as common
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_aws_words as words
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws import KINDS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_judge import result_of, what_happened
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Finding, Look
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_options import PROBE_SPEC, defaults
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import thresholds_of
from botocore import xform_name
from botocore.exceptions import NoCredentialsError
from botocore.session import get_session
from botocore.stub import Stubber

from tests.support.checkout import ROOT

NOW = datetime(2026, 11, 23, 3, 14, 15, tzinfo=UTC)
ACCESS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
DEPLOY = "ansible-playbook playbooks/deploy.yml -i INVENTORY --limit production"

# An operation, what it answers (an error's code as a text), and what it has to be asked (None: anything).
Call = tuple[str, t.Any, t.Any]
Result = dict[str, t.Any]


def before(**length: float) -> datetime:
    return NOW - timedelta(**length)


def answer(operation: str, response: t.Any, **request: t.Any) -> Call:
    return operation, response, request or None


def stubbed(service: str, calls: t.Iterable[Call]) -> tuple[t.Any, Stubber]:
    """Return a client that answers these calls in this order."""
    client = boto3.client(service, **ACCESS)
    stubber = Stubber(client)
    for operation, response, request in calls:
        if isinstance(response, str):
            code, _colon, message = response.partition(": ")
            stubber.add_client_error(operation, code, message or "AWS said so", expected_params=request)
        else:
            stubber.add_response(operation, response, request)
    stubber.activate()
    return client, stubber


# The CLI's own, beside those of the services' models.
CLI_OPTIONS = {"region", "endpoint-url", "query", "output", "max-items"}
CLI_COMMANDS = {"logs tail": {"since", "filter-pattern"}}


@functools.cache
def options_of(service: str, operation: str) -> set[str]:
    """Return the options of a command of the AWS CLI, by the models that it is made of."""
    model = get_session().get_service_model({"s3api": "s3"}.get(service, service))
    shape = {xform_name(name, "-"): name for name in model.operation_names}
    found = set()
    for name, member in model.operation_model(shape[operation]).input_shape.members.items():
        found |= {xform_name(name, "-")} | ({f"no-{xform_name(name, '-')}"} if member.type_name == "boolean" else set())
    return found


def check_step(step: str) -> None:
    """Make sure that a person can type it: the command, its options and the playbook exist."""
    program, *rest = shlex.split(step)
    if program == "ansible-playbook":
        assert (ROOT / rest[0]).exists(), step
        return
    assert program in ("aws", "Open"), step
    if program == "aws" and rest[:2] != ["sts", "get-caller-identity"]:
        given = {word.removeprefix("--") for word in rest if word.startswith("--")} - CLI_OPTIONS
        if rest[1] == "wait":
            assert rest[2].replace("-", "_") in boto3.client(rest[0], **ACCESS).waiter_names, step
            return
        assert given <= (CLI_COMMANDS.get(" ".join(rest[:2])) or options_of(*rest[:2])), step


def look_at(
    kind: str,
    calls: dict[str, list[Call]] | None = None,
    *,
    sandbox: bool = False,
    thresholds: dict[str, t.Any] | None = None,
    **options: t.Any,
) -> Result:
    """Return the published result of one look."""
    clients = {service: stubbed(service, made) for service, made in (calls or {}).items()}
    assert not options.keys() - KINDS[kind].options, "the kind does not take this option"
    assert clients.keys() <= set(KINDS[kind].services), "the engine makes no such client"
    look = Look(
        probe=defaults() | {"name": "it", "kind": kind} | options,
        environment="production",
        token=None,
        thresholds=thresholds_of(thresholds),
        sandbox=sandbox,
        now=NOW,
        client=lambda service: clients[service][0],
        seconds_left=lambda: 10.0,
    )
    try:
        seen = KINDS[kind].look(look)
    except Exception as error:
        seen = what_happened(error, KINDS[kind], sandbox)
    assert not seen.evidence.startswith("the check itself failed"), seen.evidence
    for _client, stubber in clients.values():
        stubber.assert_no_pending_responses()
    result = result_of(look, KINDS[kind], seen)
    assert bool(result["next_step"]) == (result["status"] != "healthy")
    for step in filter(None, result["next_step"].split(" && ")):
        check_step(step)
    return result


ALL = """
stack overrides auto_scaling_group target_group db_instance db_storage db_connections function_errors function_latency
function_throttles api_errors api_latency balancer_errors balancer_latency table distribution bucket alarms secret
certificate db_backup table_backup spend aws_health
"""


def test_every_kind_is_complete() -> None:
    assert set(KINDS) == set(ALL.split())
    for name, kind in KINDS.items():
        assert kind.name == name and set(kind.required) <= kind.options <= set(PROBE_SPEC), name
        if name != "overrides":
            check_step(kind.step(defaults() | {"target": "x", "region": "eu-west-1"}))


def test_every_permission_belongs_to_an_operation_of_aws() -> None:
    models = {service for kind in KINDS.values() for service in kind.services}
    operations = {name for service in models for name in get_session().get_service_model(service).operation_names}
    for kind in KINDS.values():
        assert bool(kind.actions) == bool(kind.services)
        assert set(kind.actions) <= operations
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", action) for action in kind.actions.values())
    assert KINDS["bucket"].actions["GetBucketEncryption"] == "s3:GetEncryptionConfiguration"
    assert KINDS["spend"].actions == {"DescribeBudget": "budgets:ViewBudget"}
    assert KINDS["target_group"].actions == {"DescribeTargetHealth": "elasticloadbalancing:DescribeTargetHealth"}


TARGETS = {
    "target_group": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/mcp/1a2b",
    "certificate": "arn:aws:acm:us-east-1:123456789012:certificate/1a2b",
    "balancer_errors": "app/mcp/1a2b",
    "balancer_latency": "app/mcp/1a2b",
    "spend": "123456789012:mcp-production",
    "aws_health": "us-east-1",
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_target_is_checked(name: str) -> None:
    kind = KINDS[name]
    assert kind.check(defaults() | {"kind": name, "target": TARGETS.get(name, "mcp-x")}) is None
    if "target" in kind.required:
        wrong = kind.check(defaults() | {"kind": name, "target": "a b"})
        assert wrong and wrong.startswith(f"target='a b' is nothing that kind {name} takes: ")
        assert kind.check(defaults() | {"kind": name, "target": ""})


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_plain_name_is_not_enough_for_some(name: str) -> None:
    assert KINDS[name].check(defaults() | {"kind": name, "target": "mcp"})


# The first thing that each kind asks.
FIRST = {
    "stack": ("cloudformation", "describe_stacks"),
    "auto_scaling_group": ("autoscaling", "describe_auto_scaling_groups"),
    "target_group": ("elbv2", "describe_target_health"),
    "db_instance": ("rds", "describe_db_instances"),
    "db_storage": ("rds", "describe_db_instances"),
    "db_connections": ("rds", "describe_db_instances"),
    "db_backup": ("rds", "describe_db_instances"),
    "function_errors": ("cloudwatch", "get_metric_statistics"),
    "function_latency": ("cloudwatch", "get_metric_statistics"),
    "function_throttles": ("cloudwatch", "get_metric_statistics"),
    "api_errors": ("cloudwatch", "get_metric_statistics"),
    "api_latency": ("cloudwatch", "get_metric_statistics"),
    "balancer_errors": ("cloudwatch", "get_metric_statistics"),
    "balancer_latency": ("cloudwatch", "get_metric_statistics"),
    "table": ("dynamodb", "describe_table"),
    "table_backup": ("dynamodb", "describe_continuous_backups"),
    "distribution": ("cloudfront", "get_distribution"),
    "bucket": ("s3", "get_bucket_versioning"),
    "alarms": ("cloudformation", "list_stack_resources"),
    "secret": ("secretsmanager", "describe_secret"),
    "certificate": ("acm", "describe_certificate"),
    "spend": ("budgets", "describe_budget"),
    "aws_health": ("health", "describe_events"),
}


@pytest.mark.parametrize("kind", sorted(FIRST))
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_missing_permission_is_named(kind: str, code: str) -> None:
    service, operation = FIRST[kind]
    options: dict[str, t.Any] = {"stage": "live"} if kind.startswith("api_") else {}
    result = look_at(kind, {service: [answer(operation, code)]}, target=TARGETS.get(kind, "mcp-x"), **options)
    actions = [action for action in KINDS[kind].actions.values() if action in result["evidence"]]
    assert (result["status"], len(actions)) == ("unknown", 1) and code in result["evidence"]


@pytest.mark.parametrize("kind", sorted(FIRST))
@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException", "ThrottlingException"])
def test_other_errors_are_unknown_and_name_the_code(kind: str, code: str) -> None:
    service, operation = FIRST[kind]
    options: dict[str, t.Any] = {"stage": "live"} if kind.startswith("api_") else {}
    result = look_at(kind, {service: [answer(operation, code)]}, target=TARGETS.get(kind, "mcp-x"), **options)
    assert result["status"] == "unknown" and code in result["evidence"]


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=20), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=-3), "3 days"),
    ],
)
def test_a_length_of_time_in_words(length: timedelta, said: str) -> None:
    assert words.span(length) == said


def test_numbers_in_words() -> None:
    assert [words.number(value) for value in (0, 1.0, 1.5, 12345.678, 0.004, 100)] == [
        "0", "1", "1.5", "12,345.68", "0", "100",
    ]  # fmt: skip
    assert [words.plural(count, "call") for count in (0, 1, 1000)] == ["0 calls", "1 call", "1,000 calls"]


def test_times_are_told_in_utc_and_never_in_the_future() -> None:
    east = datetime.fromisoformat("2026-11-23T05:14:15+02:00")
    assert (words.iso(east), words.minute(east)) == ("2026-11-23T03:14:15Z", "2026-11-23 03:14 UTC")
    assert words.iso(None) is None and words.ago(east, NOW) == "0 minutes ago"
    assert words.ago(NOW + timedelta(hours=3), NOW) == "0 minutes ago"  # the clocks differ


def test_the_worst_part_comes_first_and_counts() -> None:
    parts = [
        common.Part("healthy", "a"),
        common.Part("warning", "b", "step b", NOW),
        common.Part("critical", "c", "step c", before(hours=1)),
        common.Part("unknown", "d"),
        common.Part("critical", "e", "step e"),
    ]
    seen = common.together("it", parts)
    assert (seen.status, seen.evidence) == ("critical", "it: c; e; d; b; a")
    assert (seen.since, seen.next_step) == ("2026-11-23T02:14:15Z", "step c")


def test_commands_ask_where_the_look_asked() -> None:
    result = look_at("stack", {"cloudformation": [answer("describe_stacks", {"Stacks": []})]}, target="x")
    assert result["next_step"] == DEPLOY
    step = KINDS["bucket"].step({"target": "a b;c", "region": "eu-west-1"})
    assert step == "aws s3api get-bucket-location --bucket 'a b;c' --region eu-west-1"
    assert KINDS["stack"].step({"target": "x", "region": None}).endswith("--stack-name x")


def test_also_after_an_error_the_command_asks_where_the_look_asked() -> None:
    calls = {"cloudfront": [answer("get_distribution", "ServiceUnavailable")]}
    result = look_at("distribution", calls, target="X", sandbox=True)
    assert result["next_step"].startswith(
        "aws cloudfront get-distribution --id X --query Distribution.Status --endpoint"
    )
    calls = {"acm": [answer("describe_certificate", "Throttling")]}
    result = look_at("certificate", calls, target=TARGETS["certificate"], region="us-east-1")
    assert result["next_step"].count("--region us-east-1") == 1


def test_without_a_client_it_is_unknown() -> None:
    def refuse(_service: str) -> t.NoReturn:
        raise NoCredentialsError

    limits = thresholds_of(None)
    probe = defaults() | {"name": "it", "kind": "stack", "target": "x"}
    seen = KINDS["stack"].look(Look(probe, "production", None, limits, False, NOW, refuse, lambda: 10.0))
    assert (seen.status, seen.next_step) == ("unknown", "aws cloudformation describe-stacks --stack-name x")
    assert seen.evidence.startswith("No AWS credentials were found")


def test_pages_end_with_the_time() -> None:
    def over() -> float:
        raise Finding("unknown", "no time left")

    client, stubber = stubbed("cloudwatch", [answer("describe_alarms", {"MetricAlarms": [], "NextToken": "more"})])
    probe = defaults() | {"name": "it", "kind": "alarms", "target": "x"}
    look = Look(probe, "production", None, thresholds_of(None), False, NOW, lambda _service: client, over)
    with pytest.raises(Finding, match="no time left"):
        list(common.pages(look, "cloudwatch", "describe_alarms", "MetricAlarms"))
    stubber.assert_no_pending_responses()


def test_what_a_person_names_is_no_command() -> None:
    bad = "x;$(id)"
    for name, kind in KINDS.items():
        words = shlex.split(kind.step(defaults() | {"target": bad, "region": bad, "overrides": []}))
        assert not any("$(id)" in word and word not in (bad, f"Value={bad}") for word in words), name
    meta = types.SimpleNamespace(region_name=bad, endpoint_url=bad)
    probe = defaults() | {"name": "it", "kind": "stack", "target": bad}
    client = types.SimpleNamespace(meta=meta)
    look = Look(probe, bad, None, thresholds_of(None), True, NOW, lambda _service: client, lambda: 10.0)
    asked = f"aws x --region '{bad}' --endpoint-url '{bad}'"
    assert common.aws(look, "cloudformation", "x") == asked
    assert common.play(look, "deploy").endswith(f"--limit '{bad}'")
