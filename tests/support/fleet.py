# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group with a load balancer in the emulated AWS, whose stand-ins serve a small server of the tests' own."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import typing as t
import zipfile

from tests.support.emulated import TestSandbox

HOOK = "ready"
# Stands for the release's server: it is ready unless its settings say otherwise, and dies where /die is asked.
SERVER = """
import http.server, json, os, sys, time
port = int(sys.argv[sys.argv.index("--port") + 1])
release = os.environ["MCP_RELEASE"]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path == "/slow":
            time.sleep(1.5)
        status = 503 if self.path == "/ready" and os.environ.get("MCP_READY") == "no" else 200
        if self.path == "/health" and os.path.exists(os.path.join(os.environ["HOME"], "sick")):
            status = 500
        said = {"release": release, "status": "ready", "host": self.headers["Host"], "pid": os.getpid()}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
TOOL = "import os, sys; print(os.environ['MCP_RELEASE'], *sys.argv[1:])"
USER_DATA = """#!/bin/bash
RELEASE={release}
REGION=us-east-1
PACKAGE_BUCKET={bucket}
PACKAGE_KEY={key}
PACKAGE_SHA256={sha256}
PYTHON=/usr/bin/python3.13
PORT=8000
GROUP={group}
HOOK={hook}
DEADLINE=60
READY_SECONDS={ready_seconds}
# >>> file /etc/mcp/server.env
cat >/etc/mcp/server.env <<'MCP_FILE'
MCP_RELEASE="{release}"
MCP_READY="{ready}"
MCP_ALLOWED_HOSTS="mcp.example.com,127.0.0.1:*"
MCP_FOLDER="/opt/mcp/{release}"
MCP_FILE
# <<< file
# >>> file /usr/local/bin/mcp-run
cat >/usr/local/bin/mcp-run <<'MCP_FILE'
#!/bin/bash
set -a
. /etc/mcp/server.env
export PYTHONPATH=/opt/mcp/{release}
exec runuser -u mcp -- /usr/bin/python3.13 -S "$@"
MCP_FILE
# <<< file
# >>> file /etc/systemd/system/mcp-server.service
cat >/etc/systemd/system/mcp-server.service <<'MCP_FILE'
[Service]
ExecStart=/usr/bin/python3.13 -S -m pratiko_mcp --host 0.0.0.0 --port 8000
RestartSec=1
MCP_FILE
# <<< file
# >>> run upgrade
mcp-run -m pratiko_mcp.tool upgrade
# <<< run
"""


def package() -> bytes:
    """Return a package with the small server."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("pratiko_mcp/__init__.py", "")
        archive.writestr("pratiko_mcp/__main__.py", SERVER)
        archive.writestr("pratiko_mcp/tool.py", TOOL)
    return content.getvalue()


class Fleet:
    """One Auto Scaling group behind one load balancer.

    :param name: of both, and what their names begin with
    """

    def __init__(self, sandbox: TestSandbox, name: str) -> None:
        self.sandbox = sandbox
        self.name = name
        self.scaling, self.ec2, self.balancing = (sandbox.client(name) for name in ("autoscaling", "ec2", "elbv2"))
        self.bucket = f"{name}-packages"
        self.template = ""
        self.target_group = ""

    def user_data(self, release: str, ready: str = "yes", sha256: str = "", ready_seconds: int = 20) -> str:
        """Return the user data of a release, encoded; the package is put where it says."""
        content = package()
        store, key = self.sandbox.client("s3"), f"releases/{release}/package.zip"
        store.put_object(Bucket=self.bucket, Key=key, Body=content)
        text = USER_DATA.format(
            release=release, bucket=self.bucket, key=key, sha256=sha256 or hashlib.sha256(content).hexdigest(),
            group=self.name, hook=HOOK, ready=ready, ready_seconds=ready_seconds,
        )  # fmt: skip
        return base64.b64encode(text.encode()).decode()

    def make(self, release: str, size: int = 1, **group: t.Any) -> Fleet:
        """Make everything; the first release is the launch template's version 1."""
        self.sandbox.client("s3").create_bucket(Bucket=self.bucket)
        vpc = self.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("ab")
        ]
        balancer = self.balancing.create_load_balancer(Name=self.name, Subnets=subnets)["LoadBalancers"][0]
        self.host = balancer["DNSName"]
        self.target_group = self.balancing.create_target_group(
            Name=self.name, Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="instance", HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        self.balancer = balancer["LoadBalancerArn"]
        forward = [{"Type": "forward", "TargetGroupArn": self.target_group}]
        self.balancing.create_listener(LoadBalancerArn=self.balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
        made = self.ec2.create_launch_template(LaunchTemplateName=self.name, LaunchTemplateData=self.data(release))[
            "LaunchTemplate"
        ]
        self.template = made["LaunchTemplateId"]
        hook = {
            "LifecycleHookName": HOOK, "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "HeartbeatTimeout": 60, "DefaultResult": "ABANDON",
        }  # fmt: skip
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=self.name, MinSize=0, MaxSize=4, DesiredCapacity=size, HealthCheckType="ELB",
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"}, TargetGroupARNs=[self.target_group],
            VPCZoneIdentifier=",".join(subnets), LifecycleHookSpecificationList=[hook],
            **{"HealthCheckGracePeriod": 0, **group},
        )  # fmt: skip
        return self

    def data(self, release: str, **more: t.Any) -> dict[str, t.Any]:
        """Return a launch template's data for a release."""
        user_data = self.user_data(release, **more)
        return {"ImageId": "ami-0c2023a1b2c3d4e5f", "InstanceType": "t3.micro", "UserData": user_data}

    def publish(self, release: str, **more: t.Any) -> str:
        """Publish a release as a new version of the launch template; return its number."""
        made = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template, LaunchTemplateData=self.data(release, **more)
        )
        return str(made["LaunchTemplateVersion"]["VersionNumber"])

    def group(self) -> dict[str, t.Any]:
        """Return the group."""
        found = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        return t.cast(dict[str, t.Any], found[0])

    def states(self) -> list[tuple[str, str]]:
        """Return version and state of each instance."""
        return [(item["LaunchTemplate"]["Version"], item["LifecycleState"]) for item in self.group()["Instances"]]

    def targets(self) -> list[str]:
        """Return the states of the targets."""
        found = self.balancing.describe_target_health(TargetGroupArn=self.target_group)["TargetHealthDescriptions"]
        return [item["TargetHealth"]["State"] for item in found]

    def refresh(self, version: str, **preferences: t.Any) -> str:
        """Start an instance refresh as the role does."""
        template = {"LaunchTemplateId": self.template, "Version": version}
        wanted = {
            "MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "AutoRollback": True, "SkipMatching": True,
            "InstanceWarmup": 30, **preferences,
        }  # fmt: skip
        started = self.scaling.start_instance_refresh(
            AutoScalingGroupName=self.name, DesiredConfiguration={"LaunchTemplate": template}, Preferences=wanted
        )
        return str(started["InstanceRefreshId"])

    def refreshed(self) -> dict[str, t.Any]:
        """Return the newest refresh."""
        found = self.scaling.describe_instance_refreshes(AutoScalingGroupName=self.name)["InstanceRefreshes"]
        return t.cast(dict[str, t.Any], found[0])

    def activities(self) -> list[dict[str, t.Any]]:
        """Return the scaling activities, newest first."""
        found = self.scaling.describe_scaling_activities(AutoScalingGroupName=self.name)["Activities"]
        return t.cast(list[dict[str, t.Any]], found)

    def remove(self) -> None:
        """Delete the group and its load balancer."""
        self.scaling.delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=True)
        self.balancing.delete_load_balancer(LoadBalancerArn=self.balancer)


def until(condition: t.Callable[[], t.Any], seconds: float = 30.0) -> t.Any:
    """Wait until something is so.

    :raises AssertionError: it never is
    """
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not become so in time"
        time.sleep(0.1)
    return found
