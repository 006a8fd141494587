"""Sends events to the binary by `sam local invoke`, and requests by tools/local_api.py, in containers: in_docker.py BINARY EVENT…

Prints, on one line, a JSON object: `skipped` with the reason where there is no Docker to be used; else `invoked`, what
each event was answered, by the name of its file, `served`, what each request was, and `left`, the containers that remain.

Where no Docker answers but it is installed and this is root, it starts one where nobody else sees it: with processes, mounts
and a network of its own, which end with it.
"""

import base64
import fcntl
import json
import multiprocessing
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request

TOOLS = pathlib.Path(__file__).resolve().parents[3] / "tools"
sys.path.insert(0, str(TOOLS))

import local_lambda
import sam_local

# All that `sam local invoke` imports, once for all calls: a second for each.
import samcli.cli.main
import samcli.commands.local.cli_common.invoke_context
import samcli.commands.local.invoke.cli
import samcli.commands.local.invoke.core.command

CALLS_AT_ONCE = 4
ENGINE_SECONDS_MAX = 30
# What is stopped waits itself, for SAM.
STOP_SECONDS_MAX = 2 * sam_local.STOP_SECONDS_MAX
# By which this script calls itself.
INSIDE = "--inside"
# Of `unshare`: killed, it kills all that is in there.
APART = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def main():
    # Where Debian has what only root calls.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if sys.argv[1] == INSIDE:
        with local_lambda.parts() as started:
            return report(start_engine(started) or run(started, *sys.argv[2:]))
    try:
        docker = sam_local.find_docker()
    except sam_local.NoDocker as error:
        return run_inside(str(error))
    with local_lambda.parts() as started:
        report(run(started, *sys.argv[1:], docker=docker))


def report(found):
    print(json.dumps(found), flush=True)


def run_inside(reason):
    """Calls this script again, apart from all else on this machine."""
    missing = [name for name in ("docker", "dockerd", "unshare") if not shutil.which(name)]
    if os.geteuid() or missing:
        why = f"{missing[0]} is not installed" if missing else "only root can start one"
        return report({"skipped": f"{reason}, and {why}"})
    # It has no network to fetch them by.
    try:
        sam_local.output(TOOLS / "lambda-image", "download")
        sam_local.output("unshare", *APART, "true")
    except sam_local.NoDocker as error:
        return report({"skipped": f"{reason}, and none can be started: {error}"})
    with local_lambda.parts() as started:
        command = ["unshare", *APART, sys.executable, __file__, INSIDE, *sys.argv[1:]]
        sys.exit(started.start(command, {**os.environ, "TMPDIR": str(started.directory)}, sys.stdout).wait())


def start_engine(started):
    """Starts Docker, or says why there is none."""
    with socket.socket() as any_socket:
        # The new network's loopback is down. SIOCSIFFLAGS; IFF_UP and IFF_RUNNING.
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    # Its sockets, whose paths must be short, are then nobody else's either.
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    address, log = "unix:///run/docker.sock", started.directory / "dockerd.log"
    options = [f"--host={address}", f"--data-root={started.directory}/data", "--exec-root=/run/docker", "--pidfile=/run/docker.pid"]
    options += ["--iptables=false", "--ip6tables=false", "--ip-forward=false"]
    with log.open("wb") as file:
        engine = started.start(
            ["dockerd", *options],
            {**os.environ, "DOCKER_HOST": ""},
            file,
            file,
            stop_seconds_max=STOP_SECONDS_MAX,
        )
    os.environ["DOCKER_HOST"] = address
    deadline = time.monotonic() + ENGINE_SECONDS_MAX
    while engine.poll() is None and time.monotonic() < deadline:
        if subprocess.run(["docker", "version"], capture_output=True).returncode == 0:
            return None
        time.sleep(0.1)
    return {"skipped": f"dockerd does not start here: {log.read_text().splitlines()[-1:]}"}


def run(started, binary, *events, docker=None):
    docker = docker or sam_local.find_docker()
    invoked = invoke(started, binary, docker, events)
    return {"invoked": invoked, "served": serve(started, binary), "left": containers(docker)}


def invoke(started, binary, docker, events):
    line, environment = sam_local.prepare(started, binary, docker, ["invoke", "Api"])
    calls = [([*line[1:], "--event", event], environment, started.directory / pathlib.Path(event).name) for event in events]
    # A process for each call, as a shell makes it.
    with multiprocessing.get_context("fork").Pool(CALLS_AT_ONCE, maxtasksperchild=1) as pool:
        # The first makes the image that the others find.
        answers = [pool.apply(call_sam, calls[0]), *pool.starmap(call_sam, calls[1:], chunksize=1)]
    return {path.stem: answer for (*_, path), answer in zip(calls, answers)}


def call_sam(arguments, environment, path):
    """What `sam` prints when it is called with these arguments. It may be called once in a process."""
    os.environ.update(environment)
    with path.open("w+b") as answer:
        os.dup2(answer.fileno(), sys.stdout.fileno())
        try:
            samcli.cli.main.cli(arguments)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{path.name}: SAM ended with {end.code}") from None
        sys.stdout.flush()
        return json.loads(path.read_bytes())


def serve(started, binary):
    """What tools/local_api.py answers while it runs; it has then ended."""
    [port] = local_lambda.free_ports(1)
    command = [sys.executable, TOOLS / "local_api.py", binary, port]
    environment = {**os.environ, "TMPDIR": str(started.directory)}
    api = started.start(command, environment, stop_seconds_max=STOP_SECONDS_MAX)

    def ask(path, form=None):
        """An answer in the shape of a function's own."""
        # As curl says it: SAM leaves the base64 of what nobody has said to accept, which API Gateway does not.
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", form, {"Accept": "*/*"})
        # A refused connection is that of an API which has not started yet.
        with local_lambda.until_it_works(lambda: urllib.request.urlopen(request, timeout=60), (OSError,)) as answer:
            body = base64.b64encode(answer.read()).decode()
        return {"statusCode": answer.status, "body": body, "isBase64Encoded": True}

    read = b'{"data": {"command": "read", "path": "terms.json"}}'
    served = {"get-object": ask("/cache/bonds.parquet"), "post-form": ask("/cache/api/v1.0/", read)}
    local_lambda.stop(api, STOP_SECONDS_MAX)
    return served


def containers(docker):
    """How many are of the image that SAM makes of ours."""
    of_ours = docker[0].split(":")[0]
    images = sam_local.output("docker", "ps", "--all", "--format", "{{.Image}}").splitlines()
    return sum(image.startswith(of_ours) for image in images)


if __name__ == "__main__":
    main()
