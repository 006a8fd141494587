"""What CloudFormation makes of template.yaml, without CloudFormation:

tools/template.py lint                    checks what SAM translates it to, for some regions
tools/template.py translate [NAME=VALUE…] prints that, for AWS_DEFAULT_REGION and these parameters
tools/template.py read                    takes a JSON list of sets of parameters, and prints for each which rules refuse
                                          it, which resources and outputs there are, and the settings of each function
"""

import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
# One of each kind: the first, another, and one of another partition.
REGIONS = ("us-east-1", "eu-west-1", "us-gov-west-1")
LINTER = pathlib.Path(sys.prefix) / "bin" / "cfn-lint"
# What stands in for the zip, which need not be built: SAM asks for a place in S3.
CODE = "s3://bucket/cache-api.zip"
NO_VALUE = object()
REFERENCE = re.compile(r"\$\{([^!}][^}]*)\}")
# What CloudFormation puts in for a secret's name, and an example of that.
SECRET = re.compile(r"\{\{resolve:secretsmanager:[^}]+\}\}"), "token-from-a-secret"


def main():
    # SAM's translator speaks of switches and metrics of its own.
    logging.disable(logging.WARNING)
    command, arguments = sys.argv[1:2], dict(argument.split("=", 1) for argument in sys.argv[2:])
    if command == ["lint"] and not arguments:
        sys.exit(lint())
    elif command == ["translate"]:
        print(json.dumps(translate(os.environ.get("AWS_DEFAULT_REGION", REGIONS[0]), arguments), indent=2))
    elif command == ["read"] and not arguments:
        template = load()
        print(json.dumps([Stack(template, parameters).read() for parameters in json.load(sys.stdin)], indent=2))
    else:
        sys.exit(__doc__)


def load():
    return yaml_parse(TEMPLATE.read_text())


def lint():
    """0 where cfn-lint finds nothing in any region."""
    code = 0
    for region in REGIONS:
        with tempfile.NamedTemporaryFile("w", prefix=f"translated-{region}-", suffix=".json") as file:
            json.dump(translate(region, {}), file)
            file.flush()
            # W1030: what is said here goes before what the template itself ignores. W1028: SAM gives the settings that both
            # functions share to each, and Refresh is there under one condition only.
            command = [LINTER, "--regions", region, "--ignore-checks", "W1028", "W1030", "--template", file.name]
            code = subprocess.run(command).returncode or code
    return code


def translate(region, parameters):
    """What CloudFormation gets after the transform, for one region."""
    template = load()
    template["Globals"]["Function"]["CodeUri"] = CODE
    session = boto3.Session(region_name=region)
    translator = Translator(managed_policy_map={}, sam_parser=Parser(), plugins=[], boto_session=session)
    return translator.translate(sam_template=template, parameter_values=parameters)


class Stack:
    """template.yaml under some parameters, as far as its own functions reach: a resource's name stands for its id."""

    def __init__(self, template, parameters):
        unknown = parameters.keys() - template["Parameters"].keys()
        if unknown:
            sys.exit(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
        self.template = template
        self.parameters = {name: str(it["Default"]) for name, it in template["Parameters"].items()} | parameters

    def read(self):
        resources = {name: it for name, it in self.template["Resources"].items() if self.is_made(it)}
        outputs = {name: self.value(it["Value"]) for name, it in self.template["Outputs"].items() if self.is_made(it)}
        common = self.template["Globals"]["Function"]["Environment"]["Variables"]
        functions = {
            name: self.value(common | it["Properties"].get("Environment", {}).get("Variables", {}))
            for name, it in resources.items()
            if it["Type"] == "AWS::Serverless::Function"
        }
        return {"refused": self.refused(), "resources": sorted(resources), "functions": functions, "outputs": outputs}

    def refused(self):
        """What the rules say against the parameters, and parameters that are not as they are declared."""
        found = []
        for name, it in self.template["Parameters"].items():
            value, allowed = self.parameters[name], it.get("AllowedValues")
            if allowed and value not in map(str, allowed) or not re.fullmatch(str(it.get("AllowedPattern", ".*")), value):
                found.append(f"{name} cannot be {value!r}")
        for rule in self.template["Rules"].values():
            if self.value(rule.get("RuleCondition", True)):
                found += [it["AssertDescription"] for it in rule["Assertions"] if not self.value(it["Assert"])]
        return found

    def is_made(self, it):
        return "Condition" not in it or self.value({"Condition": it["Condition"]})

    def value(self, node):
        """A node with its functions applied."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, arguments),) = node.items()
            if function in FUNCTIONS:
                return FUNCTIONS[function](self, arguments)
            if function.startswith("Fn::"):
                raise NotImplementedError(function)
        values = {name: self.value(it) for name, it in node.items()}
        return {name: value for name, value in values.items() if value is not NO_VALUE}

    def ref(self, name):
        return NO_VALUE if name == "AWS::NoValue" else self.parameters.get(name, example(name))

    def sub(self, arguments):
        text, names = (arguments, {}) if isinstance(arguments, str) else arguments
        names = self.value(names)
        text = REFERENCE.sub(lambda found: names[found[1]] if found[1] in names else self.ref(found[1]), text)
        return SECRET[0].sub(SECRET[1], text)


def example(name):
    """A name of the kind that AWS gives to the resource."""
    return {
        "AccessPoint": "fsap-0123456789abcdef0",
        "ApiRole.Arn": "arn:aws:iam::123456789012:role/stack-ApiRole-1a2b3c",
        "Bucket": "stack-bucket-1a2b3c",
        "Events.Arn": "arn:aws:sqs:us-east-1:123456789012:stack-Events-1a2b3c",
        "FileSystem": "fs-0123456789abcdef0",
        "FunctionUrl.FunctionUrl": "https://abcdef.lambda-url.us-east-1.on.aws/",
        "RefreshRole.Arn": "arn:aws:iam::123456789012:role/stack-RefreshRole-1a2b3c",
        "SubnetA": "subnet-0123456789abcdef0",
        "SubnetB": "subnet-0123456789abcdef1",
        "AWS::Region": "us-east-1",
        "AWS::URLSuffix": "amazonaws.com",
        "RestApi.Stage": "prod",
    }.get(name, name)


FUNCTIONS = {
    "Condition": lambda stack, name: stack.value(stack.template["Conditions"][name]),
    "Fn::And": lambda stack, nodes: all(map(stack.value, nodes)),
    "Fn::Equals": lambda stack, nodes: len(set(map(str, stack.value(nodes)))) == 1,
    "Fn::GetAtt": lambda stack, path: example(path if isinstance(path, str) else ".".join(path)),
    "Fn::If": lambda stack, nodes: stack.value(nodes[1] if stack.value({"Condition": nodes[0]}) else nodes[2]),
    "Fn::Not": lambda stack, nodes: not stack.value(nodes[0]),
    "Fn::Or": lambda stack, nodes: any(map(stack.value, nodes)),
    "Fn::Select": lambda stack, nodes: stack.value(nodes[1])[int(nodes[0])],
    "Fn::Split": lambda stack, nodes: stack.value(nodes[1]).split(nodes[0]),
    "Fn::Sub": lambda stack, arguments: stack.sub(arguments),
    "Ref": lambda stack, name: stack.ref(name),
}


if __name__ == "__main__":
    main()
