# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment of the emulated API Gateway is a snapshot, and a stage serves it: as on AWS."""

from __future__ import annotations

import http.client
import typing as t
from pathlib import Path

import pytest

from tests.support.emulated import TestSandbox

pytestmark = pytest.mark.integration
MISSING_FUNCTION = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:000000000000:function:none/invocations"
)


class Api:
    """One API with a MOCK method, edited and asked as on AWS."""

    def __init__(self, sandbox: TestSandbox, api_id: str | None = None) -> None:
        self.sandbox = sandbox
        self.client = sandbox.client("apigateway")
        self.id = api_id or self.client.create_rest_api(name="snapshots")["id"]
        items = self.client.get_resources(restApiId=self.id)["items"]
        self.root = next(item["id"] for item in items if item["path"] == "/")
        self.where = {"restApiId": self.id, "resourceId": self.root, "httpMethod": "GET"}

    def answer(self, text: str, **method: t.Any) -> None:
        """Edit the method: it answers this text."""
        self.client.put_method(**self.where, **{"authorizationType": "NONE", **method})
        self.client.put_integration(
            **self.where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
        )
        templates = {"application/json": f'{{"says": "{text}"}}'}
        self.client.put_integration_response(**self.where, statusCode="200", responseTemplates=templates)

    def deploy(self) -> str:
        """Make a deployment and leave the stage where it is."""
        return str(self.client.create_deployment(restApiId=self.id)["id"])

    def stage(self, deployment: str) -> None:
        """Make the stage."""
        self.client.create_stage(restApiId=self.id, stageName="live", deploymentId=deployment)

    def switch(self, deployment: str) -> None:
        """Let the stage serve another deployment."""
        operation = {"op": "replace", "path": "/deploymentId", "value": deployment}
        self.client.update_stage(restApiId=self.id, stageName="live", patchOperations=[operation])

    def ask(self, path: str = "/", **headers: str) -> tuple[int, str]:
        """GET a path of the stage."""
        connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port, timeout=10)
        try:
            connection.request("GET", f"/_aws/execute-api/{self.id}/live{path}", headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


@pytest.fixture
def api(sandbox: TestSandbox) -> t.Iterator[Api]:
    made = Api(sandbox)
    yield made
    made.client.delete_rest_api(restApiId=made.id)


def test_a_changed_method_shows_only_with_a_deployment_of_its_own(api: Api) -> None:
    api.answer("one")
    one = api.deploy()
    api.stage(one)
    assert api.ask() == (200, '{"says": "one"}')
    api.answer("two")
    assert api.ask() == (200, '{"says": "one"}')
    two = api.deploy()
    assert api.ask() == (200, '{"says": "one"}')
    for deployment, says in ((two, "two"), (one, "one"), (two, "two")):
        api.switch(deployment)
        assert api.ask() == (200, f'{{"says": "{says}"}}')


def test_a_new_path_and_a_removed_one_show_only_then(api: Api) -> None:
    api.answer("one")
    one = api.deploy()
    api.stage(one)
    child = api.client.create_resource(restApiId=api.id, parentId=api.root, pathPart="new")["id"]
    where = {**api.where, "resourceId": child}
    api.client.put_method(**where, authorizationType="NONE")
    api.client.put_integration(**where, type="MOCK")
    assert api.ask("/new")[0] == 403
    two = api.deploy()
    api.client.delete_resource(restApiId=api.id, resourceId=child)
    assert api.ask("/new")[0] == 403
    api.switch(two)
    assert api.ask("/new")[0] == 200
    api.switch(api.deploy())
    assert api.ask("/new")[0] == 403


def test_an_authorizer_belongs_to_the_deployment(api: Api) -> None:
    def source(header: str) -> str:
        return f"method.request.header.{header}"

    authorizer = api.client.create_authorizer(
        restApiId=api.id, name="a", type="TOKEN", authorizerUri=MISSING_FUNCTION, identitySource=source("x-old")
    )["id"]
    api.answer("one", authorizationType="CUSTOM", authorizerId=authorizer)
    one = api.deploy()
    api.stage(one)
    operation = {"op": "replace", "path": "/identitySource", "value": source("x-new")}
    api.client.update_authorizer(restApiId=api.id, authorizerId=authorizer, patchOperations=[operation])
    two = api.deploy()
    # Without its identity source the call is refused; with it the authorizer is called, and there is no such function.
    assert api.ask(**{"x-new": "token"})[0] == 401
    assert api.ask(**{"x-old": "token"})[0] == 500
    api.switch(two)
    assert api.ask(**{"x-new": "token"})[0] == 500
    assert api.ask(**{"x-old": "token"})[0] == 401


def test_editing_shows_what_is_edited_and_hides_the_snapshot(api: Api) -> None:
    api.answer("one")
    one = api.deploy()
    api.stage(one)
    api.answer("two")
    method = api.client.get_method(**api.where)
    templates = method["methodIntegration"]["integrationResponses"]["200"]["responseTemplates"]
    assert templates == {"application/json": '{"says": "two"}'}
    listed = api.client.get_gateway_responses(restApiId=api.id)["items"]
    assert all(item["responseType"].isupper() for item in listed)


def test_a_deleted_deployment_takes_its_snapshot_with_it(api: Api) -> None:
    api.answer("one")
    one = api.deploy()
    api.stage(one)
    api.answer("two")
    api.client.delete_deployment(restApiId=api.id, deploymentId=one)
    assert api.ask() == (200, '{"says": "two"}')


@pytest.mark.parametrize("way", ["restart", "reset"])
def test_snapshots_live_as_long_as_the_rest_of_the_state(own_sandbox: TestSandbox, way: str, tmp_path: Path) -> None:
    own_sandbox.start()
    api = Api(own_sandbox)
    api.answer("one")
    api.stage(api.deploy())
    api.answer("two")
    two = api.deploy()
    if way == "reset":
        own_sandbox.reset()
        assert api.ask()[0] == 404
        return
    own_sandbox.stop()
    own_sandbox.start()
    again = Api(own_sandbox, api.id)
    assert again.ask() == (200, '{"says": "one"}')
    again.switch(two)
    assert again.ask() == (200, '{"says": "two"}')
