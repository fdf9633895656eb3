# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unchanged deploy against ``sam deploy`` of the same app stack."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import compare_samples, in_turns, measure, rounds
from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.playbook import clean_environment, run_playbook

ROUNDS = 7
STACK = "mcp-production-app"
DEPLOY = ("deploy.yml", "-i", "inventories/production", "-i", "inventories/sandbox")


def sam_command(folder: Path, sandbox: TestSandbox) -> list[str]:
    """Return ``sam deploy`` of the very template and parameters that are deployed."""
    venv = ROOT / ".cache" / "bench"
    requirements = "tests/bench/requirements.txt"
    subprocess.run([sys.executable, "scripts/venv.py", f".cache/bench={requirements}"], cwd=ROOT, check=True)
    cloudformation = sandbox.client("cloudformation")
    template = cloudformation.get_template(StackName=STACK, TemplateStage="Original")["TemplateBody"]
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    body = template if isinstance(template, str) else json.dumps(template)
    (folder / "template.json").write_text(body, encoding="utf-8")
    return [
        *(str(venv / "bin" / "sam"), "deploy", "--template-file", str(folder / "template.json")),
        *("--stack-name", STACK, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--region", "us-east-1"),
        *("--s3-bucket", "mcp-production-state-000000000000-us-east-1", "--parameter-overrides"),
        *(f"{item['ParameterKey']}={item['ParameterValue']}" for item in stack["Parameters"]),
        "--tags",
        *(f"{item['Key']}={item['Value']}" for item in stack["Tags"]),
    ]


def no_change_deploy(folder: Path, sandbox: TestSandbox) -> None:
    """Print an unchanged plan + apply + verify of the phase against ``sam deploy`` of its app stack alone."""
    project = copy_project(ROOT, folder / "project")
    link_collection(project)
    home = folder / "home"
    home.mkdir()
    first = run_playbook(*DEPLOY, home=home, cwd=project, env=sandbox.environment).require()
    again = run_playbook(*DEPLOY, home=home, cwd=project, env=sandbox.environment).require()
    print(f"first deploy {first.seconds:.1f} s, changed={first.changed}; again changed={again.changed}")
    env = clean_environment(home, {**sandbox.environment, "SAM_CLI_TELEMETRY": "0"})
    ours = [str(Path(sys.executable).parent / "ansible-playbook"), *DEPLOY]
    peer = sam_command(folder, sandbox)
    # Its first run takes the stack over (the same resources, its own rendering of the template); then nothing changes.
    measure(peer, project, env, "Successfully created/updated stack")
    mine, others = in_turns(
        rounds(ROUNDS),
        lambda: measure(ours, project, env, "changed:   nothing"),
        lambda: measure(peer, project, env, "No changes to deploy"),
    )
    compare_samples("no-change deploy", mine, others, "sam deploy", "goal <= 1.0")
    report = json.loads((project / "reports" / "sandbox-production" / "deployment.json").read_text(encoding="utf-8"))
    for package in report["release"]["packages"]:
        megabytes = package["bytes"] / 1e6
        print(f"package {package['target']}: {megabytes:.2f} MB zipped (goal < 15)")


def main() -> None:
    """Measure in a sandbox of its own."""
    with tempfile.TemporaryDirectory(prefix="mcp-bench-") as name:
        folder = Path(name)
        sandbox = TestSandbox(folder / "sandbox").start()
        try:
            no_change_deploy(folder, sandbox)
        finally:
            sandbox.stop()
