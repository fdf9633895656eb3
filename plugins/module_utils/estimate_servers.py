# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers cost: instances, their disks and addresses, the database, the load balancer, the network."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import (
    Amount,
    Usage,
    exact,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_need import (
    HOURS_A_MONTH,
    Free,
    Gap,
    Need,
    Reader,
    Said,
    all_month,
    one,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource

# A load balancer takes no fewer.
FEWEST_ZONES = 2
# AWS makes them by itself, one to scale out and one to scale in, and bills them like any other.
ALARMS_OF_TRACKING = 2
# AWS bills their use above the baseline unless it is told not to; T2 has to be told to.
UNLIMITED_BY_DEFAULT = ("t3", "t4g")


def group(resource: Resource, usage: Usage) -> Said:
    """Price an Auto Scaling group by the launch template beside it."""
    template = resource.referred("LaunchTemplate.LaunchTemplateId")
    if template is None:
        yield Gap("its launch template is not in the same template, so type and disk of its instances are not known")
        return
    hours = resource.number("MinSize") * usage("server_hours") + usage("extra_server_hours")
    yield from instances(template, "LaunchTemplateData.", hours, usage)
    if usage("agent_metrics").value:
        yield Need("cloudwatch.metric", usage("agent_metrics"))


def scaling_policy(resource: Resource, _usage: Usage) -> Said:
    """Price the alarms that AWS makes for a policy; the policy itself is free."""
    tracks = resource.get("TargetTrackingConfiguration") or resource.text("PolicyType") == "TargetTrackingScaling"
    if tracks:
        yield Need("cloudwatch.alarm", exact(ALARMS_OF_TRACKING, "alarms that AWS makes for target tracking:"))
    else:
        yield Free("the policy is free; alarms that call it are resources of their own")


def instance(resource: Resource, usage: Usage) -> Said:
    """Price a single instance."""
    yield from instances(resource, "", usage("server_hours"), usage)


def instances(resource: Resource, root: str, hours: Amount, usage: Usage) -> Said:
    """Price instances by what describes them.

    :param root: where in the resource
    """
    kind = resource.text(f"{root}InstanceType")
    if not kind:
        yield Gap("InstanceType is not known")
    else:
        yield Need(f"ec2.{kind}", hours)
        yield from credits(resource, root, kind.partition(".")[0], usage)
    yield from disks(resource, root, hours)
    # A launch template writes it as a mapping, an instance as a flag.
    if resource.flag(f"{root}Monitoring.Enabled") or resource.flag(f"{root}Monitoring"):
        yield Gap("detailed monitoring: AWS bills each metric of an instance, and their number is not known")
    faces = resource.get(f"{root}NetworkInterfaces") or [{}]
    if any(str(face.get("AssociatePublicIpAddress", "false")).lower() == "true" for face in faces):
        yield Need("ipv4.public", hours)


def credits(resource: Resource, root: str, family: str, usage: Usage) -> Said:
    """Price the processor time above a T instance's baseline, where AWS bills it."""
    mode = resource.text(f"{root}CreditSpecification.CpuCredits") or ""
    if mode == "unlimited" or (not mode and family in UNLIMITED_BY_DEFAULT):
        yield Need(f"ec2.cpu_credits.{family}", usage("surplus_vcpu_hours"))


def disks(resource: Resource, root: str, hours: Amount) -> Said:
    """Price the disks of instances, for as long as those run."""
    mappings = [item["Ebs"] for item in resource.get(f"{root}BlockDeviceMappings") or [] if "Ebs" in item]
    if not mappings:
        yield Gap("the disk has the image's own size, which is not in the template")
    for ebs in mappings:
        disk = Resource(resource.layer, resource.logical_id, resource.type, ebs)
        kind = disk.text("VolumeType", "gp2")
        yield Need(f"ebs.{kind}", disk.number("VolumeSize") * hours.over(HOURS_A_MONTH))


def volume(resource: Resource, _usage: Usage) -> Said:
    """Price a disk of its own."""
    yield Need(f"ebs.{resource.text('VolumeType', 'gp2')}", resource.number("Size"))


def address(_resource: Resource, _usage: Usage) -> Said:
    """Price a public address, used or idle."""
    yield Need("ipv4.public", all_month())


def nat_gateway(_resource: Resource, usage: Usage) -> Said:
    """Price a NAT gateway; its address is a resource of its own."""
    yield Need("nat.hour", all_month())
    yield Need("nat.gb", usage("nat_gb"))


def endpoint(resource: Resource, _usage: Usage) -> Said:
    """Price a way to a service of AWS."""
    if resource.text("VpcEndpointType", "Gateway") == "Gateway":
        yield Free("gateway endpoints of S3 and DynamoDB are free")
        return
    yield Need("vpc_endpoint.interface", zones(resource, "SubnetIds", 1) * all_month())


def zones(resource: Resource, path: str, fewest: int) -> Amount:
    """Return the number of a list's subnets, or the fewest that there can be."""
    subnets = resource.get(path)
    if isinstance(subnets, list) and subnets:
        return exact(len(subnets), "zones")
    return exact(fewest, "zones, the fewest there can be:")


def load_balancer(resource: Resource, usage: Usage) -> Said:
    """Price an Application Load Balancer with its addresses and what leaves through it."""
    if resource.text("Type", "application") != "application":
        yield Gap(f"load balancers of type {resource.text('Type')} are not in the price book")
        return
    hours = usage("load_balancer_hours")
    yield Need("alb.hour", hours)
    yield Need("alb.lcu", usage("lcu") * hours)
    if resource.text("Scheme", "internet-facing") == "internet-facing":
        yield Need("ipv4.public", zones(resource, "Subnets", FEWEST_ZONES) * hours)
        yield Need("data.out", usage("data_out_gb"))
    yield Need("data.cross_az", usage("cross_az_gb"))


def database(resource: Resource, usage: Usage) -> Said:
    """Price an RDS instance: its hours, its storage, its backups, and the secret that RDS keeps for it."""
    engine, kind = resource.text("Engine"), resource.text("DBInstanceClass")
    if not engine or not kind:
        yield Gap("Engine or DBInstanceClass is not known")
        return
    servers = exact(2, "servers in two zones:") if resource.flag("MultiAZ") else one("server:")
    yield Need(f"rds.{engine}.{kind}", servers * usage("database_hours"))
    storage = resource.number("AllocatedStorage")
    yield Need(f"rds.{resource.text('StorageType', 'gp2')}", servers * storage)
    if resource.text("BackupRetentionPeriod", "1") != "0":
        yield Need("rds.backup", usage("backup_gb").above(storage))
    if resource.flag("ManageMasterUserPassword"):
        yield Need("secretsmanager.secret", one("secret that RDS keeps of the administrator:"))
        yield Need("secretsmanager.calls", usage("secret_calls"))
    if resource.get("Iops") or resource.get("StorageThroughput"):
        yield Gap("more IOPS or throughput than the storage has by itself is not in the price book")
    if resource.flag("EnablePerformanceInsights") or resource.text("MonitoringInterval", "0") != "0":
        yield Gap("Performance Insights and enhanced monitoring are not in the price book")


def cluster(_resource: Resource, _usage: Usage) -> Said:
    """Price the control plane of EKS."""
    yield Need("eks.cluster", all_month())


READERS: dict[str, Reader] = {
    "AWS::AutoScaling::AutoScalingGroup": group,
    "AWS::AutoScaling::ScalingPolicy": scaling_policy,
    "AWS::EC2::EIP": address,
    "AWS::EC2::Instance": instance,
    "AWS::EC2::NatGateway": nat_gateway,
    "AWS::EC2::VPCEndpoint": endpoint,
    "AWS::EC2::Volume": volume,
    "AWS::EKS::Cluster": cluster,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": load_balancer,
    "AWS::RDS::DBInstance": database,
}
__all__: t.Final = ["READERS"]
