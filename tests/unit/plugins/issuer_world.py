# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSM and KMS in memory behind real clients: requests and answers are checked against AWS's own service models."""

from __future__ import annotations

import types
import typing as t

import boto3
import jwt
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from botocore.validate import validate_parameters
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PREFIX = "/mcp/testing/issuer"
PRIVATE, JWKS = f"{PREFIX}/private-key", f"{PREFIX}/jwks"
WRITES = ("PutParameter", "DeleteParameters", "CreateKey", "CreateAlias", "ScheduleKeyDeletion")


class Killed(BaseException):
    """The process ends here."""


class Refused(Exception):
    """AWS answers with this error code."""


class Aws:
    """The state of an account.

    :ivar calls: names of the operations asked for, in order
    :ivar writes_left: the process is killed before the write after these; None: never
    """

    def __init__(self) -> None:
        self.parameters: dict[str, dict[str, t.Any]] = {}
        self.keys: dict[str, dict[str, t.Any]] = {}
        self.aliases: dict[str, str] = {}
        self.calls: list[str] = []
        self.requests: list[tuple[str, dict[str, t.Any]]] = []
        self.writes_left: int | None = None
        self.before: dict[str, t.Callable[[], object]] = {}
        self._clients: dict[str, t.Any] = {}

    def client(self, service: str, _region: str | None = None) -> t.Any:
        """Return a boto3 client whose requests end here."""
        if service not in self._clients:
            options = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
            client = boto3.client(service, **options)
            client.meta.events.register("provide-client-params", self._remember)
            client.meta.events.register("before-call", self._answer)
            self._clients[service] = client
        return self._clients[service]

    def context(self, params: dict[str, t.Any], check_mode: bool = False) -> Context:
        return Context(params=params, make_client=self.client, check_mode=check_mode)

    def _remember(self, params: dict[str, t.Any], **_rest: t.Any) -> None:
        self._params = params

    def _answer(self, model: t.Any, **_rest: t.Any) -> t.Any:
        name, params = model.name, self._params
        if name in WRITES and self.writes_left is not None:
            if self.writes_left == 0:
                raise Killed
            self.writes_left -= 1
        self.calls.append(name)
        self.requests.append((name, params))
        try:
            self.before.pop(name, lambda: None)()
            answer = getattr(self, name)(**params)
        except Refused as refused:
            error = {"Error": {"Code": str(refused), "Message": f"{refused} by the test"}, "ResponseMetadata": {}}
            return types.SimpleNamespace(status_code=400), error
        if model.output_shape:
            validate_parameters(answer, model.output_shape)
        return types.SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": {}}

    def GetParameters(self, Names: list[str], WithDecryption: bool) -> dict[str, t.Any]:
        found = [{"Name": name, **self.parameters[name]} for name in Names if name in self.parameters]
        sealed = [{**entry, "Value": "sealed"} if entry["Type"] == "SecureString" else entry for entry in found]
        return {"Parameters": found if WithDecryption else sealed}

    def GetParameter(self, Name: str, WithDecryption: bool) -> dict[str, t.Any]:
        if Name not in self.parameters:
            raise Refused("ParameterNotFound")
        return {"Parameter": {"Name": Name, **self.parameters[Name]}}

    def PutParameter(
        self, Name: str, Value: str, Type: str, Overwrite: bool, Tags: t.Any = None, KeyId: str = ""
    ) -> dict[str, t.Any]:
        if Name in self.parameters and not Overwrite:
            raise Refused("ParameterAlreadyExists")
        if Overwrite and Tags is not None:
            raise Refused("ValidationException")  # AWS takes tags only with a new parameter
        if len(Value) > 4096:
            raise Refused("ValidationException")
        version = self.parameters.get(Name, {"Version": 0})["Version"] + 1
        self.parameters[Name] = {"Value": Value, "Type": Type, "Version": version}
        return {"Version": version}

    def DeleteParameters(self, Names: list[str]) -> dict[str, t.Any]:
        gone = [name for name in Names if self.parameters.pop(name, None)]
        return {"DeletedParameters": gone} if gone else {}

    def CreateKey(self, KeySpec: str, KeyUsage: str, Description: str, Tags: t.Any) -> dict[str, t.Any]:
        key_id = f"00000000-0000-4000-8000-{len(self.keys):012}"
        assert (KeySpec, KeyUsage) == ("ECC_NIST_P256", "SIGN_VERIFY")
        self.keys[key_id] = {"pair": ec.generate_private_key(ec.SECP256R1()), "Tags": Tags, "KeyState": "Enabled"}
        return {"KeyMetadata": {"KeyId": key_id}}

    def _key(self, key_id: str) -> dict[str, t.Any]:
        if key_id not in self.keys:
            raise Refused("NotFoundException")
        return self.keys[key_id]

    def CreateAlias(self, AliasName: str, TargetKeyId: str) -> dict[str, t.Any]:
        if AliasName in self.aliases:
            raise Refused("AlreadyExistsException")
        self.aliases[AliasName] = TargetKeyId
        return {}

    def GetPublicKey(self, KeyId: str) -> dict[str, t.Any]:
        public = self._key(KeyId)["pair"].public_key()
        return {"PublicKey": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}

    def ListKeys(self) -> dict[str, t.Any]:
        return {"Keys": [{"KeyId": key_id} for key_id in self.keys], "Truncated": False}

    def ListResourceTags(self, KeyId: str) -> dict[str, t.Any]:
        if self._key(KeyId).get("hidden"):
            raise Refused("AccessDeniedException")
        return {"Tags": self.keys[KeyId]["Tags"]}

    def DescribeKey(self, KeyId: str) -> dict[str, t.Any]:
        state = self._key(KeyId)["KeyState"]
        origin = self.keys[KeyId].get("origin", "AWS_KMS")
        kind = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Origin": origin}
        return {"KeyMetadata": {"KeyId": KeyId, "KeyState": state, **kind}}

    def ScheduleKeyDeletion(self, KeyId: str, PendingWindowInDays: int) -> dict[str, t.Any]:
        if self._key(KeyId)["KeyState"] == "PendingDeletion":
            raise Refused("KMSInvalidStateException")  # AWS, unlike emulators, refuses this
        self.keys[KeyId].update(KeyState="PendingDeletion", days=PendingWindowInDays)
        return {"KeyId": KeyId}

    def Sign(self, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, t.Any]:
        if self._key(KeyId)["KeyState"] != "Enabled":
            raise Refused("KMSInvalidStateException")
        assert (MessageType, SigningAlgorithm) == ("DIGEST", "ECDSA_SHA_256")
        return {"Signature": self.keys[KeyId]["pair"].sign(Message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))}


def verifies(token: str, jwks: dict[str, t.Any]) -> bool:
    """Tell whether a server with these keys accepts a token's signature."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = next((key for key in jwks["keys"] if key["kid"] == kid), None)
    return bool(
        key and jwt.decode(token, jwt.PyJWK(key).key, ["ES256"], options={"verify_aud": False, "verify_exp": False})
    )
