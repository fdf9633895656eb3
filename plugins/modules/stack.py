#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack
version_added: 1.0.0
short_description: Plan, create, update and delete an AWS CloudFormation stack
description:
  - Plans with a change set and executes exactly the change set that it planned.
  - The plan of a stack that does not exist yet, or whose inputs are not known yet, is made on the controller from the
    template, expanded by AWS's own SAM translator; it leaves nothing on AWS.
  - A resource that holds data is never replaced and never leaves the stack unless it is named in O(allow_replacement).
  - An unchanged stack costs one request. It counts as unchanged when the hash of the template, the given parameters
    and the tags are equal, no given parameter is C(NoEcho), no parameter has an SSM type, and the template has no
    C(resolve:ssm) reference without a version and no macro. The hash is kept in the stack's output
    C(McpTemplateSha256). Drift is not looked for.
  - A C(resolve:secretsmanager) reference does not prevent this, as CloudFormation compares its text only.
  - Recovers from a run that was killed; waits for an operation that is still going on, removes change sets that were
    not executed, removes a stack whose first creation or import did not succeed before it creates it again, and
    continues a rollback that got stuck.
  - An action plugin of the same name runs the same code inside C(ansible-playbook), where it also shows progress.
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(present) creates or updates the stack. In check mode it does the same as V(planned).
      - V(planned) says what V(present) would do.
      - V(absent) deletes the stack.
      - V(drift) compares the stack's resources with its template and parameters, as CloudFormation offers it.
        Found drift is no failure.
    type: str
    choices: [planned, present, absent, drift]
    default: present
  template:
    description:
      - Path of the template, in YAML with CloudFormation's short tags or in JSON. SAM templates are welcome.
      - A resource whose C(Metadata) has a list C(McpHashOf) of logical ids (or patterns such as C(Api*)) gets a hash of
        those resources appended to its own logical id, and every reference follows. It also depends on those of them
        that are gateway methods and gateway responses, because a deployment takes a picture of what is there.
        Values that come as stack parameters are not part of that hash, values in O(literals) are.
      - O(state=present) and O(state=planned) need it, O(template_key) or O(deployed_template).
    type: path
  template_key:
    description:
      - Key in O(template_bucket) of a source text that O(keep_template) put there. It is used instead of a file.
      - The text has to have the hash that is in its key.
    type: str
  deployed_template:
    description:
      - Whether to use the template that the stack has, so that only O(parameters) and O(tags) can change, whatever was
        edited in the file since. It wins over O(template) and O(template_key).
    type: bool
  keep_template:
    description:
      - Whether to put the template's source text into O(template_bucket), under the hash of the text, so that this
        version of the stack can be made again from RV(template_key) and the same O(literals).
      - Not in a plan, and not twice.
    type: bool
    default: false
  literals:
    description:
      - Values that are written into the template in the place of its parameters of these names.
      - Use it where a changed value must count as a changed template, such as the key of a code package.
    type: dict
    default: {}
  parameters:
    description:
      - Values of the template's parameters. Booleans become V(true) and V(false), lists are joined by commas.
      - A parameter that is missing here, or null, keeps the value it has in the existing stack, else its default.
    type: dict
    default: {}
  secret_parameters:
    description:
      - "Parameters with C(NoEcho) whose values are read from SSM when a change set is asked for, and by nobody else, as
        C({name: {ssm_parameter: /path, field: key of a JSON document}})."
      - Another value there is no reason for an update; give its version in O(parameters).
    type: dict
    default: {}
  unknown_parameters:
    description:
      - Names of parameters whose values are outputs of a stack that does not exist yet, or is about to change.
      - The plan is then made on the controller, and resources that refer to them are shown as changing.
      - Only used in a plan.
    type: list
    elements: str
    default: []
  tags:
    description:
      - Tags of the stack, which CloudFormation copies to its resources. All tags are replaced; without it they stay.
      - A value that differs in every run would make every run an update of every resource.
    type: dict
  capabilities:
    description: What the template may do.
    type: list
    elements: str
    default: [CAPABILITY_IAM, CAPABILITY_NAMED_IAM, CAPABILITY_AUTO_EXPAND]
  termination_protection:
    description:
      - Whether the stack is protected against deletion. Without it the protection stays as it is.
      - A protected stack is only deleted when this is V(false).
    type: bool
  stack_policy:
    description:
      - Which updates CloudFormation refuses, whoever asks for them. Without it the policy stays as it is.
      - It is put into force before the update. An emulator may keep it and not enforce it.
    type: dict
  allow_replacement:
    description: Logical ids of resources holding data that may be replaced or leave the stack.
    type: list
    elements: str
    default: []
  retain_resources:
    description: Logical ids of resources that are left on AWS when their deletion fails.
    type: list
    elements: str
    default: []
  on_failure:
    description: What happens to a new stack whose creation fails. An update always rolls back.
    type: str
    choices: [ROLLBACK, DELETE, DO_NOTHING]
    default: ROLLBACK
  template_bucket:
    description: Bucket for templates that are longer than 51,200 bytes once minified, and for source texts.
    type: str
  template_prefix:
    description: Where in O(template_bucket) they lie.
    type: str
    default: templates
  template_bucket_owner:
    description:
      - Account that has to own O(template_bucket) and the buckets of O(import_existing), whose names anybody could have
        taken. Without it that of O(lock), else any.
    type: str
  rollback_alarms:
    description:
      - ARNs of up to five CloudWatch alarms; when one of them goes off, CloudFormation rolls the operation back.
      - CloudFormation keeps them for later updates. An empty list removes them, without this option they stay.
      - A change of them alone is no reason for an update.
    type: list
    elements: str
  rollback_monitoring_minutes:
    description: Minutes, up to 180, for which the alarms are watched after all resources are made.
    type: int
    default: 0
  continue_rollback:
    description:
      - Whether to continue, once, a rollback that failed (C(UPDATE_ROLLBACK_FAILED)) before the update.
      - Without it such a stack is an error.
    type: bool
    default: true
  skip_resources:
    description:
      - Logical ids that the continued rollback leaves as they are, because they cannot be repaired.
      - CloudFormation then takes them for rolled back.
    type: list
    elements: str
    default: []
  import_existing:
    description:
      - Whether the stack takes over retained tables, buckets and secrets of the template that exist already, such as
        those of a stack that was deleted, or that this one gave up. Without it they make the operation fail.
      - They are imported first, an update then makes the rest. Properties that differ on AWS from the template stay as
        they are, look for them with O(state=drift).
      - Only resources whose C(DeletionPolicy) is C(Retain) or C(RetainExceptOnCreate) and whose name follows from the
        parameters.
    type: bool
    default: false
  revert_drift:
    description:
      - With O(state=drift), brings what drifted back to the stack's own template and parameters.
      - Done by CloudFormation's drift-aware change sets. Where the endpoint has none, RV(not_available) says so.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for CloudFormation. It carries on after that, and the next run waits again.
    type: int
    default: 3600
  poll_interval:
    description: Seconds between two looks at a running operation. Without it from 0.1 growing to 5.
    type: float
author:
  - PratikoAI (@PratikoAI)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - pratikoai.mcp_servers.deploy_lock
"""

EXAMPLES = r"""
- name: Show what would change
  pratikoai.mcp_servers.stack:
    name: mcp-production-app
    template: templates/app.yaml
    parameters:
      Environment: production
    state: planned
  diff: true

- name: Publish a new package
  pratikoai.mcp_servers.stack:
    name: mcp-production-app
    template: templates/app.yaml
    literals:
      CodeKey: packages/0a1b2c.zip
    parameters:
      Environment: production
    tags:
      mcp:environment: production

- name: Plan a stack whose input is an output of a stack that does not exist yet
  pratikoai.mcp_servers.stack:
    name: mcp-production-edge
    template: templates/edge.yaml
    unknown_parameters: [ApiHost]
    state: planned

- name: Let a table be replaced by an empty one
  pratikoai.mcp_servers.stack:
    name: mcp-production-data
    template: templates/data.yaml
    allow_replacement: [Table]

- name: Make the version of last week again
  pratikoai.mcp_servers.stack:
    name: mcp-production-app
    template_bucket: mcp-production-state-123456789012-us-east-1
    template_key: templates/source-5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef.yaml
    literals:
      CodeKey: packages/0a1b2c.zip

- name: Switch something in an outage, and nothing else
  pratikoai.mcp_servers.stack:
    name: mcp-production-edge
    deployed_template: true
    parameters:
      Maintenance: "true"

- name: Make a stack again whose table and bucket live on
  pratikoai.mcp_servers.stack:
    name: mcp-production-data
    template: templates/data.yaml
    import_existing: true

- name: See what was changed by hand
  pratikoai.mcp_servers.stack:
    name: mcp-production-data
    state: drift

- name: Remove a protected stack
  pratikoai.mcp_servers.stack:
    name: mcp-production-data
    termination_protection: false
    state: absent
"""

RETURN = r"""
name:
  description: Name of the stack.
  returned: always
  type: str
  sample: mcp-production-app
status:
  description: The stack's status after the task, V(ABSENT) when there is none.
  returned: always
  type: str
  sample: UPDATE_COMPLETE
stack_id:
  description: The stack's ARN, empty for one that does not exist yet.
  returned: when the stack exists, or state is present or planned
  type: str
  sample: arn:aws:cloudformation:us-east-1:123456789012:stack/mcp-production-app/1b2c3d4e
outputs:
  description: Outputs of the stack.
  returned: when state is present or planned
  type: dict
  sample: {ApiId: abc123}
parameters:
  description: Parameters of the stack, without those that CloudFormation hides.
  returned: when state is present or planned
  type: dict
  sample: {Environment: production}
changes:
  description: What was changed, or would be.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: One of V(create), V(update), V(replace), V(delete), V(import).
      returned: always
      type: str
      sample: update
    logical_id:
      description: Logical id of the resource; the stack's name where the stack itself changes.
      returned: always
      type: str
      sample: ServerFunction
    type:
      description: Type of the resource.
      returned: always
      type: str
      sample: AWS::Lambda::Function
    replacement:
      description: V(True), V(False) or V(Conditional) as CloudFormation says, V(Unknown) in a local plan, else empty.
      returned: always
      type: str
      sample: "False"
    scope:
      description: Which parts of the resource change.
      returned: always
      type: list
      elements: str
      sample: [Properties]
    policy:
      description: What happens to the old resource where it is deleted or replaced.
      returned: always
      type: str
      sample: Retain
    details:
      description: The properties that change.
      returned: always
      type: list
      elements: dict
      contains:
        path:
          description: The property.
          returned: always
          type: str
          sample: MemorySize
        before:
          description: Its value now, null when not known.
          returned: always
          type: raw
          sample: 512
        after:
          description: Its value then, null when not known.
          returned: always
          type: raw
          sample: 1024
        recreation:
          description: Whether this change replaces the resource, V(Never), V(Conditionally), V(Always) or V(Unknown).
          returned: always
          type: str
          sample: Never
        cause:
          description: The parameter or resource that it follows, empty for a change of the template itself.
          returned: always
          type: str
          sample: Environment
source:
  description:
    - V(change_set) when CloudFormation compared, V(local) when the controller did, V(unchanged) when one look was
      enough, V(stack) for a deletion.
  returned: always
  type: str
  sample: change_set
template_sha256:
  description: Hash of the template with its literals, without parameters and tags.
  returned: when state is present or planned
  type: str
  sample: 3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
inputs_sha256:
  description: Hash of the parameters, the tags and the termination protection that were given.
  returned: when state is present or planned
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
template_key:
  description: Key of the source text in the bucket, or where it would lie; empty when it is not kept.
  returned: when state is present or planned
  type: str
  sample: templates/source-5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef.yaml
updated_at:
  description: When the stack was last created or updated, empty for one that does not exist.
  returned: when state is present or planned
  type: str
  sample: "2026-11-22T21:46:34+00:00"
drift:
  description: Resources that were changed or deleted past CloudFormation.
  returned: when state is drift
  type: list
  elements: dict
  contains:
    logical_id:
      description: Logical id of the resource.
      returned: always
      type: str
      sample: Table
    physical_id:
      description: Its name on AWS.
      returned: always
      type: str
      sample: mcp-production
    type:
      description: Type of the resource.
      returned: always
      type: str
      sample: AWS::DynamoDB::Table
    status:
      description: V(MODIFIED) or V(DELETED).
      returned: always
      type: str
      sample: MODIFIED
    reason:
      description: What CloudFormation says about it, mostly nothing.
      returned: always
      type: str
      sample: ""
    differences:
      description: The properties that differ. Values that may be secret are hidden.
      returned: always
      type: list
      elements: dict
      sample: [{path: /DeletionProtectionEnabled, expected: "true", actual: "false", kind: NOT_EQUAL}]
in_sync:
  description: Logical ids of the resources that are as the template says.
  returned: when state is drift
  type: list
  elements: str
  sample: [Bucket]
not_checked:
  description: Resources that CloudFormation cannot compare, which may have drifted unseen.
  returned: when state is drift
  type: list
  elements: dict
  sample: [{logical_id: Deployment, type: "AWS::ApiGateway::Deployment", reason: no drift detection for this type}]
reason:
  description: What CloudFormation says when it could not look at everything.
  returned: when state is drift
  type: str
  sample: ""
reverted:
  description: Whether the drift was reverted.
  returned: when state is drift and there is drift to revert
  type: bool
  sample: true
not_available:
  description: Why the drift could not be reverted.
  returned: when the endpoint does not offer it
  type: str
  sample: "mcp-production-data: this endpoint does not revert drift"
retained:
  description: Resources that stay on AWS after the deletion.
  returned: when state is absent
  type: list
  elements: dict
  contains:
    logical_id:
      description: Logical id of the resource.
      returned: always
      type: str
      sample: Table
    type:
      description: Type of the resource.
      returned: always
      type: str
      sample: AWS::DynamoDB::Table
    policy:
      description: Its deletion policy.
      returned: always
      type: str
      sample: Retain
    physical_id:
      description: Its name on AWS.
      returned: always
      type: str
      sample: mcp-production
failed_resource:
  description: The resource that made CloudFormation give up, not one of those that were cancelled because of it.
  returned: when an operation failed
  type: dict
  sample: {logical_id: Table, type: AWS::DynamoDB::Table, status: CREATE_FAILED, reason: Table already exists}
refused:
  description: The changes that would lose data and were not allowed.
  returned: when the plan was refused
  type: list
  elements: dict
  sample: [{action: replace, logical_id: Table, type: AWS::DynamoDB::Table}]
duration_s:
  description: Seconds that the task took.
  returned: when it succeeded
  type: float
  sample: 0.082
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
