"""What tools/invoke.py and tools/local_api.py share: a bucket with sample-data, and the binary as Lambda runs it.

The bucket is in a SeaweedFS of its own; AWS's Runtime Interface Emulator runs the binary. Both listen on 127.0.0.1 alone and
are gone at the end, with all they wrote.
"""

import contextlib
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


class Parts:
    """What has been started, in a directory of its own, and how it is reached."""

    def __init__(self, directory):
        self.directory = directory
        self.keys = {"AWS_ACCESS_KEY_ID": "invoke", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16), "AWS_REGION": REGION}
        self.processes = []
        # What is left of those that are killed, outside of the directory.
        self.leftovers = []

    def start(self, command, environment, output=sys.stderr, errors=sys.stderr, stop_seconds_max=STOP_SECONDS_MAX):
        command = [str(part) for part in command]
        # A session of its own: Ctrl-C reaches this process alone, which then ends it.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
        )
        self.processes.append((process, stop_seconds_max))
        return process


@contextlib.contextmanager
def parts():
    """Parts that end, with what they have written, however the block ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="cache-api-local-", ignore_cleanup_errors=True) as directory:
        started = Parts(pathlib.Path(directory))
        try:
            yield started
        finally:
            # A second Ctrl-C does not keep the rest running.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            for process, seconds_max in reversed(started.processes):
                stop(process, seconds_max)
            for path in started.leftovers:
                path.unlink(missing_ok=True)


def start_bucket(started, address="127.0.0.1"):
    """Starts SeaweedFS, puts sample-data into a bucket and says where the server is: at this address of this machine."""
    data = started.directory / "weed"
    data.mkdir()
    credentials = [{"accessKey": started.keys["AWS_ACCESS_KEY_ID"], "secretKey": started.keys["AWS_SECRET_ACCESS_KEY"]}]
    identity = {"name": "invoke", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    config = started.directory / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    s3, filer, master, volume = free_ports(4)
    arguments = [
        *("server", "-master.telemetry=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}"),
        *("-s3", f"-s3.config={config}", f"-s3.ip.bind={address}", f"-s3.port={s3}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-filer.port={filer}", f"-master.port={master}", f"-volume.port={volume}"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=100"),
    ]
    # It has its sockets where nobody can tell it otherwise.
    ports = {"s3": s3, "filer": filer, "master": master, "volume": volume}
    for name, port in ports.items():
        names = (f"seaweedfs-{name}-{port}.sock", f"seaweedfs-{name}-grpc-{port + 10_000}.sock")
        started.leftovers += [pathlib.Path("/tmp") / name for name in names]
    # Its logs go to TMPDIR.
    environment = {**os.environ, "TMPDIR": str(started.directory)}
    with (started.directory / "weed.log").open("wb") as log:
        started.start([pathlib.Path(sys.prefix) / "bin" / "weed", *arguments], environment, log, log)
    endpoint = f"http://{address}:{s3}"
    upload(endpoint, started.keys)
    return endpoint


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


def settings(endpoint):
    """What the function is told, but for keys and for what Lambda itself tells it."""
    # Settings of whoever calls hold here too, as they would in the function's configuration.
    given = {name: value for name, value in os.environ.items() if name.startswith("CACHE_API_")}
    return {"AWS_BUCKET_NAME": BUCKET, "AWS_ENDPOINT_URL_S3": endpoint, **given}


def start_emulator(started, binary):
    """Starts the bucket, and the emulator that runs `binary` over it; says where to send events."""
    endpoint = start_bucket(started)
    emulator = pathlib.Path(samcli.local.rapid.__path__[0]) / "aws-lambda-rie-x86_64"
    invocations, runtime = free_ports(2)
    environment = {
        **started.keys,
        **settings(endpoint),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "29",
        "LOCAL_DATA_DIR": str(started.directory / "held"),
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    }
    addresses = [f"--runtime-interface-emulator-address=127.0.0.1:{invocations}", f"--runtime-api-address=127.0.0.1:{runtime}"]
    # What the binary logs is shown.
    started.start([emulator, *addresses, "--log-level", "warn", binary], environment)
    return f"http://127.0.0.1:{invocations}{INVOCATIONS}"


def send(url, event):
    """Sends an event, one at a time, and returns the answer's bytes. Raises TimeoutError when there is none."""

    def post():
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=event), timeout=ANSWER_SECONDS_MAX) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            return error.read()

    # A refused connection has sent nothing, so that the event is handled once.
    return until_it_works(post, (urllib.error.URLError,))


def stop(process, seconds_max):
    # Asked, the emulator ends the binary too; asked, SeaweedFS takes half a minute over data that nobody needs.
    process.terminate()
    try:
        process.wait(seconds_max)
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
