# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of staging's variables: one clear error each, before anything is touched."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import options, server_options, staging_options
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.support.checkout import ROOT

ARN = "arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
GOOD: dict[str, t.Any] = {
    "mcp_region": "us-east-1",
    "mcp_vpc_cidr": "10.42.0.0/16",
    "mcp_allowed_cidrs": ["0.0.0.0/0"],
    "mcp_instance_type": "t3a.small",
    "mcp_instances_min": 1,
    "mcp_instances_max": 2,
    "mcp_release_timeout": 1800,
    "mcp_database_instance_class": "db.m6g.large",
    "mcp_database_storage_gb": 20,
    "mcp_database_max_storage_gb": 100,
    "mcp_database_engine_version": "17",
    "mcp_database_backup_days": 7,
    "mcp_domain": "mcp.example.com",
    "mcp_certificate_arn": ARN,
}


def refusal(**values: t.Any) -> McpError:
    """Return the error that these values get among good ones."""
    with pytest.raises(McpError) as refused:
        staging_options.check_values({key: value for key, value in {**GOOD, **values}.items() if value is not None})
    return refused.value


def test_good_values_pass() -> None:
    staging_options.check_values(GOOD)


def test_nothing_set_passes() -> None:
    staging_options.check_values({"mcp_region": "us-east-1"})


@pytest.mark.parametrize(
    "name, value",
    [
        ("mcp_vpc_cidr", "10.42.0.0"),
        ("mcp_vpc_cidr", "10.42.0.1/16"),
        ("mcp_vpc_cidr", "10.0.0.0/8"),
        ("mcp_vpc_cidr", "10.42.0.0/24"),
        ("mcp_vpc_cidr", "8.8.0.0/16"),
        ("mcp_allowed_cidrs", []),
        ("mcp_allowed_cidrs", [f"203.0.113.{number}/32" for number in range(6)]),
        ("mcp_allowed_cidrs", ["everybody"]),
        ("mcp_instance_type", "t4g.micro"),
        ("mcp_instance_type", "micro"),
        ("mcp_instances_min", 0),
        ("mcp_instances_min", 3),
        ("mcp_instances_max", 21),
        ("mcp_release_timeout", 60),
        ("mcp_ready_timeout", 5),
        ("mcp_ready_timeout", 601),
        ("mcp_database_instance_class", "t3.micro"),
        ("mcp_database_instance_class", "db.micro"),
        ("mcp_database_storage_gb", 10),
        ("mcp_database_max_storage_gb", 100_000),
        ("mcp_database_engine_version", "13"),
        ("mcp_database_engine_version", "17.6"),
        ("mcp_database_backup_days", 0),
        ("mcp_database_backup_days", 36),
        ("mcp_certificate_arn", "arn:aws:acm:us-east-1:1:certificate/x"),
        ("mcp_certificate_arn", ARN.replace("us-east-1", "eu-west-1")),
        ("mcp_sessions", True),
        ("mcp_secret_store", "ssm"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed_and_an_example(name: str, value: t.Any) -> None:
    error = refusal(**{name: value})
    assert error.details == {"variable": name}
    assert error.message.startswith(f"{name} is ")
    for part in ("allowed is", "Nothing was changed.", "-e ", name):
        assert part in error.message


@pytest.mark.parametrize("name", ["staging-", "two--hyphens"])
def test_a_name_that_aws_takes_for_no_database_is_refused(name: str) -> None:
    refused = refusal(mcp_environment=name)
    assert f"'{name}'" in refused.message and refused.details["variable"] == "mcp_environment"


def test_a_certificate_needs_the_domain_that_it_is_for() -> None:
    error = refusal(mcp_domain=None)
    assert "mcp_certificate_arn is set but mcp_domain is not" in error.message
    assert "-e mcp_domain=" in error.message


def test_a_call_ends_before_the_load_balancer_gives_up() -> None:
    options.check_timeout(55, "staging")
    with pytest.raises(McpError, match=r"allowed are 1 to 55 seconds, because the load balancer"):
        options.check_timeout(56, "staging")


def test_the_user_data_has_room_for_more_than_a_function() -> None:
    scopes = {f"tool_{number:03}": ["documents:read"] for number in range(60)}
    values = {"mcp_tool_scopes": scopes}
    server_options.check_shared({"mcp_phase": "staging", **values})
    with pytest.raises(McpError, match="function's variables"):
        server_options.check_shared({"mcp_phase": "production", **values})
    many = {"mcp_tool_scopes": {f"tool_{number:03}": ["documents:read"] for number in range(120)}}
    with pytest.raises(McpError, match="instances' user data"):
        server_options.check_shared({"mcp_phase": "staging", **many})


def test_the_sizes_of_the_file_are_allowed_values() -> None:
    sizes = yaml.safe_load((ROOT / "aws-resource-allocation.yaml").read_text(encoding="utf-8"))["phases"]["staging"]
    staging_options.check_values(
        {
            "mcp_region": "us-east-1",
            "mcp_instance_type": sizes["ec2"]["instance_type"],
            "mcp_instances_min": sizes["ec2"]["min"],
            "mcp_instances_max": sizes["ec2"]["max"],
            "mcp_database_instance_class": sizes["rds"]["instance_class"],
            "mcp_database_storage_gb": sizes["rds"]["storage_gb"],
            "mcp_database_max_storage_gb": sizes["rds"]["max_storage_gb"],
            "mcp_database_engine_version": sizes["rds"]["engine_version"],
            "mcp_database_backup_days": sizes["rds"]["backup_days"],
        }
    )
