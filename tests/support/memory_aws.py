# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS services in memory behind real boto3 clients: requests and answers are held against botocore's service models.

class Topics(MemoryService):
    service = "sns"
    def list_topics(self) -> dict: ...
"""

from __future__ import annotations

import re
import types
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator


class Refused(Exception):
    """The service answers with an error.

    :param code: AWS's code of it
    """

    def __init__(self, code: str, message: str = "refused", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class MemoryService:
    """A service whose operations are the methods of a subclass, by their names in boto3."""

    service: str

    def __init__(self, region: str = "us-east-1") -> None:
        self.calls: list[str] = []
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": region}
        self.client = SHARED_SESSION.client(self.service, **options)
        events = self.client.meta.events
        events.register("before-parameter-build.*.*", self._keep)
        events.register("before-call.*.*", self._answer)

    def _keep(self, params: dict[str, t.Any], context: dict[str, t.Any], **_event: t.Any) -> None:
        context["given"] = params

    def _answer(self, model: t.Any, context: dict[str, t.Any], **_event: t.Any) -> tuple[t.Any, dict[str, t.Any]]:
        name = xform_name(model.name)
        self.calls.append(name)
        try:
            answer = getattr(self, name)(**context["given"]) or {}
        except Refused as error:
            metadata = {"HTTPStatusCode": error.status, "RetryAttempts": 0}
            parsed = {"Error": {"Code": error.code, "Message": str(error)}, "ResponseMetadata": metadata}
            return types.SimpleNamespace(status_code=error.status), parsed
        if model.output_shape is not None:
            report = ParamValidator().validate(answer, model.output_shape)
            assert not report.has_errors(), f"{model.name} answers nothing like AWS: {report.generate_report()}"
        return types.SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    @property
    def writes(self) -> list[str]:
        """The calls that change something."""
        return [name for name in self.calls if not re.match("describe|get|list", name)]


__all__ = ["ClientError", "MemoryService", "Refused"]
