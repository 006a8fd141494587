#!/usr/bin/env python3
"""Takes the guards of tools/mutants.toml out of the source, one at a time, and sees to it that a test fails each time.

tools/mutants.py [--check] [NAME…]: --check says only whether each can still be taken out. CARGO is what builds, in a copy of the
sources under CARGO_TARGET_DIR/mutants (or target/mutants), so that whatever happens here leaves the checkout as it is.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tools/mutants.toml"
# What cargo needs to build the tests of the core; `tests` has tables that these read.
COPIED = ["Cargo.toml", "Cargo.lock", "src", "benches", "tests"]
BUILD = ["test", "--locked", "--no-default-features", "--lib", "--no-run", "--message-format=json-render-diagnostics"]
# All tests of a mutant take a second or two; one that waits for ever has not failed by its own sentence.
SECONDS_MAX = 120


class Wrong(Exception):
    """What keeps a mutant from saying anything."""


def read_table():
    mutants = tomllib.loads(TABLE.read_text())["mutant"]
    for mutant in mutants:
        missing = {"name", "guards", "promise", "tests", "edits"} - mutant.keys()
        if missing or not mutant["tests"] or not mutant["edits"]:
            raise Wrong(f"mutant {mutant.get('name')} has no {', '.join(sorted(missing)) or 'tests or no edits'}")
    names = [mutant["name"] for mutant in mutants]
    if len(set(names)) != len(names):
        raise Wrong("two mutants have one name")
    return mutants


def mutate(mutant, root):
    """The files below `root` that the mutant changes: what is in them, and what will be."""
    before, after = {}, {}
    for edit in mutant["edits"]:
        file, old = edit["file"], edit["old"].strip("\n")
        if file not in before:
            before[file] = (root / file).read_text() if (root / file).is_file() else ""
        text = after.get(file, before[file])
        if text.count(old) != 1:
            raise Wrong(f"mutant {mutant['name']} does not apply any more: {text.count(old)} times in {file}:\n{old}")
        after[file] = text.replace(old, edit["new"].strip("\n"))
    return before, after


def copy(source):
    """Makes `source` what the checkout is. What has not changed keeps its time, so that cargo builds only what has."""
    wanted = set()
    for name in COPIED:
        path = ROOT / name
        wanted.update([path] if path.is_file() else (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts))
    there = {p for p in source.rglob("*") if p.is_file()}
    for gone in there - {source / path.relative_to(ROOT) for path in wanted}:
        gone.unlink()
    for path in wanted:
        put(source / path.relative_to(ROOT), path.read_bytes())


def put(path, content):
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def build(source, target, mutant):
    """The test binary, with the features that the mutant's tests need."""
    command = [*shlex.split(os.environ.get("CARGO", "cargo")), *BUILD, "--features", mutant.get("features", "")]
    # The mutants' own warnings (an argument that is not used any more) say nothing.
    env = os.environ | {"CARGO_TARGET_DIR": str(target), "CARGO_TERM_QUIET": "true"}
    done = subprocess.run(command, cwd=source, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Wrong(f"it does not compile:\n{done.stderr[-3000:]}")
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return [message["executable"] for message in messages if message.get("executable")][-1]


def run(binary, filters, source):
    """How many tests passed, and which failed. A group of its own, so that a test that hangs takes what it started with it."""
    command = [binary, "--color=never", *filters]
    process = subprocess.Popen(
        command, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Wrong(f"its tests do not end within {SECONDS_MAX} s")
    passed = len(re.findall(r"^test \S+.* \.\.\. ok$", output, re.M))
    failed = re.findall(r"^test (\S+).* \.\.\. FAILED$", output, re.M)
    if process.returncode == -signal.SIGABRT:
        # A test of orders has failed, and what its tasks held has panicked as well when shuttle let go of it.
        failed += re.findall(r"^thread '(\w+::\S+)' \(\d+\) panicked at", output, re.M)
    if process.returncode and not failed:
        raise Wrong(f"its tests end with {process.returncode}, and none has failed:\n{output[-2000:]}")
    return passed, failed


def kill(mutant, source, target):
    """The first test that fails."""
    before, after = mutate(mutant, source)
    for file, text in after.items():
        put(source / file, text.encode())
    try:
        _, failed = run(build(source, target, mutant), mutant["tests"], source)
    finally:
        for file, text in before.items():
            put(source / file, text.encode())
    if not failed:
        raise Wrong(f"SURVIVES: no test of {mutant['tests']} fails without this guard: {mutant['guards']}")
    return failed[0]


def main(arguments):
    mutants = read_table()
    for mutant in mutants:
        mutate(mutant, ROOT)
    if "--check" in arguments:
        print(f"{len(mutants)} mutants apply")
        return 0
    chosen = [mutant for mutant in mutants if not arguments or mutant["name"] in arguments]
    if not chosen or len(chosen) < len(arguments):
        raise Wrong(f"there is no such mutant; there are {', '.join(mutant['name'] for mutant in mutants)}")
    directory = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "mutants"
    source, target = directory / "source", directory / "build"
    source.mkdir(parents=True, exist_ok=True)
    copy(source)
    binaries, whole = {}, {}
    for mutant in chosen:
        features = mutant.get("features", "")
        if features not in binaries:
            binaries[features] = build(source, target, mutant)
        for filtered in mutant["tests"]:
            if (features, filtered) not in whole:
                whole[features, filtered] = run(binaries[features], [filtered], source)
            passed, failed = whole[features, filtered]
            if failed or not passed:
                raise Wrong(f"with every guard in place, {filtered} of {mutant['name']}: {passed} passed, {failed} failed")
    wrong = 0
    print("| guard | without it breaks | killed by | s |\n|---|---|---|---|", flush=True)
    for mutant in chosen:
        started = time.monotonic()
        try:
            killed_by = f"`{kill(mutant, source, target)}`"
        except Wrong as error:
            wrong += 1
            killed_by = f"**{error}**"
        seconds = time.monotonic() - started
        print(f"| {mutant['name']}: {mutant['guards']} | {mutant['promise']} | {killed_by} | {seconds:.0f} |", flush=True)
    print(f"\n{len(chosen)} mutants, {len(chosen) - wrong} killed", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Wrong as wrong:
        sys.exit(f"mutants: {wrong}")
