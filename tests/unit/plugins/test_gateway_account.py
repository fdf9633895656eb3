# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gateway_account: the role is set only where none is set. The stubs refuse every call not listed here."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import gateway_account
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

NAME = "mcp-api-gateway-logs"
ROLE = f"arn:aws:iam::123456789012:role/{NAME}"
POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
NOT_YET = "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway"
DATE = "2026-11-22T15:00:00Z"


class Aws:
    """Stubbed clients, and a clock that only moves by sleeping."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.clients = {name: SHARED_SESSION.client(name, **options) for name in ("apigateway", "iam", "sts")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def account(self, **settings: t.Any) -> None:
        self.stubs["apigateway"].add_response("get_account", settings, {})

    def identity(self, partition: str = "aws") -> None:
        arn = f"arn:{partition}:sts::123456789012:assumed-role/ci/x"
        self.stubs["sts"].add_response("get_caller_identity", {"Account": "123456789012", "Arn": arn}, {})

    def role(self, arn: str | None = ROLE) -> None:
        if arn is None:
            return self.stubs["iam"].add_client_error("get_role", "NoSuchEntity", http_status_code=404)
        return self.stubs["iam"].add_response("get_role", {"Role": self.as_role(arn)}, {"RoleName": NAME})

    def as_role(self, arn: str) -> dict[str, t.Any]:
        return {"Path": "/", "RoleName": NAME, "RoleId": "AROA" + "X" * 16, "Arn": arn, "CreateDate": DATE}

    def attach(self, policy: str = POLICY) -> None:
        self.stubs["iam"].add_response("attach_role_policy", {}, {"RoleName": NAME, "PolicyArn": policy})

    def set_role(self) -> None:
        operations = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ROLE}]
        self.stubs["apigateway"].add_response("update_account", {}, {"patchOperations": operations})

    def refuse_role(self, text: str = NOT_YET) -> None:
        self.stubs["apigateway"].add_client_error("update_account", "BadRequestException", text, 400)

    def run(self, check_mode: bool = False) -> dict[str, t.Any]:
        ctx = Context({"role_name": NAME}, lambda service, _region: self.clients[service], check_mode=check_mode)
        try:
            return gateway_account.run(ctx)
        finally:
            for stub in self.stubs.values():
                stub.assert_no_pending_responses()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setattr(gateway_account.time, "sleep", made.sleep)
    monkeypatch.setattr(gateway_account.time, "monotonic", lambda: made.now)
    return made


def test_a_role_that_never_works_ends_after_a_minute_with_what_to_type(aws: Aws) -> None:
    aws.account()
    aws.identity()
    aws.role()
    aws.attach()
    for _attempt in range(4):  # at 0, 20, 40 and 60 s
        aws.refuse_role()
    with pytest.raises(McpError) as caught:
        aws.run()
    assert aws.now == 60
    assert f"has refused the role {NAME} for 60 s" in caught.value.message
    assert f"aws iam get-role --role-name {NAME}" in caught.value.message


def test_another_bad_request_is_not_repeated(aws: Aws) -> None:
    aws.account()
    aws.identity()
    aws.role()
    aws.attach()
    aws.refuse_role("Invalid patch path")
    with pytest.raises(ClientError, match="Invalid patch path"):
        aws.run()
    assert aws.now == 0


def test_a_lack_of_rights_says_which_are_needed(aws: Aws) -> None:
    aws.account()
    aws.identity()
    aws.stubs["iam"].add_client_error("get_role", "AccessDenied", "not authorized", 403)
    with pytest.raises(McpError, match="iam:PassRole on the role mcp-api-gateway-logs"):
        aws.run()


def test_a_role_that_is_set_stays(aws: Aws) -> None:
    aws.account(cloudwatchRoleArn="arn:aws:iam::123456789012:role/of-another-team")
    wanted = {"changed": False, "available": True, "role_arn": "arn:aws:iam::123456789012:role/of-another-team"}
    assert aws.run() == wanted


def test_a_fresh_account_gets_a_role_that_only_api_gateway_may_use(aws: Aws) -> None:
    aws.account()
    aws.identity()
    aws.role(None)
    trusts: list[str] = []
    aws.clients["iam"].meta.events.register(
        "provide-client-params.iam.CreateRole",
        lambda params, **_more: trusts.append(params["AssumeRolePolicyDocument"]),
    )
    wanted = {"RoleName": NAME, "AssumeRolePolicyDocument": ANY, "Description": ANY}
    aws.stubs["iam"].add_response("create_role", {"Role": aws.as_role(ROLE)}, wanted)
    aws.attach()
    aws.refuse_role()
    aws.set_role()
    assert aws.run() == {"changed": True, "available": True, "role_arn": ROLE}
    assert aws.now == 20
    (statement,) = json.loads(trusts[0])["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"


def test_a_killed_run_is_completed(aws: Aws) -> None:
    aws.account()
    aws.identity()
    aws.role()
    aws.attach()
    aws.set_role()
    assert aws.run()["changed"]


def test_other_partitions_have_their_own_policy(aws: Aws) -> None:
    aws.account()
    aws.identity("aws-us-gov")
    aws.role()
    aws.attach(POLICY.replace("arn:aws:", "arn:aws-us-gov:"))
    aws.set_role()
    assert aws.run()["changed"]


@pytest.mark.parametrize("existing", [ROLE, None])
def test_check_mode_reads_only_and_names_the_role(aws: Aws, existing: str | None) -> None:
    aws.account()
    aws.identity()
    aws.role(existing)
    assert aws.run(check_mode=True) == {"changed": True, "available": True, "role_arn": ROLE}


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 400), ("InternalFailure", 501)])
def test_an_endpoint_without_the_setting_says_so(aws: Aws, code: str, status: int) -> None:
    aws.stubs["apigateway"].add_client_error("get_account", code, http_status_code=status)
    assert aws.run() == {"changed": False, "available": False, "role_arn": ""}


@pytest.mark.parametrize(("code", "status"), [("NotFoundException", 404), ("InternalFailure", 500)])
def test_any_other_failure_is_not_taken_for_a_missing_setting(aws: Aws, code: str, status: int) -> None:
    aws.stubs["apigateway"].add_client_error("get_account", code, http_status_code=status)
    with pytest.raises(ClientError):
        aws.run()
