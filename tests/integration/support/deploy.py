"""Deploys template.yaml into an AWS of this machine, and says what its own APIs then say of it.

Both take a JSON object of sets of parameters, a name of a stack for each:
deploy.py ENDPOINT deploy  prints for each what was refused and what was made: a resource by its name in the template
deploy.py ENDPOINT refuse  makes nothing, since none may be made, and prints for each why not
"""

import io
import json
import pathlib
import re
import sys
import time
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))

import boto3
import template
from botocore.exceptions import ClientError

REGION = template.REGIONS[0]
# What CloudFormation says of a type that it has not.
REFUSED = re.compile(r"Unrecognized resource types: \[([^]]*)\]")


def main():
    (endpoint, command), sets = sys.argv[1:], json.load(sys.stdin)
    session = boto3.Session(aws_access_key_id="any", aws_secret_access_key="any", region_name=REGION)
    aws = {name: session.client(name, endpoint_url=endpoint) for name in SERVICES}
    if command == "refuse":
        document = template.translate(REGION, {})
        found = {name: refusal(aws["cloudformation"], name, document, parameters) for name, parameters in sets.items()}
    else:
        put_code(aws["s3"])
        found = {name: deploy(aws, name, parameters) for name, parameters in sets.items()}
    print(json.dumps(found, default=str))


def refusal(cloudformation, name, document, parameters):
    """What CloudFormation says, or None where it makes the stack."""
    try:
        create_known(cloudformation, name, document, parameters)
    except ClientError as error:
        return str(error)


def put_code(s3):
    """Puts a zip where the translated template has the functions' code. Nothing calls them."""
    bucket, key = template.CODE.removeprefix("s3://").split("/")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("bootstrap", "#!/bin/false\n")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=code.getvalue())


def deploy(aws, name, parameters):
    document = template.translate(REGION, parameters)
    if parameters.get("BucketName"):
        aws["s3"].create_bucket(Bucket=parameters["BucketName"])
    refused = create_known(aws["cloudformation"], name, document, parameters)
    stack = wait(aws["cloudformation"], name)
    events = aws["cloudformation"].describe_stack_events(StackName=name)["StackEvents"]
    made = aws["cloudformation"].describe_stack_resources(StackName=name)["StackResources"]
    under = template.Stack(template.load(), parameters)
    expected = {id for id, it in document["Resources"].items() if under.is_made(it)}
    return {
        "status": stack["StackStatus"],
        "failed": [it.get("ResourceStatusReason") for it in events if it["ResourceStatus"].endswith("_FAILED")],
        "refused": refused,
        "missing": sorted(expected - {it["LogicalResourceId"] for it in made}),
        "outputs": {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])},
        "resources": {it["LogicalResourceId"]: read(aws, it["ResourceType"], it["PhysicalResourceId"]) for it in made},
    }


def create_known(cloudformation, name, document, parameters):
    """The types that are refused; they are taken out of the document, and the rest is made."""
    refused = create(cloudformation, name, document, parameters)
    if refused:
        document["Resources"] = {id: it for id, it in document["Resources"].items() if it["Type"] not in refused}
        still = create(cloudformation, name, document, parameters)
        assert not still, still
    return refused


def create(cloudformation, name, document, parameters):
    """The types that are refused; where there are any, nothing is made."""
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    # At most 51,200 bytes may be sent so; SAM puts the template into a bucket, from where it may have a megabyte.
    body = json.dumps(document, separators=(",", ":"))
    try:
        cloudformation.create_stack(StackName=name, TemplateBody=body, Parameters=given, Capabilities=["CAPABILITY_IAM"])
    except ClientError as error:
        found = REFUSED.search(str(error))
        if not found:
            raise
        return sorted(found[1].split(", "))
    return []


def wait(cloudformation, name):
    for _ in range(500):
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.02)
    raise TimeoutError(name)


def read(aws, type, id):
    """What the service says of one of its own; its id alone where the test asks for no more."""
    service, call = READERS.get(type, (None, lambda _, id: {}))
    return call(aws.get(service), id) | {"Id": id}


def read_bucket(s3, name):
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    return {"Notification": s3.get_bucket_notification_configuration(Bucket=name), "Policy": policy}


def read_role(iam, name):
    """All that the role may do, by whatever kind of policy."""
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        documents.append(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    return {"Arn": arn, "Statements": [statement for document in documents for statement in document["Statement"]]}


READERS = {
    "AWS::ApiGatewayV2::Api": ("apigatewayv2", lambda it, id: {"Routes": it.get_routes(ApiId=id)["Items"]}),
    "AWS::EFS::AccessPoint": ("efs", lambda it, id: it.describe_access_points(AccessPointId=id)["AccessPoints"][0]),
    "AWS::EFS::FileSystem": ("efs", lambda it, id: it.describe_file_systems(FileSystemId=id)["FileSystems"][0]),
    "AWS::Events::Rule": ("events", lambda it, id: it.describe_rule(Name=id) | it.list_targets_by_rule(Rule=id)),
    "AWS::IAM::Role": ("iam", read_role),
    "AWS::Lambda::EventSourceMapping": ("lambda", lambda it, id: it.get_event_source_mapping(UUID=id)),
    "AWS::Lambda::Function": ("lambda", lambda it, id: it.get_function_configuration(FunctionName=id)),
    "AWS::Lambda::Url": ("lambda", lambda it, id: it.get_function_url_config(FunctionName=id)),
    "AWS::S3::Bucket": ("s3", read_bucket),
    "AWS::SQS::Queue": ("sqs", lambda it, id: it.get_queue_attributes(QueueUrl=id, AttributeNames=["All"])["Attributes"]),
}
SERVICES = {service for service, _ in READERS.values()} | {"cloudformation"}


if __name__ == "__main__":
    main()
