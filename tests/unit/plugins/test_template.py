# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates as data: loading, literals, hashed logical ids, conditions, expansion."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import template as tpl
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

GATEWAY = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: {Type: String}
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  GetMethod:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, HttpMethod: GET, Uri: !Sub "arn:${AWS::Region}:${Stage}"}
  Unauthorized: {Type: AWS::ApiGateway::GatewayResponse, Properties: {ResponseType: UNAUTHORIZED}}
  Deployment:
    Type: AWS::ApiGateway::Deployment
    DependsOn: Api
    Metadata: {McpHashOf: [Api, "*Method", Unauthorized], Note: kept}
    Properties: {RestApiId: !Ref Api}
  Stage1:
    Type: AWS::ApiGateway::Stage
    DependsOn: [Deployment]
    Properties:
      DeploymentId: !Ref Deployment
      Description: !Sub ["${Deployment} ${Deployment.Id} ${Api}", {Api: !GetAtt Deployment.DeploymentId}]
Outputs:
  Id: {Value: !Ref Deployment}
"""


def hashed_id(document: dict[str, t.Any]) -> str:
    """Return the logical id that the deployment has got."""
    (name,) = [key for key in document["Resources"] if key.startswith("Deployment")]
    return name


def write(tmp_path: Path, text: str) -> str:
    """Write a template file; return its path."""
    path = tmp_path / "template.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


class TestLoad:
    """Short tags, and what is no template."""

    def test_short_tags_become_long_functions(self) -> None:
        """Every short form means the same as its long form."""
        text = """
        Resources:
          A:
            Type: T
            Properties:
              ref: !Ref X
              att: !GetAtt X.Y.Z
              att_list: !GetAtt [X, Y]
              sub: !Sub ["${a}", {a: !Ref B}]
              nested: !If [C, !Join ["-", [!Ref D, e]], !Ref AWS::NoValue]
              macro: !Transform {Name: M}
              cond: !Condition C
        """
        properties = tpl.load_template(text, "x")["Resources"]["A"]["Properties"]
        assert properties == {
            "ref": {"Ref": "X"},
            "att": {"Fn::GetAtt": ["X", "Y.Z"]},
            "att_list": {"Fn::GetAtt": ["X", "Y"]},
            "sub": {"Fn::Sub": ["${a}", {"a": {"Ref": "B"}}]},
            "nested": {"Fn::If": ["C", {"Fn::Join": ["-", [{"Ref": "D"}, "e"]]}, {"Ref": "AWS::NoValue"}]},
            "macro": {"Fn::Transform": {"Name": "M"}},
            "cond": {"Condition": "C"},
        }

    def test_dates_stay_text_and_json_is_accepted(self) -> None:
        """A policy's version is no date."""
        body = {"Resources": {"A": {"Type": "T", "Properties": {"Version": "2012-10-17"}}}}
        assert tpl.load_template(json.dumps(body), "x") == body
        assert tpl.load_template("Resources: {A: {Type: T, Properties: {Version: 2012-10-17}}}", "x") == body

    def test_anchors_and_merge_keys(self) -> None:
        """YAML's own reuse works."""
        text = "Resources:\n  A: &a {Type: T, Properties: {x: 1}}\n  B: {<<: *a, Type: U}"
        assert tpl.load_template(text, "x")["Resources"]["B"] == {"Type": "U", "Properties": {"x": 1}}

    def test_other_users_of_yaml_are_not_touched(self) -> None:
        """Ansible's own loaders must not learn our tags."""
        tpl.load_template("Resources: {A: {Type: T}}", "x")
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load("a: !Ref b")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Resources: [", ["file.yaml", "not valid YAML"]),
            ("Resources:\n  A: {Type: T}\n  A: {Type: T}", ["duplicate key A", "line 3"]),
            ("just text", ["file.yaml", "no Resources"]),
            ("Resources: {}", ["no Resources"]),
            ("Resources: {A: {Properties: {}}}", ["A", "no Type"]),
        ],
    )
    def test_what_is_no_template_is_said(self, text: str, words: list[str]) -> None:
        """One clear error that names the file and the place."""
        with pytest.raises(McpError) as error:
            tpl.load_template(text, "file.yaml")
        assert all(word in error.value.message for word in words)

    def test_missing_file(self, tmp_path: Path) -> None:
        """The path is named."""
        with pytest.raises(McpError, match=r"nothing\.yaml cannot be read"):
            tpl.build_template(str(tmp_path / "nothing.yaml"), {})


class TestLiterals:
    """Values in the place of parameters."""

    DOCUMENT: t.ClassVar[dict[str, t.Any]] = {
        "Parameters": {"Key": {"Type": "String"}, "List": {"Type": "CommaDelimitedList"}, "Kept": {"Type": "String"}},
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "Key"}, "x"]}},
        "Resources": {
            "A": {
                "Type": "T",
                "Properties": {
                    "ref": {"Ref": "Key"},
                    "list": {"Ref": "List"},
                    "sub": {"Fn::Sub": "k/${Key}"},
                    "mixed": {"Fn::Sub": "${Key}-${Kept}-${!Key}"},
                    "shadow": {"Fn::Sub": ["${Key}-${x}", {"Key": "own", "x": {"Ref": "Key"}}]},
                },
            }
        },
    }

    def test_values_take_the_place_of_references(self) -> None:
        """Ref and Sub, in resources and conditions; the parameter is gone."""
        result = tpl.inline_literals(self.DOCUMENT, {"Key": "v", "List": "a, b"})
        assert result["Parameters"] == {"Kept": {"Type": "String"}}
        assert result["Conditions"]["C"] == {"Fn::Equals": ["v", "x"]}
        assert result["Resources"]["A"]["Properties"] == {
            "ref": "v",
            "list": ["a", "b"],
            "sub": "k/v",
            "mixed": {"Fn::Sub": "v-${Kept}-${!Key}"},
            "shadow": {"Fn::Sub": ["${Key}-${x}", {"Key": "own", "x": "v"}]},
        }

    def test_a_literal_is_never_substituted_again(self) -> None:
        """A value that looks like a reference stays text."""
        result = tpl.inline_literals(self.DOCUMENT, {"Key": "${Kept}"})
        assert result["Resources"]["A"]["Properties"]["sub"] == {"Fn::Sub": "k/${!Kept}"}

    def test_the_last_parameter_takes_the_section_along(self) -> None:
        """CloudFormation refuses an empty section."""
        document = {"Parameters": {"A": {"Type": "String"}}, "Resources": {"R": {"Type": "T"}}}
        assert "Parameters" not in tpl.inline_literals(document, {"A": True})

    def test_unknown_and_empty_literals(self) -> None:
        """The name that was probably meant is offered."""
        with pytest.raises(McpError, match=r"no parameter Kye\. Did you mean Key"):
            tpl.inline_literals(self.DOCUMENT, {"Kye": "v"})
        with pytest.raises(McpError, match="literals: Key has no value"):
            tpl.inline_literals(self.DOCUMENT, {"Key": None})


class TestHashedIds:
    """Logical ids that follow the content of other resources."""

    def test_every_reference_follows(self) -> None:
        """Ref, GetAtt, Sub, DependsOn and outputs name the new id."""
        result = tpl.hash_logical_ids(tpl.load_template(GATEWAY, "x"))
        name = hashed_id(result)
        assert len(name) == len("Deployment") + 10
        stage = result["Resources"]["Stage1"]
        assert stage["DependsOn"] == [name]
        assert stage["Properties"]["DeploymentId"] == {"Ref": name}
        assert stage["Properties"]["Description"] == {
            "Fn::Sub": [f"${{{name}}} ${{{name}.Id}} ${{Api}}", {"Api": {"Fn::GetAtt": [name, "DeploymentId"]}}]
        }
        assert result["Outputs"]["Id"]["Value"] == {"Ref": name}

    def test_it_waits_for_methods_and_gateway_responses(self) -> None:
        """A deployment takes a picture of them: each must be there before; its own dependency stays."""
        result = tpl.hash_logical_ids(tpl.load_template(GATEWAY, "x"))
        body = result["Resources"][hashed_id(result)]
        assert body["DependsOn"] == ["Api", "GetMethod", "Unauthorized"]
        assert body["Metadata"] == {"Note": "kept"}

    @pytest.mark.parametrize(
        ("old", "new", "same"),
        [
            ("HttpMethod: GET", "HttpMethod: POST", False),
            ("ResponseType: UNAUTHORIZED", "ResponseType: ACCESS_DENIED", False),
            ("Note: kept", "Note: other", True),
            ("Id: {Value", "Other: {Value", True),
            ("  Stage: {Type: String}", "  Stage: {Type: String, Default: x}", True),
        ],
    )
    def test_only_what_is_named_counts(self, old: str, new: str, same: bool) -> None:
        """The id changes with the named resources and with nothing else."""
        first = hashed_id(tpl.hash_logical_ids(tpl.load_template(GATEWAY, "x")))
        assert old in GATEWAY
        second = hashed_id(tpl.hash_logical_ids(tpl.load_template(GATEWAY.replace(old, new), "x")))
        assert (first == second) is same

    def test_sam_globals_count_for_sam_resources(self) -> None:
        """The memory of a function may stand in Globals."""
        text = """
        Globals: {Function: {MemorySize: 128}}
        Resources:
          F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}
          Version: {Type: AWS::Lambda::Version, Metadata: {McpHashOf: F}, Properties: {FunctionName: !Ref F}}
        """
        ids = [
            set(tpl.hash_logical_ids(tpl.load_template(x, "x"))["Resources"]) for x in (text, text.replace("8", "9"))
        ]
        assert ids[0] != ids[1]
        assert "DependsOn" not in str(tpl.hash_logical_ids(tpl.load_template(text, "x")))

    def test_a_name_that_matches_nothing(self) -> None:
        """A misspelt name would silently leave a resource out."""
        with pytest.raises(McpError, match="McpHashOf of Deployment names Apii"):
            tpl.hash_logical_ids(tpl.load_template(GATEWAY.replace("[Api,", "[Apii,"), "x"))


class TestBuild:
    """The canonical body."""

    def test_equal_templates_have_equal_bodies(self, tmp_path: Path) -> None:
        """Order, comments and quotes do not count; the hash does not hash itself."""
        first = tpl.build_template(write(tmp_path, "Resources:\n  A: {Type: T, Properties: {b: 1, a: x}}\n"), {})
        second = tpl.build_template(
            write(tmp_path, '# note\nResources:\n  A: {Properties: {a: "x", b: 1}, Type: T}\n'), {}
        )
        assert first == second
        assert json.loads(first.body)["Outputs"] == {tpl.HASH_OUTPUT: {"Value": first.sha256}}
        assert "Outputs" not in first.document

    def test_literals_count_and_parameters_do_not(self, tmp_path: Path) -> None:
        """A literal is part of the template."""
        path = write(tmp_path, "Parameters: {P: {Type: String}}\nResources: {A: {Type: T, Properties: {x: !Ref P}}}")
        bodies = {tpl.build_template(path, {"P": value}).sha256 for value in ("1", "2")}
        assert len(bodies | {tpl.build_template(path, {}).sha256}) == 3

    @pytest.mark.parametrize(
        ("text", "moving"),
        [
            ("Resources: {A: {Type: T, P: '{{resolve:ssm:/a/b}}'}}", True),
            ("Resources: {A: {Type: T, P: '{{resolve:ssm-secure:/a/b}}'}}", True),
            ("Resources: {A: {Type: T, P: '{{resolve:ssm:/a/b:3}}'}}", False),
            ("Resources: {A: {Type: T, P: '{{resolve:secretsmanager:s:SecretString:k}}'}}", False),
            ("Resources: {A: {Type: T}}\nTransform: [AWS::Serverless-2016-10-31, AWS::LanguageExtensions]", False),
            ("Resources: {A: {Type: T}}\nTransform: MyMacro", True),
            ("Resources: {A: {Type: T}}\nTransform: {Name: AWS::Include, Parameters: {Location: s3://x}}", True),
            ("Resources: {A: {Type: T}}\nParameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>'}}", True),
        ],
    )
    def test_what_may_move_under_an_unchanged_text(self, tmp_path: Path, text: str, moving: bool) -> None:
        """Such a template is always looked at by CloudFormation."""
        assert tpl.build_template(write(tmp_path, text), {}).has_moving_references is moving


class TestReferences:
    """References to nothing, which not every endpoint notices."""

    def test_what_is_there_may_be_used(self, tmp_path: Path) -> None:
        """Parameters, resources, pseudo parameters, a Sub's own names, and text that only looks like one."""
        text = """
        Parameters: {P: {Type: String}}
        Resources:
          A: {Type: T, Properties: {a: !Ref P, b: !Sub "${B.Arn}${AWS::Region}${!X}", c: !Sub ["${O}", {O: !Ref B}]}}
          B: {Type: T}
        """
        assert tpl.build_template(write(tmp_path, text), {}).sha256

    @pytest.mark.parametrize("value", ["!Ref No", "!GetAtt No.Arn", '!Sub "${No.Arn}"', '!Sub ["${x}", {x: !Ref No}]'])
    def test_what_is_not_there(self, tmp_path: Path, value: str) -> None:
        """Also in a template that must be expanded first."""
        path = write(tmp_path, f"Resources: {{A: {{Type: T}}}}\nOutputs: {{O: {{Value: {value}}}}}")
        with pytest.raises(McpError, match="refers to No, which is neither"):
            tpl.build_template(path, {})
        document = tpl.load_template(f"{TestExpand.SAM}\n    Outputs: {{O: {{Value: {value}}}}}", "x")
        with pytest.raises(McpError, match="refers to No, which is neither"):
            tpl.expand(document, {}, "us-east-1")

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("!GetAtt A", "Fn::GetAtt takes LogicalId.Attribute"),
            ("!GetAtt [A, b, c]", "Fn::GetAtt takes LogicalId.Attribute"),
            ("!Sub {a: b}", "Fn::Sub takes a text"),
            ("!Sub [a]", "Fn::Sub takes a text"),
            ("!Sub [a, b]", "Fn::Sub takes a text"),
        ],
    )
    def test_wrong_shapes(self, tmp_path: Path, value: str, words: str) -> None:
        """A sentence instead of a traceback."""
        path = write(tmp_path, f"Resources: {{A: {{Type: T}}}}\nOutputs: {{O: {{Value: {value}}}}}")
        with pytest.raises(McpError, match=words):
            tpl.build_template(path, {})


class TestConditions:
    """Conditions with known and unknown values."""

    CONDITIONS: t.ClassVar[dict[str, t.Any]] = {
        "Yes": {"Fn::Equals": [{"Ref": "P"}, "1"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]},
        "Unknown": {"Fn::Equals": [{"Ref": "Later"}, "1"]},
    }

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ({"Condition": "Yes"}, True),
            ({"Condition": "No"}, False),
            ({"Condition": "Unknown"}, None),
            ({"Fn::Not": [{"Condition": "Unknown"}]}, None),
            ({"Fn::And": [{"Condition": "Yes"}, {"Condition": "Unknown"}]}, None),
            ({"Fn::And": [{"Condition": "No"}, {"Condition": "Unknown"}]}, False),
            ({"Fn::And": [{"Condition": "Yes"}, {"Condition": "Yes"}]}, True),
            ({"Fn::Or": [{"Condition": "Yes"}, {"Condition": "Unknown"}]}, True),
            ({"Fn::Or": [{"Condition": "No"}, {"Condition": "No"}]}, False),
            ({"Fn::Equals": [{"Fn::FindInMap": ["M", "a", "b"]}, "1"]}, None),
            ({"Fn::Equals": [{"Fn::Sub": "x${P}"}, "x1"]}, True),
            ({"Fn::Equals": [True, "true"]}, True),
            ({"Condition": "Missing"}, None),
        ],
    )
    def test_three_values(self, expression: t.Any, expected: bool | None) -> None:
        """What is not known is None, never a guess."""
        assert tpl.holds(expression, self.CONDITIONS, {"P": "1"}) is expected

    def test_resources_that_will_not_be_are_left_out(self) -> None:
        """Those whose condition is not known stay."""
        document = {
            "Conditions": self.CONDITIONS,
            "Resources": {name: {"Type": "T", "Condition": name} for name in self.CONDITIONS} | {"R": {"Type": "T"}},
        }
        assert set(tpl.live_resources(document, {"P": "1"})) == {"Yes", "Unknown", "R"}


class TestExpand:
    """SAM, translated by AWS's own translator."""

    SAM = """
    Transform: AWS::Serverless-2016-10-31
    Parameters: {Key: {Type: String}}
    Resources:
      F:
        Type: AWS::Serverless::Function
        Properties: {Handler: a.b, Runtime: python3.12, CodeUri: {Bucket: b, Key: !Ref Key}}
    """

    def test_functions_get_their_roles(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The result lists what CloudFormation will make; nothing is printed, the template stays as it was."""
        document = tpl.load_template(self.SAM, "x")
        before = tpl.canonical(document)
        types = {body["Type"] for body in tpl.expand(document, {"Key": "k"}, "eu-west-1")["Resources"].values()}
        assert types == {"AWS::Lambda::Function", "AWS::IAM::Role"}
        assert tpl.canonical(document) == before
        assert capfd.readouterr() == ("", "")

    def test_a_plain_template_is_left_alone(self) -> None:
        """Without the transform nothing is translated."""
        document = {"Resources": {"A": {"Type": "AWS::Serverless::Function"}}}
        assert tpl.expand(document, {}, "us-east-1") == document

    def test_what_sam_refuses_is_said(self) -> None:
        """SAM's own reason is passed on."""
        document = tpl.load_template(self.SAM.replace("CodeUri", "Wrong"), "x")
        with pytest.raises(McpError, match=r"SAM refuses it: .*\[F\]"):
            tpl.expand(document, {}, "us-east-1")


def test_parameter_text() -> None:
    """Values as CloudFormation shows them."""
    assert [tpl.parameter_text(value) for value in (True, False, 5, "x", ["a", 1])] == [
        "true",
        "false",
        "5",
        "x",
        "a,1",
    ]
