# SPDX-License-Identifier: MIT
"""Secrets Manager, SSM and CloudFront as far as a rotation needs them, with AWS's rules about labels and ETags.

Every call is checked against botocore's model of the service. A call can be made to fail, before or after it was
carried out, as when a function ends in the middle of a step.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from pratiko_mcp.aws_secrets import STAGES
from pratiko_mcp.rotation import Rotation, open_rotation
from pratiko_mcp.settings import RotationSettings

DISTRIBUTION = "E2EXAMPLE"
ORIGIN_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-production-origin-key-AbCdEf"
STATE_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-production-request-state-AbCdEf"
SECRETS_MANAGER = RotationSettings(ORIGIN_ARN, STATE_ARN, DISTRIBUTION)
PARAMETERS = RotationSettings(
    "ssm:/mcp/production/secrets/origin", "ssm:/mcp/production/secrets/request-state", DISTRIBUTION
)
OLD_ORIGIN, OLD_KEY = "o" * 64, "k" * 64
V1, V2, V3, V4 = (f"{number}" * 36 for number in range(1, 5))


class Killed(BaseException):
    """The function ends here."""


class FakeClock:
    """A clock that moves by sleeping alone."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.on_sleep()


class Fake:
    """Base of the services: a client whose calls are methods named ``on_<operation>``."""

    service: str

    def __init__(self, world: World) -> None:
        self.world = world
        self._client = boto3.client(
            self.service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.exceptions = self._client.exceptions
        model = self._client.meta.service_model
        self._shapes = {xform_name(name): model.operation_model(name).input_shape for name in model.operation_names}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("on_") or operation not in self._shapes:
            raise AttributeError(operation)
        return lambda **request: self._call(operation, request)

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        problems = ParamValidator().validate(request, self._shapes[operation])
        assert not problems.has_errors(), problems.generate_report()
        self.world.meet(operation, done=False)
        reply = getattr(self, f"on_{operation}")(**copy.deepcopy(request))
        self.world.meet(operation, done=True)
        return copy.deepcopy(reply)

    def refuse(self, code: str, operation: str) -> ClientError:
        """Return AWS's refusal as the client's own class."""
        kind = getattr(self.exceptions, code, ClientError)
        return kind({"Error": {"Code": code, "Message": code}}, operation)


class FakeSecretsManager(Fake):
    """Two secrets; a label is on one version only, and the version that loses AWSCURRENT gets AWSPREVIOUS."""

    service = "secretsmanager"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.values: dict[str, dict[str, str]] = {ORIGIN_ARN: {V1: OLD_ORIGIN}, STATE_ARN: {V1: OLD_KEY}}
        self.labels: dict[str, dict[str, str]] = {arn: {"AWSCURRENT": V1} for arn in self.values}

    def find(self, secret: str) -> str:
        """Return the ARN that a name or an ARN means."""
        arns = [arn for arn in self.values if secret == arn or f":secret:{secret}-" in arn]
        if not arns:
            raise self.refuse("ResourceNotFoundException", "DescribeSecret")
        return arns[0]

    def on_describe_secret(self, SecretId: str) -> Any:
        SecretId = self.find(SecretId)
        versions: dict[str, list[str]] = {}
        for stage, token in self.labels[SecretId].items():
            versions.setdefault(token, []).append(stage)
        return {"ARN": SecretId, "VersionIdsToStages": versions}

    def on_get_secret_value(self, SecretId: str, VersionId: str = "", VersionStage: str = "AWSCURRENT") -> Any:
        SecretId = self.find(SecretId)
        VersionId = VersionId or self.labels[SecretId].get(VersionStage, "")
        if not self.values[SecretId].get(VersionId):
            raise self.refuse("ResourceNotFoundException", "GetSecretValue")
        created = datetime.fromtimestamp(self.world.made.get(VersionId, 0), UTC)
        return {"SecretString": self.values[SecretId][VersionId], "VersionId": VersionId, "CreatedDate": created}

    def on_put_secret_value(
        self, SecretId: str, SecretString: str, VersionStages: list[str], ClientRequestToken: str = ""
    ) -> Any:
        SecretId, ClientRequestToken = self.find(SecretId), ClientRequestToken or str(uuid.uuid4())
        if self.values[SecretId].get(ClientRequestToken, SecretString) not in ("", SecretString):
            raise self.refuse("ResourceExistsException", "PutSecretValue")
        self.values[SecretId][ClientRequestToken] = SecretString
        self.world.made[ClientRequestToken] = self.world.clock.time
        for stage in VersionStages:
            self._label(SecretId, stage, ClientRequestToken)
        return {"VersionId": ClientRequestToken}

    def on_update_secret_version_stage(
        self, SecretId: str, VersionStage: str, MoveToVersionId: str = "", RemoveFromVersionId: str = ""
    ) -> Any:
        SecretId = self.find(SecretId)
        labels = self.labels[SecretId]
        if labels.get(VersionStage, "") not in (RemoveFromVersionId, MoveToVersionId):
            raise self.refuse("InvalidParameterException", "UpdateSecretVersionStage")
        if MoveToVersionId:
            self._label(SecretId, VersionStage, MoveToVersionId)
        else:
            labels.pop(VersionStage, "")
        return {}

    def _label(self, arn: str, stage: str, token: str) -> None:
        left = self.labels[arn].get(stage, "")
        self.labels[arn][stage] = token
        if stage == "AWSCURRENT" and left not in ("", token):
            self.labels[arn]["AWSPREVIOUS"] = left

    def at(self, source: str) -> dict[str, str]:
        """Return the value of each stage."""
        return {stage: self.values[source][token] for stage, token in self.labels[source].items()}


class FakeParameters(Fake):
    """Two parameters that hold all stages."""

    service = "ssm"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.stored: dict[str, tuple[str, int]] = {}
        for source, value in ((PARAMETERS.origin_secret, OLD_ORIGIN), (PARAMETERS.request_state_secret, OLD_KEY)):
            document = {"current": value, "pending": None, "previous": None, "versions": {"current": V1}}
            self.stored[source.removeprefix("ssm:")] = (json.dumps(document), 1)

    def on_get_parameter(self, Name: str, WithDecryption: bool) -> Any:
        assert WithDecryption
        if Name not in self.stored:
            raise self.refuse("ParameterNotFound", "GetParameter")
        value, version = self.stored[Name]
        return {"Parameter": {"Value": value, "Version": version}}

    def on_put_parameter(self, Name: str, Value: str, Type: str, Overwrite: bool, Tags: Any = None) -> Any:
        assert Type == "SecureString" and not (Tags and Overwrite)
        if Name in self.stored and not Overwrite:
            raise self.refuse("ParameterAlreadyExists", "PutParameter")
        self.stored[Name] = (Value, self.stored.get(Name, ("", 0))[1] + 1)
        return {"Version": self.stored[Name][1]}

    def on_delete_parameters(self, Names: list[str]) -> Any:
        for name in Names:
            self.stored.pop(name, None)
        return {}

    def at(self, source: str) -> dict[str, str]:
        """Return the value of each stage."""
        document = json.loads(self.stored[source.removeprefix("ssm:")][0])
        fields = ("current", "pending", "previous")
        pairs = zip(STAGES, (document.get(field) for field in fields), strict=True)
        return {stage: value for stage, value in pairs if value}


class FakeCloudFront(Fake):
    """One distribution with two origins; a change takes some looks until it is deployed everywhere."""

    service = "cloudfront"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.looks_to_deploy = 0
        self.etag = 1
        self.updates: list[dict[str, Any]] = []
        self.config = distribution_config(OLD_ORIGIN)

    def on_get_distribution_config(self, Id: str) -> Any:
        assert Id == DISTRIBUTION
        return {"ETag": str(self.etag), "DistributionConfig": self.config}

    def on_get_distribution(self, Id: str) -> Any:
        self.looks_to_deploy = max(0, self.looks_to_deploy - 1)
        status = "InProgress" if self.looks_to_deploy else "Deployed"
        return {"ETag": str(self.etag), "Distribution": {"Status": status, "DistributionConfig": self.config}}

    def on_update_distribution(self, Id: str, IfMatch: str, DistributionConfig: dict[str, Any]) -> Any:
        if IfMatch != str(self.etag):
            raise self.refuse("PreconditionFailed", "UpdateDistribution")
        self.config, self.etag = DistributionConfig, self.etag + 1
        self.updates.append(DistributionConfig)
        return {}

    @property
    def header(self) -> str:
        """The value that the CDN sends."""
        return str(self.config["Origins"]["Items"][0]["CustomHeaders"]["Items"][1]["HeaderValue"])


def distribution_config(header: str) -> dict[str, Any]:
    """Return a configuration with an origin behind the header and one that knows nothing of it."""
    api = [
        {"HeaderName": "x-other", "HeaderValue": "stays"},
        {"HeaderName": "X-Mcp-Origin", "HeaderValue": header},
    ]
    origins = [
        {"Id": "api", "DomainName": "api.example.com", "CustomHeaders": {"Quantity": 2, "Items": api}},
        {"Id": "maintenance", "DomainName": "bucket.example.com", "CustomHeaders": {"Quantity": 0}},
    ]
    return {
        "CallerReference": "1",
        "Comment": "mcp-production",
        "Enabled": True,
        "Origins": {"Quantity": 2, "Items": origins},
        "DefaultCacheBehavior": {"TargetOriginId": "api", "ViewerProtocolPolicy": "https-only"},
    }


class World:
    """The three services, and the moment at which the function is killed."""

    def __init__(self, settings: RotationSettings) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.made: dict[str, float] = {}
        self.calls: list[str] = []
        self.kill_at: tuple[str, bool] | None = None
        self.before: dict[str, Callable[[], None]] = {}
        self.secrets = FakeSecretsManager(self)
        self.parameters = FakeParameters(self)
        self.cdn = FakeCloudFront(self)

    def meet(self, operation: str, done: bool) -> None:
        """Note a call; die where that was ordered."""
        if not done:
            self.calls.append(operation)
            self.before.pop(operation, lambda: None)()
        if self.kill_at == (operation, done):
            self.kill_at = None
            raise Killed

    def client(self, service: str) -> Any:
        return {"secretsmanager": self.secrets, "ssm": self.parameters, "cloudfront": self.cdn}[service]

    def rotation(self, source: str) -> Rotation:
        """Open a rotation as a new process does."""
        return open_rotation(source, self.settings, self.client, self.clock)

    def at(self, source: str) -> Mapping[str, str]:
        """Return the value of each stage of a secret."""
        return (self.parameters if source.startswith("ssm:") else self.secrets).at(source)
