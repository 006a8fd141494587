"""Sends one event to the binary as Lambda would, and prints the answer: tools/invoke.py BINARY EVENT

The record is a bucket with sample-data in a SeaweedFS of its own; AWS's Runtime Interface Emulator runs the binary. Both
listen on 127.0.0.1 alone and are gone at the end, with all they wrote.
"""

import json
import os
import pathlib
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import samcli.local.rapid

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLE_DATA = ROOT / "sample-data"
BUCKET = "sample-data"
REGION = "us-east-1"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
START_SECONDS_MAX = 60
ANSWER_SECONDS_MAX = 60
STOP_SECONDS_MAX = 2
# Of a longer body the beginning is printed.
BODY_CHARACTERS_MAX = 2000


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    binary, event = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    try:
        event = event.read_bytes()
        json.loads(event)
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[2]} is no event: {error}")
    # However this ends, what it started ends before it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="cache-api-invoke-", ignore_cleanup_errors=True) as directory:
        processes = []
        try:
            answer = invoke(binary, event, pathlib.Path(directory), processes)
        finally:
            for process in reversed(processes):
                stop(process)
    print(json.dumps(shortened(answer), indent=2, ensure_ascii=False))
    if isinstance(answer, dict) and "errorType" in answer:
        sys.exit(1)


def invoke(binary, event, directory, processes):
    keys = {"AWS_ACCESS_KEY_ID": "invoke", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16), "AWS_REGION": REGION}
    endpoint = start_seaweed(directory, keys, processes)
    upload(endpoint, keys)
    return send(start_emulator(binary, directory, endpoint, keys, processes), event)


def start_seaweed(directory, keys, processes):
    data = directory / "weed"
    data.mkdir()
    credentials = [{"accessKey": keys["AWS_ACCESS_KEY_ID"], "secretKey": keys["AWS_SECRET_ACCESS_KEY"]}]
    identity = {"name": "invoke", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    s3, filer, master, volume = free_ports(4)
    arguments = [
        *("server", "-master.telemetry=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}"),
        *("-s3", f"-s3.config={config}", f"-s3.port={s3}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-filer.port={filer}", f"-master.port={master}", f"-volume.port={volume}"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=100"),
    ]
    start([pathlib.Path(sys.prefix) / "bin" / "weed", *arguments], os.environ, directory / "weed.log", processes)
    return f"http://127.0.0.1:{s3}"


def upload(endpoint, keys):
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )
    # The server answers seconds before it stores.
    errors = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
    until_it_works(lambda: client.create_bucket(Bucket=BUCKET), errors)
    for path in sorted(path for path in SAMPLE_DATA.rglob("*") if path.is_file()):
        key, body = path.relative_to(SAMPLE_DATA).as_posix(), path.read_bytes()
        until_it_works(lambda: client.put_object(Bucket=BUCKET, Key=key, Body=body), errors)


def start_emulator(binary, directory, endpoint, keys, processes):
    emulator = pathlib.Path(samcli.local.rapid.__path__[0]) / "aws-lambda-rie-x86_64"
    invocations, runtime = free_ports(2)
    environment = {
        **keys,
        "AWS_BUCKET_NAME": BUCKET,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "29",
        "LOCAL_DATA_DIR": str(directory / "held"),
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    }
    # Settings of whoever calls hold here too, as they would in the function's configuration.
    environment.update((name, value) for name, value in os.environ.items() if name.startswith("CACHE_API_"))
    addresses = [f"--runtime-interface-emulator-address=127.0.0.1:{invocations}", f"--runtime-api-address=127.0.0.1:{runtime}"]
    # What the binary logs is shown.
    start([emulator, *addresses, "--log-level", "warn", binary], environment, None, processes)
    return f"http://127.0.0.1:{invocations}{INVOCATIONS}"


def send(url, event):
    def post():
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=event), timeout=ANSWER_SECONDS_MAX) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            return error.read()
        except TimeoutError:
            sys.exit(f"no answer within {ANSWER_SECONDS_MAX} s")

    # A refused connection has sent nothing, so that the event is handled once.
    answer = until_it_works(post, (urllib.error.URLError,))
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode(errors="replace")


def start(command, environment, log, processes):
    output = log.open("wb") if log else sys.stderr
    command = [str(part) for part in command]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
    )
    processes.append(process)


def stop(process):
    # Asked, the emulator ends the binary too; asked, SeaweedFS takes half a minute over data that nobody needs.
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until_it_works(work, errors):
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            return work()
        except errors as error:
            if time.monotonic() > deadline:
                sys.exit(f"gave up after {START_SECONDS_MAX} s: {error}")
            time.sleep(0.1)


def free_ports(count):
    """Ports that are free, as are their neighbours 10,000 above, where SeaweedFS speaks gRPC.

    They are below those that the system gives to whoever asks for any, so that nobody takes them meanwhile.
    """
    ports = []
    while len(ports) < count:
        port = random.randrange(10_000, 20_000)
        if port not in ports and is_free(port) and is_free(port + 10_000):
            ports.append(port)
    return ports


def is_free(port):
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def shortened(answer):
    body = answer.get("body") if isinstance(answer, dict) else None
    if isinstance(body, str) and len(body) > BODY_CHARACTERS_MAX:
        rest = len(body) - BODY_CHARACTERS_MAX
        return {**answer, "body": f"{body[:BODY_CHARACTERS_MAX]}… and {rest} characters more"}
    return answer


if __name__ == "__main__":
    main()
