# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_rotation: everybody knows a key before it seals; an interrupted rotation is gone on with; no value is shown."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import key_rotation
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.stub import Stubber

NAME = "mcp-staging-request-state"
ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-AbCdEf"
OLD, NEW = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
VALUE = "n" * 64


class Store:
    """Stubbed Secrets Manager, and a clock that only moves by sleeping."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.client = SHARED_SESSION.client("secretsmanager", **options)
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.said, self.slept = list[str](), list[float]()

    def has(self, versions: dict[str, list[str]]) -> None:
        answer = {"ARN": ARN, "Name": NAME, "VersionIdsToStages": versions}
        self.stub.add_response("describe_secret", answer, {"SecretId": NAME})

    def made(self, version: str = NEW) -> None:
        wanted = {"PasswordLength": 64, "ExcludePunctuation": True}
        self.stub.add_response("get_random_password", {"RandomPassword": VALUE}, wanted)
        put = {"SecretId": ARN, "ClientRequestToken": version, "SecretString": VALUE, "VersionStages": ["AWSPENDING"]}
        self.stub.add_response("put_secret_value", {"ARN": ARN, "VersionId": version}, put)

    def moved(self, stage: str, **versions: str) -> None:
        wanted = {"SecretId": ARN, "VersionStage": stage, **versions}
        self.stub.add_response("update_secret_version_stage", {"ARN": ARN}, wanted)

    def run(self, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        checked = ArgumentSpecValidator(key_rotation.ARGUMENT_SPEC).validate({"secret": NAME, **params})
        assert not checked.error_messages, checked.error_messages
        ctx = Context(
            params=dict(checked.validated_parameters),
            make_client=lambda service, region: self.client,
            check_mode=check_mode,
            progress=self.said.append,
        )
        result = key_rotation.run(ctx)
        self.stub.assert_no_pending_responses()
        assert VALUE not in repr(result) + repr(self.said)
        return result


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    world = Store()
    monkeypatch.setattr(key_rotation.time, "sleep", world.slept.append)
    monkeypatch.setattr(key_rotation.uuid, "uuid4", lambda: NEW)
    return world


def test_every_server_knows_the_new_key_before_it_is_the_current_one(store: Store) -> None:
    store.has({OLD: ["AWSCURRENT"]})
    store.made()
    store.moved("AWSCURRENT", MoveToVersionId=NEW, RemoveFromVersionId=OLD)
    store.moved("AWSPENDING", RemoveFromVersionId=NEW)
    result = store.run()
    (row,) = result["rotated"]
    assert result["changed"] is True
    assert (row["id"], row["before"], row["after"], row["resumed"], row["revoked"]) == (ARN, OLD, NEW, False, False)
    assert store.slept == [65.0]


def test_an_interrupted_rotation_is_gone_on_with_and_waits_for_the_rest(store: Store) -> None:
    store.has({OLD: ["AWSCURRENT"], NEW: ["AWSPENDING"]})
    made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=40)
    versions = [{"VersionId": OLD, "CreatedDate": made}, {"VersionId": NEW, "CreatedDate": made}]
    store.stub.add_response("list_secret_version_ids", {"Versions": versions}, {"SecretId": ARN})
    store.moved("AWSCURRENT", MoveToVersionId=NEW, RemoveFromVersionId=OLD)
    store.moved("AWSPENDING", RemoveFromVersionId=NEW)
    (row,) = store.run()["rotated"]
    assert (row["after"], row["resumed"]) == (NEW, True)
    assert [round(seconds) for seconds in store.slept] == [25]


def test_an_ended_rotation_whose_last_step_is_missing_is_not_taken_for_a_pending_one(store: Store) -> None:
    store.has({OLD: ["AWSCURRENT", "AWSPENDING"]})
    store.made()
    store.moved("AWSCURRENT", MoveToVersionId=NEW, RemoveFromVersionId=OLD)
    store.moved("AWSPENDING", RemoveFromVersionId=NEW)
    assert store.run()["rotated"][0]["resumed"] is False


def test_a_key_that_became_known_is_refused_once_nobody_seals_with_it(store: Store) -> None:
    store.has({OLD: ["AWSCURRENT"]})
    store.made()
    store.moved("AWSCURRENT", MoveToVersionId=NEW, RemoveFromVersionId=OLD)
    store.moved("AWSPENDING", RemoveFromVersionId=NEW)
    store.moved("AWSPREVIOUS", RemoveFromVersionId=OLD)
    assert store.run(revoke=True)["rotated"][0]["revoked"] is True
    assert store.slept == [65.0, 65.0]


def test_check_mode_makes_nothing(store: Store) -> None:
    store.has({OLD: ["AWSCURRENT"]})
    expected = {"target": "request_state", "id": ARN, "before": OLD, "resumed": False}
    assert store.run(check_mode=True) == {"changed": True, "rotated": [expected]}


def test_a_secret_that_is_gone_is_one_clear_error(store: Store) -> None:
    store.stub.add_client_error("describe_secret", "ResourceNotFoundException", "no", 400)
    with pytest.raises(McpError, match=r"secret is 'mcp-staging-request-state'.*Nothing was changed.*deploy.yml -i"):
        store.run()
