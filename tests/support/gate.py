# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A custom resource in the middle of the app stack that a test can keep CloudFormation waiting for.

The emulated AWS makes a stack within milliseconds; this resource holds it really IN_PROGRESS: some
resources are done, others are not begun, and it stays so when the run that asked for it is killed.
"""

from __future__ import annotations

import io
import json
import typing as t
import urllib.request
import zipfile
from pathlib import Path

from tests.support.emulated import TestSandbox

FUNCTION = "test-gate"
# Answers CloudFormation at once, unless a file says that a test wants to.
SOURCE = """\
import json, os, urllib.request

def handler(event, context):
    held = os.path.join(event["ResourceProperties"]["Folder"], event["RequestType"])
    if os.path.exists(held):
        with open(held + ".new", "w") as stream:
            json.dump(event, stream)
        os.replace(held + ".new", held + ".json")
        return
    names = ("RequestId", "StackId", "LogicalResourceId")
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "gate", **{name: event[name] for name in names}}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
"""
RESOURCE = """\
Resources:
  Gate:
    Type: Custom::Gate
    DependsOn: ServerFunction
    Properties:
      ServiceToken: {arn}
      Folder: {folder}

"""


class Gate:
    """The function behind the resource, and what a test does with it.

    :param folder: where the function and the test meet
    """

    def __init__(self, sandbox: TestSandbox, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as bundle:
            bundle.writestr("gate.py", SOURCE)
        self.arn = sandbox.client("lambda").create_function(
            FunctionName=FUNCTION,
            Runtime="python3.13",
            Handler="gate.handler",
            Role="arn:aws:iam::000000000000:role/gate",
            Code={"ZipFile": archive.getvalue()},
            Timeout=60,
        )["FunctionArn"]

    def build_into(self, project: Path) -> None:
        """Put the resource between the server's function and its alias."""
        path = project / "roles" / "production" / "files" / "app.yaml"
        text = path.read_text(encoding="utf-8")
        alias = "  ServerAlias:\n    Type: AWS::Lambda::Alias\n"
        assert text.count(alias) == 1 and text.count("\nResources:\n") == 1
        text = text.replace("Resources:\n", RESOURCE.format(arn=self.arn, folder=self.folder), 1)
        path.write_text(text.replace(alias, alias + "    DependsOn: Gate\n"), encoding="utf-8")

    def shut(self, request: str) -> None:
        """Keep the next ``Create`` or ``Delete`` waiting."""
        (self.folder / f"{request}.json").unlink(missing_ok=True)
        (self.folder / request).touch()

    def waiting(self, request: str) -> dict[str, t.Any] | None:
        """Return what CloudFormation asked, when it is waiting."""
        path = self.folder / f"{request}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def open(self, request: str) -> None:
        """Let CloudFormation go on."""
        event = self.waiting(request)
        (self.folder / request).unlink()
        assert event, f"CloudFormation does not wait for {request}"
        names = ("RequestId", "StackId", "LogicalResourceId")
        answer = {"Status": "SUCCESS", "PhysicalResourceId": "gate", **{name: event[name] for name in names}}
        put = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
        urllib.request.urlopen(put, timeout=30).close()

    def forget(self) -> None:
        """Keep nothing waiting from now on."""
        for path in self.folder.iterdir():
            path.unlink()
