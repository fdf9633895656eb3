# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which type of resource is priced how, and which costs nothing, and why."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    estimate_buckets,
    estimate_serverless,
    estimate_servers,
    estimate_shared,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import Usage
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import Bill
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_need import Free, Gap, Reader, Said
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource

PRICED: dict[str, Reader] = {
    **estimate_buckets.READERS,
    **estimate_serverless.READERS,
    **estimate_servers.READERS,
    **estimate_shared.READERS,
}
GATEWAY = "part of the API, which is billed by its requests"
PERMISSION = "permissions are free"
NETWORK = "part of the network, which is free by itself"
FREE: dict[str, str] = {
    "AWS::ApiGateway::Authorizer": "billed as the function that it calls",
    "AWS::ApiGateway::Deployment": GATEWAY,
    "AWS::ApiGateway::GatewayResponse": GATEWAY,
    "AWS::ApiGateway::Method": GATEWAY,
    "AWS::ApiGateway::Model": GATEWAY,
    "AWS::ApiGateway::RequestValidator": GATEWAY,
    "AWS::ApiGateway::Resource": GATEWAY,
    "AWS::ApiGatewayV2::Integration": GATEWAY,
    "AWS::ApiGatewayV2::Route": GATEWAY,
    "AWS::ApiGatewayV2::Stage": GATEWAY,
    "AWS::CertificateManager::Certificate": "public certificates for AWS's own services are free",
    "AWS::CloudFront::Function": "billed by its calls, at the distribution that it is attached to",
    "AWS::CloudFront::ResponseHeadersPolicy": "part of the distribution",
    "AWS::CloudFront::OriginAccessControl": "part of the distribution",
    "AWS::CodeDeploy::Application": "deployments to Lambda and EC2 are free",
    "AWS::CodeDeploy::DeploymentGroup": "deployments to Lambda and EC2 are free",
    "AWS::EC2::FlowLog": "billed as what its log group takes in",
    "AWS::EC2::InternetGateway": NETWORK,
    "AWS::EC2::LaunchTemplate": "billed as the instances that are made from it",
    "AWS::EC2::Route": NETWORK,
    "AWS::EC2::RouteTable": NETWORK,
    "AWS::EC2::SecurityGroup": NETWORK,
    "AWS::EC2::SecurityGroupEgress": NETWORK,
    "AWS::EC2::SecurityGroupIngress": NETWORK,
    "AWS::EC2::Subnet": NETWORK,
    "AWS::EC2::SubnetRouteTableAssociation": NETWORK,
    "AWS::EC2::VPC": NETWORK,
    "AWS::EC2::VPCGatewayAttachment": NETWORK,
    "AWS::EC2::EIPAssociation": "billed as the address",
    "AWS::ElasticLoadBalancingV2::Listener": "part of the load balancer",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "part of the load balancer, as long as they are few",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "part of the load balancer",
    "AWS::Events::Rule": "rules on a schedule are free",
    "AWS::IAM::InstanceProfile": PERMISSION,
    "AWS::IAM::ManagedPolicy": PERMISSION,
    "AWS::IAM::Policy": PERMISSION,
    "AWS::IAM::Role": PERMISSION,
    "AWS::KMS::Alias": "part of the key",
    "AWS::Lambda::Alias": "billed as the function; what it keeps provisioned is counted there",
    "AWS::Lambda::Permission": PERMISSION,
    "AWS::Lambda::Version": "billed as the function; what it keeps provisioned is counted there",
    "AWS::RDS::DBParameterGroup": "part of the database",
    "AWS::RDS::DBSubnetGroup": "part of the database",
    "AWS::Route53::RecordSet": "records are free, and so are queries of an alias to AWS's own services",
    "AWS::S3::BucketPolicy": PERMISSION,
    "AWS::SNS::TopicPolicy": PERMISSION,
    "AWS::SQS::QueuePolicy": PERMISSION,
    "AWS::SecretsManager::RotationSchedule": "billed as the function that it calls",
}


def read(resource: Resource, usage: Usage) -> Said:
    """Say what a resource is billed for."""
    reader = PRICED.get(resource.type)
    if reader is not None:
        yield from reader(resource, usage)
    elif resource.type in FREE:
        yield Free(FREE[resource.type])
    elif resource.type.startswith("AWS::Serverless::"):
        yield Gap("it takes AWS's own translator to know what it makes: pip install aws-sam-translator")
    else:
        yield Gap("this type is neither priced nor known to be free")


def add_resources(bill: Bill, resources: list[Resource], usage: Usage) -> None:
    """Put resources on a bill: each is priced, or free with a reason, or listed as not priced."""
    counted: dict[str, str] = {}
    for resource in resources:
        for said in read(resource, usage):
            if isinstance(said, Free):
                bill.free.append({"resource": resource.name, "type": resource.type, "why": said.why})
            elif isinstance(said, Gap):
                bill.miss(resource.name, resource.type, said.why)
            elif said.once in counted:
                why = f"the same {said.once} as that of {counted[said.once]}"
                bill.free.append({"resource": resource.name, "type": resource.type, "why": why})
            else:
                bill.count(resource.name, resource.type, said.item, said.amount)
                if said.once:
                    counted[said.once] = resource.name
