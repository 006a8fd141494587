"""Trials of the binary on real NFS: two processes, a client each, a third client that holds files open.

The table goes to the standard output; ends with 1 where anything is not as it must be.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import clients
import semantics

BINARY = "/trials/cache-api"
RECORD = pathlib.Path("/record/objects")
# Short, so that a thousand trials take minutes; the promise is the same.
MEMORY_MAX_AGE = 0.1
PATIENCE = 2
HELD = ("nothing", "body", "state", "token", "shard's epoch", "epoch", "all")


def environment(client, **settings):
    """The settings of a process on this client."""
    return {
        "PATH": os.environ["PATH"],
        "LOCAL_DATA_DIR": f"{clients.MOUNTS}/{client}/data",
        "CACHE_API_MEMORY_MAX_AGE": f"{int(MEMORY_MAX_AGE * 1000)}ms",
        # Doubts alone move what is served.
        "CACHE_API_LOCAL_MAX_AGE": "1d",
        **settings,
    }


class Server:
    """`cache-api serve` with LOCAL_DATA_DIR on one client's mount."""

    def __init__(self, client, port):
        self.client = client
        self.port = port
        self.log = open(f"/tmp/serve-{client}.log", "ab")
        command = [BINARY, "serve", "--source", str(RECORD), "--listen", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(command, env=environment(client), stdout=self.log, stderr=self.log)
        for _ in range(300):
            with contextlib.suppress(OSError):
                if self.ask("GET", "/health")[0] == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"no server: {pathlib.Path(self.log.name).read_text()}")

    def ask(self, method, path):
        # A connection of its own: an idle one is closed after a while.
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()


def change(key, body):
    """Puts `body` into the record, in one step."""
    aside = RECORD.with_name("aside")
    aside.write_bytes(body)
    aside.rename(RECORD / key)


def files(client, key):
    """Where what belongs to `key` is, as `client` sees it."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    base = next(pathlib.Path(f"{clients.MOUNTS}/{client}/data/.cache/v2").iterdir())
    place = base / digest[:2] / digest
    os.close(os.open(place, os.O_RDONLY))
    body = json.loads((place / "state.json").read_text())["state"]["body"]
    return {
        "body": place / body,
        "state": place / "state.json",
        "token": place / "doubt",
        "shard's epoch": base / digest[:2] / "epoch",
        "epoch": base / "epoch",
    }


def trial(number, doubting, reading, method, held, holder):
    """One doubt or eviction; answers for how long the other process served the old version, and whether all held bytes stayed."""
    key = f"key-{number}"
    old, new = (os.urandom(random.randrange(1, 40_000)) for _ in range(2))
    change(key, old)
    for server in (reading, doubting):
        status, body = server.ask("GET", f"/cache/{key}")
        assert (status, body) == (200, old), f"{status}: not the body that was put into the record"
    # In memory, looked at, and every name in the clients' caches.
    time.sleep(MEMORY_MAX_AGE)
    assert reading.ask("GET", f"/cache/{key}")[1] == old
    places = files(holder, key)
    names = list(places) if held == "all" else [held] if held != "nothing" else []
    handles = [os.open(places[name], os.O_RDONLY) for name in names]
    try:
        change(key, new)
        status, _ = doubting.ask(method, f"/cache/{key}")
        assert status in (200, 204), f"{method} answered {status}"
        returned = time.monotonic()
        stale = 0.0
        while True:
            asked = time.monotonic() - returned
            status, body = reading.ask("GET", f"/cache/{key}")
            if body == new:
                break
            assert (status, body) == (200, old), f"{status}: neither the old nor the new body"
            stale = asked
            if asked > PATIENCE:
                break
            # As late as is allowed, then often: the first read after that must be right.
            time.sleep(max(0.005, min(0.02, MEMORY_MAX_AGE - asked)))
        kept = True
        for name, handle in zip(names, handles, strict=True):
            if name == "body":
                kept = os.pread(handle, len(old) + 1, 0) == old
        return stale, kept
    finally:
        for handle in handles:
            os.close(handle)


def doubts(trials, file_system):
    """The table of trials by what is held; answers how many went wrong."""
    RECORD.mkdir(parents=True, exist_ok=True)
    servers = [Server("a", 5001), Server("b", 5002)]
    rows = {}
    wrong = 0
    try:
        for number in range(trials):
            doubting, reading = servers if number % 4 < 2 else reversed(servers)
            method = ("PUT", "DELETE")[number % 2]
            # Who reads, who doubts, or a third that does neither.
            holder = ("c", reading.client, doubting.client)[number // 4 % 3]
            held = HELD[number // 12 % len(HELD)]
            stale, kept = trial(number, doubting, reading, method, held, holder)
            row = rows.setdefault(held, [0, 0, 0, 0.0])
            row[0] += 1
            row[1] += stale > MEMORY_MAX_AGE
            row[2] += not kept
            row[3] = max(row[3], stale)
            wrong += stale > MEMORY_MAX_AGE or not kept
            if stale > MEMORY_MAX_AGE:
                print(f"  {method} on {doubting.client}, read on {reading.client}, {held} held on {holder}: old for {stale:.2f} s")
    finally:
        for server in servers:
            server.stop()
        # The next trials need the room.
        for directory in (RECORD, pathlib.Path(environment("a")["LOCAL_DATA_DIR"])):
            shutil.rmtree(directory)
    print(f"\n{file_system}: doubts on one client, seen on another; MEMORY_MAX_AGE is {MEMORY_MAX_AGE * 1000:.0f} ms")
    print("held open by a third       trials  too late  held bytes lost  old for at most")
    for held, (count, late, lost, stale) in rows.items():
        print(f"{held:25} {count:7} {late:9} {lost:16} {stale * 1000:13.0f} ms")
    sys.stdout.flush()
    return wrong


def sweep(client, **settings):
    """Sweeps from `client`, two hours later: whatever was left behind before is past its grace. Answers what was done."""
    subprocess.run(["date", "--set", f"@{int(time.time()) + 2 * 60 * 60}"], check=True, stdout=subprocess.DEVNULL)
    command = [BINARY, "sweep", "--source", str(RECORD)]
    swept = subprocess.run(command, env=environment(client, **settings), check=True, capture_output=True, text=True)
    return json.loads(swept.stdout)


def sweeps(file_system):
    """Sweeps on one client while another serves and a third holds bodies open; answers how many expectations failed."""
    # The current bodies are more than the smallest budget there is.
    keys = [f"swept-{number}" for number in range(17)]
    new = {key: f"new {key}".encode().ljust(4 << 20, b".") for key in keys}
    RECORD.mkdir(parents=True, exist_ok=True)
    servers = [Server("a", 5001), Server("b", 5002)]
    doubting, reading = servers
    print(f"\n{file_system}: sweeps on one client, another serves, a third holds old and current bodies open")
    outcomes = []
    handles = {}
    try:
        for key in keys:
            for body in (f"old {key}".encode(), new[key]):
                change(key, body)
                assert doubting.ask("PUT", f"/cache/{key}")[0] in (200, 204)
                handles[os.open(files("c", key)["body"], os.O_RDONLY)] = body
            (files("a", key)["body"].parent / f".nfs{os.urandom(12).hex()}").write_bytes(b"of a client that died")
            reading.ask("GET", f"/cache/{key}")

        def right(what):
            # As memory has it, then from the directory.
            for server in servers:
                for key in keys:
                    answer = server.ask("GET", f"/cache/{key}")
                    outcomes.append((what, answer == (200, new[key])))
            for handle, body in handles.items():
                outcomes.append((f"{what}, held bodies", os.pread(handle, len(body) + 1, 0) == body))

        right("before")
        first = sweep("a")
        outcomes.append((f"superseded bodies and leftovers to the trash: {first}", first["trashed"] >= 2 * len(keys)))
        right("after a sweep")
        second = sweep("b")
        outcomes.append((f"from there unlinked: {second}", second["unlinked"] >= 2 * len(keys)))
        right("after their removal")
        third = sweep("b", CACHE_API_LOCAL_BUDGET="64MiB")
        outcomes.append((f"evicted down to the budget: {third}", third["evicted"] > 0 and third["failed"] == 0))
        right("after an eviction")
        for server in servers:
            server.stop()
        servers[:] = [Server("a", 5001), Server("b", 5002)]
        right("after a new start")
    finally:
        for handle in handles:
            os.close(handle)
        for server in servers:
            server.stop()
    tally = {}
    for what, kept in outcomes:
        row = tally.setdefault(what, [0, 0])
        row[0] += kept
        row[1] += 1
    for what, (kept, count) in tally.items():
        print(f"{'ok   ' if kept == count else 'WRONG'} {kept} of {count} {what}")
    sys.stdout.flush()
    return sum(not kept for _, kept in outcomes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--only", choices=["ext4", "tmpfs"])
    arguments = parser.parse_args([argument for argument in sys.argv[1:] if argument])
    # EFS gives no delegations.
    pathlib.Path("/proc/sys/fs/leases-enable").write_text("0")
    wrong = 0
    for file_system in [arguments.only] if arguments.only else ["ext4", "tmpfs"]:
        with clients.mounted(file_system):
            wrong += semantics.tried(file_system)
            wrong += doubts(arguments.trials, file_system)
            wrong += sweeps(file_system)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
