#!/usr/bin/env python3
"""Has independent clients and checkers ask a real server, started here and ended with this program.

    tools/interop/run.py BINARY OUTPUT --examples NUMBER [--write]

Clients make the calls of docs/API.md, schemathesis asks all that /openapi.json allows and much that it does not, REDbot looks at
the headers of our resources, and Chromium, where there is one, prints pages into OUTPUT. Ends with 1 where one of them finds
a mistake, or docs/API.md has other rows than the clients got; `--write` writes them there.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import clients

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(sys.prefix) / "bin"
CONFIG = pathlib.Path(__file__).with_name("schemathesis.toml")
# The same requests each time, so that a failure can be had again; hence one worker, too, for it learns from answers.
SEED = "20170910"
RESOURCES = ["/cache/prices.csv", "/cache/bonds.parquet", "/cache/prices.csv?format=json", "/cache?path=prices.csv", "/cache"]
RESOURCES += ["/cache/nothing.csv", "/problems/not-found", "/docs", "/openapi.json", "/health"]
# A command has a path and no function; a batch has a body and no path; a part of a table is of the columns that it has; a
# condition is of the version that there is; a call has the parameters of its function, and a statement those that stand in it.
KEYED = ["create_object", "evict_object", "get_object", "head_object", "update_object"]
DEPENDENT = [*KEYED, "create_many", "evict_named", "get_or_list", "head_or_telemetry", "run_form", "run_query", "run_query_unseen"]
DEPENDENT += ["update_named", "call_function", "call_function_unseen", "call_function_with", "deploy_function"]
DEPENDENT += ["ask_query", "ask_query_unseen", "ask_form"]
PAGES = {"docs": "/docs", "table": "/cache/prices.csv?format=html"}
TIME_MAX = 1200


def serve(binary, held):
    """Starts the server over the sample data; answers the process and its URL."""
    environment = {"PATH": os.environ["PATH"], "LOCAL_DATA_DIR": held, "CACHE_API_LOG": "error"}
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--source", str(ROOT / "sample-data")]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    first = server.stdout.readline()
    return server, first.split()[-1]


def schemathesis(url, examples):
    """So many examples of each operation, with all checks; but for one of those whose parameters depend on one another, which
    OpenAPI cannot say. Those with a key are asked once more of an object that is there."""
    command = ["run", f"{url}/openapi.json", "--checks", "all", "--seed", SEED]
    # The phase `coverage` of 4.32 fails in its own code on a schema with `oneOf`.
    command += ["--max-examples", examples, "--workers", "1", "--phases", "examples,fuzzing"]
    others = [word for name in DEPENDENT for word in ("--exclude-operation-id", name)]
    these, keyed = ([word for name in names for word in ("--include-operation-id", name)] for names in (DEPENDENT, KEYED))
    leave_out = ["--exclude-checks", "positive_data_acceptance"]
    runs = [[*command, *others], [*command, *these, *leave_out], ["--config-file", CONFIG, *command, *keyed, *leave_out]]
    program = BIN / "schemathesis"
    return all([subprocess.run([program, *run], cwd=ROOT, timeout=TIME_MAX).returncode == 0 for run in runs])


def redbot(url):
    """REDbot gives each of its notes a level; BAD is a mistake."""
    is_fine = True
    for resource in RESOURCES:
        asked = subprocess.run([BIN / "redbot", "-o", "har", url + resource], capture_output=True, text=True, timeout=60)
        entries = json.loads(asked.stdout)["log"]["entries"]
        notes = [note for entry in entries for note in entry.get("_red_messages", [])]
        bad = [note["summary"] for note in notes if note["level"].lower() == "bad"]
        print(f"redbot {resource}: {'; '.join(bad) or 'nothing wrong'}", flush=True)
        is_fine = is_fine and bool(notes) and not bad
    return is_fine


def screenshots(url, output):
    """As wide as a desk, and as a phone."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("SKIPPED: no Chromium here, and so no screenshots", flush=True)
        return True
    output.mkdir(parents=True, exist_ok=True)
    is_fine = True
    for page, path in PAGES.items():
        for device, size in [("desk", "1200,2400"), ("phone", "500,2400")]:
            target = output / f"{page}-{device}.png"
            target.unlink(missing_ok=True)
            with tempfile.TemporaryDirectory() as profile:
                flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
                command = [browser, *flags, f"--window-size={size}", f"--screenshot={target}", url + path]
                subprocess.run(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120)
            print(f"chromium: {target.relative_to(ROOT) if target.is_relative_to(ROOT) else target}", flush=True)
            is_fine = is_fine and target.exists()
    return is_fine


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        server, url = serve(arguments.binary, held)
        try:
            found = {
                "clients": clients.ask(url, arguments.write),
                "redbot": redbot(url),
                "chromium": screenshots(url, arguments.output),
                "schemathesis": schemathesis(url, arguments.examples),
            }
            found["the server"] = server.poll() is None
        finally:
            server.terminate()
            server.wait(30)
    for name, is_fine in found.items():
        print(f"{name}: {'ok' if is_fine else 'FAILED'}")
    sys.exit(0 if all(found.values()) else 1)


if __name__ == "__main__":
    main()
