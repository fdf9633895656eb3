# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join the rules of auto_scaling.py to the emulator: its instances, load balancer, hooks and alarms."""

from __future__ import annotations

import threading
import time
import typing as t
from pathlib import Path

import auto_scaling
import auto_scaling_api
import auto_scaling_stacks
import instances
import targets
import user_data

TICK_SECONDS = 0.25
IDLE_SECONDS = 1.0
# Nobody wants to wait for a warm-up here: the stand-in is at its full speed at once.
LONGEST_WARMUP = 1.0

Group = dict[str, t.Any]
Instance = dict[str, t.Any]


class Scope(t.NamedTuple):
    """Whose a group is."""

    account: str
    region: str


class EmulatedWorld:
    """The world of one group at one moment; see auto_scaling.World."""

    def __init__(self, scaling: Scaling, scope: Scope) -> None:
        self.scaling = scaling
        self.scope = scope
        self.now = time.time()

    def launch(self, group: Group, template: dict[str, str]) -> Instance:
        """Note an instance as RunInstances would, and start its stand-in where its user data is the phase's."""
        found = self.scaling.stacks.template_of(template) if template else {"data": {}}
        data = found["data"]
        zones = [name for name in str(group["VPCZoneIdentifier"]).split(",") if name]
        subnet = zones[len(group.get("Activities", [])) % len(zones)] if zones else ""
        record = self.scaling.note_instance(data, subnet, group["AutoScalingGroupName"])
        name, text = record["InstanceId"], user_data.text_of(str(data.get("UserData") or ""))
        instance: Instance = {
            "InstanceId": name,
            "InstanceType": record["InstanceType"],
            "LifecycleState": "Pending",
            "HealthStatus": "Healthy",
            "AvailabilityZone": record["Placement"]["AvailabilityZone"],
            "ProtectedFromScaleIn": group["NewInstancesProtectedFromScaleIn"],
            "LaunchTemplate": {key: value for key, value in found.items() if key != "data"},
            "LaunchConfigurationName": group.get("LaunchConfigurationName", ""),
            "_since": self.now,
            "_waits": {},
            "_port": 0,
        }
        if user_data.is_known(text):
            taken = [item["_port"] for item in self.scaling.every_instance()]
            instance["_port"] = self.scaling.stand_ins.start(name, text, *self.scope, taken)
            record["_ssm_managed"] = True
        return instance

    def end(self, instance: Instance) -> None:
        """Terminate it; the stand-in gets a moment to end."""
        self.scaling.end_instance(instance["InstanceId"])

    def runs(self, instance: Instance) -> bool:
        """Tell whether EC2 has it running, and whether its stand-in lives."""
        record = self.scaling.ec2._instances.get(instance["InstanceId"])
        noted = bool(record) and record["State"]["Name"] == "running"
        return noted and (not instance["_port"] or self.scaling.stand_ins.runs(instance["InstanceId"]))

    def register(self, group: Group, instance: Instance) -> None:
        """Give it to the group's target groups."""
        for arn in group.get("TargetGroupARNs", []):
            self.scaling.targets.add(arn, instance["InstanceId"], instance["_port"])

    def target_state(self, group: Group, instance: Instance) -> str:
        """Return the worst of what its target groups say."""
        states = [self.scaling.targets.state(arn, instance["InstanceId"]) for arn in group.get("TargetGroupARNs", [])]
        order = ("unhealthy", "draining", "initial", "none", "healthy")
        return min(states, key=order.index) if states else "none"

    def drained(self, group: Group, instance: Instance) -> bool:
        """Take it from the target groups."""
        arns = group.get("TargetGroupARNs", [])
        return all([self.scaling.targets.drained(arn, instance["InstanceId"], time.monotonic()) for arn in arns])

    def hooks(self, group: Group, transition: str) -> dict[str, dict[str, t.Any]]:
        """Return the group's hooks."""
        every = self.scaling.service._hooks.values()
        own = [item for item in every if item["AutoScalingGroupName"] == group["AutoScalingGroupName"]]
        return {item["LifecycleHookName"]: item for item in own if item["LifecycleTransition"] == transition}

    def alarm(self, names: list[str]) -> str:
        """Return the first that is in ALARM."""
        for name in names:
            if (self.scaling.alarms.get(name) or {}).get("StateValue") == "ALARM":
                return name
        return ""

    def warmup(self, seconds: float) -> float:
        """Return the shortened time."""
        return min(seconds, LONGEST_WARMUP)


class Scaling:
    """All groups of one sandbox.

    :param directory: the sandbox's
    :param port: of the emulated AWS
    """

    def __init__(self, directory: Path, port: int) -> None:
        from ministack.core import responses
        from ministack.services import alb, autoscaling, cloudwatch, ec2

        self.service, self.ec2, self.alarms = autoscaling, ec2, cloudwatch._alarms
        self.request_scope = responses.request_scope
        self.stand_ins = instances.StandIns(directory, port)
        self.targets = targets.Targets(alb)
        self.stacks = auto_scaling_stacks.Stacks(autoscaling, ec2._launch_templates)
        # Set once the groups of the last run are known again: until then no stand-in is without one.
        self.loaded = threading.Event()

    def every_instance(self) -> list[Instance]:
        """Return the instances of all groups of all accounts and regions."""
        return [item for group in list(self.service._asgs._data.values()) for item in group["Instances"]]

    def note_instance(self, data: dict[str, t.Any], subnet: str, group: str) -> dict[str, t.Any]:
        """Let EC2 know an instance as one that runs, on loopback."""
        profile = data.get("IamInstanceProfile") or {}
        found, _ = self.ec2._resolve_iam_instance_profile(
            iam_arn=profile.get("Arn", ""), iam_name=profile.get("Name", ""), allow_missing=True
        ) if profile else (None, None)  # fmt: skip
        interfaces = data.get("NetworkInterfaces") or [{}]
        record: dict[str, t.Any] = self.ec2._launch_instances_internal(
            image_id=data.get("ImageId", ""),
            instance_type=data.get("InstanceType", ""),
            subnet_id=subnet,
            count=1,
            user_data=data.get("UserData", ""),
            sg_ids=data.get("SecurityGroupIds") or interfaces[0].get("Groups"),
            requested_private_ip="127.0.0.1",
            iam_profile=found,
        )[0]
        zone = (self.ec2._subnets.get(subnet) or {}).get("AvailabilityZone")
        record["Placement"]["AvailabilityZone"] = zone or record["Placement"]["AvailabilityZone"]
        tags = [{"Key": "aws:autoscaling:groupName", "Value": group}]
        for specification in data.get("TagSpecifications") or []:
            if specification.get("ResourceType") == "instance":
                tags += [{"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in specification.get("Tags", [])]
        self.ec2._tags[record["InstanceId"]] = tags
        return record

    def end_instance(self, name: str) -> None:
        """Terminate an instance."""
        if name in self.ec2._instances:
            self.ec2._terminate_instances({"InstanceId.1": name})
        self.stand_ins.end(name)

    def resume(self) -> None:
        """After a restart of the emulator: start the stand-ins that it does not find any more."""
        for (account, region, _), group in list(self.service._asgs._data.items()):
            for instance in group["Instances"]:
                name = instance["InstanceId"]
                if instance.get("_port") and not self.stand_ins.runs(name) and (self.stand_ins.folder / name).is_dir():
                    self.stand_ins.spawn(name, instance["_port"], account, region)

    def play(self) -> None:
        """Play the rules of every group once, and end what belongs to none."""
        self.targets.check()
        with auto_scaling_api.LOCK:
            for (account, region, _), group in list(self.service._asgs._data.items()):
                with self.request_scope(account, region):
                    world = EmulatedWorld(self, Scope(account, region))
                    for instance in group["Instances"]:
                        if instance["LifecycleState"] == "InService":
                            world.register(group, instance)
                    auto_scaling.tick(group, world)
            kept = {item["InstanceId"] for item in self.every_instance()}
            for name in self.stand_ins.known():
                if name not in kept:
                    self.stand_ins.end(name)

    def run(self) -> None:
        """Play for ever; without a group there is nothing to do but to look whether there is one."""
        self.loaded.wait()
        self.resume()
        while True:
            busy = bool(self.service._asgs._data) or bool(self.stand_ins.known())
            if busy:
                try:
                    self.play()
                except Exception:
                    self.service.logger.exception("simulated Auto Scaling")
            time.sleep(TICK_SECONDS if busy else IDLE_SECONDS)

    def wait_for(self, app: t.Any, keeps: bool) -> None:
        """Begin when the emulator has loaded what it kept, if it keeps anything."""
        if not keeps:
            return self.loaded.set()
        load = app._load_persisted_state

        def loaded() -> None:
            load()
            self.loaded.set()

        app._load_persisted_state = loaded
        return None

    def install(self) -> None:
        """Put all of it into the emulator."""
        from ministack.services.cloudformation import provisioners

        service = self.service
        api = auto_scaling_api.Api(service, self.stacks.template_of)
        self.stacks.install(provisioners)
        self.targets.install()
        service._ACTION_MAP.update(api.handlers())
        service._reconcile_instances = lambda group: None  # its instances come by the rules
        listed, one, saved = service._instances_xml, service._instance_member_xml, service.get_state

        def with_targets(group: Group) -> str:
            names = ("TargetGroupARNs", "DefaultInstanceWarmup", "InstanceMaintenancePolicy")
            return str(listed(group)) + service._member_xml({name: group[name] for name in names if group.get(name)})

        def with_type(instance: Instance, *rest: t.Any, **more: t.Any) -> str:
            kind = f"<InstanceType>{instance.get('InstanceType', '')}</InstanceType></member>"
            return str(one(instance, *rest, **more)).removesuffix("</member>") + kind

        def get_state() -> t.Any:
            with auto_scaling_api.LOCK:
                return saved()

        service._instances_xml, service._instance_member_xml = with_targets, with_type
        service.get_state = get_state
        threading.Thread(target=self.run, name="auto-scaling", daemon=True).start()
