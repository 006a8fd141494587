"""The binary in a container, through `sam local`, where Docker answers."""

import ipaddress
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import local_lambda

# Its containers end with it, which takes it seconds.
STOP_SECONDS_MAX = 20


class NoDocker(Exception):
    """Why there is none to be used."""


def docker_if_any():
    """What `start` takes of a Docker that can be used, or None; says what runs the binary, and why."""
    try:
        docker = find_docker()
    except NoDocker as error:
        print(f"through AWS's Runtime Interface Emulator alone, since {error}", file=sys.stderr)
        return None
    print("through `sam local` in a container, since Docker answers", file=sys.stderr)
    return docker


def find_docker():
    """The name of the image and the address at which containers reach this machine. Raises NoDocker."""
    try:
        output("docker", "version", "--format", "{{.Server.Version}}")
    except NoDocker:
        raise NoDocker("no Docker answers") from None
    address = bridge_address()
    with socket.socket() as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            raise NoDocker(f"Docker's bridge {address} is not on this machine") from None
    try:
        return output(local_lambda.ROOT / "tools" / "lambda-image"), address
    except NoDocker as error:
        raise NoDocker(f"no image could be made: {error}") from None


def bridge_address():
    config = json.loads(output("docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"))
    if not config:
        raise NoDocker("Docker has no bridge")
    # Docker does not name a gateway that it has chosen itself: the first address.
    return config[0].get("Gateway") or str(next(ipaddress.ip_network(config[0]["Subnet"]).hosts()))


def output(*command):
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=120)
    except subprocess.CalledProcessError as error:
        raise NoDocker(error.stderr.strip().splitlines()[-1] if error.stderr.strip() else f"{command[0]} failed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoDocker(str(error)) from None
    return done.stdout.strip()


def start(started, binary, docker, command, answer=sys.stderr):
    """Starts the bucket and `sam local …`, which writes its answer to the file `answer`."""
    line, environment = prepare(started, binary, docker, command)
    return started.start(line, environment, answer, stop_seconds_max=STOP_SECONDS_MAX)


def prepare(started, binary, docker, command):
    """Starts the bucket. The line that calls `sam local …`, and its environment."""
    image, address = docker
    template = write_template(started, binary, local_lambda.start_bucket(started, address))
    environment = {
        **os.environ,
        **started.keys,
        "AWS_DEFAULT_REGION": local_lambda.REGION,
        # It would ask AWS whose keys these are; without a network, that takes 10 s.
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
        "AWS_MAX_ATTEMPTS": "1",
        "SAM_CLI_TELEMETRY": "0",
        "TMPDIR": str(started.directory),
    }
    sam = [pathlib.Path(sys.prefix) / "bin" / "sam", "local", *command]
    line = [*sam, "--template", template, "--skip-pull-image", "--invoke-image", image]
    return [str(part) for part in line], environment


def write_template(started, binary, endpoint):
    """A function of this binary behind a REST API; template.yaml's needs the zip that is deployed."""
    code = started.directory / "code"
    code.mkdir()
    shutil.copy(binary, code / "bootstrap")
    function = {
        "CodeUri": str(code),
        "Handler": "bootstrap",
        "Runtime": "provided.al2023",
        "MemorySize": 1024,
        "Timeout": 29,
        "Environment": {"Variables": {**local_lambda.settings(endpoint), "LOCAL_DATA_DIR": "/tmp/held"}},
        "Events": {"Any": {"Type": "Api", "Properties": {"Path": "/{proxy+}", "Method": "ANY"}}},
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Api": {"BinaryMediaTypes": ["*~1*"]}},
        "Resources": {"Api": {"Type": "AWS::Serverless::Function", "Properties": function}},
    }
    path = started.directory / "template.json"
    path.write_text(json.dumps(template))
    return path
