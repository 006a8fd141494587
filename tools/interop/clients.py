"""The client matrix of docs/API.md: calls of other people's clients with their defaults, each with what it has to come to.

A call stands in the document as it is run here, with `cache` for http://127.0.0.1:5000/cache and the others for names below.
"""

import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections import namedtuple

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SAMPLES = ROOT / "sample-data"
API = ROOT / "docs" / "API.md"
MARKS = "<!-- What `make interop` got, and writes. -->", "<!-- So far. -->"
CELL_BAR = "\\|"
TIME_MAX = 60

# A call of a client, and what it has to come to.
Call = namedtuple("Call", "client call wanted")
# A call that was made, by which version of the client, and what it came to.
Row = namedtuple("Row", "client version call result wanted")

PYTHON = [
    Call("requests", 'requests.get(f"{cache}/prices.csv").text == prices', "True"),
    Call("requests", 'requests.get(f"{cache}/prices.csv").headers["content-encoding"]', "'br'"),
    Call("requests", 'requests.get(f"{cache}/prices.csv", headers={"Range": "bytes=-5"}).status_code', "206"),
    Call("requests", 'requests.head(f"{cache}/bonds.parquet").headers["content-length"]', "'7982'"),
    Call("requests", 'requests.get(f"{cache}/nothing").json()["status"]', "404"),
    Call("fsspec", 'fsspec.filesystem("http").info(f"{cache}/bonds.parquet")["size"]', "7982"),
    Call("fsspec", 'fsspec.filesystem("http").cat_file(f"{cache}/prices.csv", start=11, end=16)', "b'cusip'"),
    Call("fsspec", 'seek_and_read(fsspec.open(f"{cache}/bonds.parquet", block_size=64), -4, 2)', "b'PAR1'"),
    Call("fsspec", 'seek_and_read(fsspec.open(f"{cache}/prices.csv", block_size=64), 11, 0)', "b'cusi'"),
    Call("pandas", 'pandas.read_csv(f"{cache}/prices.csv").shape', "(252, 7)"),
    Call("pandas", 'pandas.read_parquet(f"{cache}/bonds.parquet").shape', "(781, 4)"),
    Call("pandas", 'pandas.read_feather(f"{cache}/bonds.parquet?format=arrow&where=price+IS+NULL").shape', "(4, 4)"),
    Call("pandas", 'pandas.read_json(f"{cache}/prices.csv?format=ndjson&limit=3", lines=True)["price"].tolist()', "[96.124, 93.736, 101.703]"),
    Call("polars", 'polars.scan_parquet(f"{cache}/bonds.parquet").select("cusip", "price").collect().shape', "(781, 2)"),
    Call("polars", 'polars.scan_parquet(f"{cache}/bonds.parquet").filter(polars.col("price").is_null()).collect().height', "4"),
    Call("polars", 'polars.scan_parquet(f"{cache}/prices.csv?format=parquet").filter(polars.col("coupon") > 4).collect().shape', "(63, 7)"),
    Call("polars", 'polars.read_csv(f"{cache}/bonds.parquet?format=csv").shape', "(781, 4)"),
    Call("polars", 'polars.read_ipc(f"{cache}/prices.csv?format=arrow").shape', "(252, 7)"),
    Call("pyarrow", 'pyarrow.parquet.read_table(f"{cache}/bonds.parquet", filesystem=fsspec.filesystem("http")).num_rows', "781"),
    Call("pyarrow", 'pyarrow.ipc.open_stream(urlopen(f"{cache}/prices.csv?format=arrows")).read_all().num_rows', "252"),
    Call("pyarrow", 'pyarrow.csv.read_csv(urlopen(f"{cache}/prices.csv")).num_columns', "7"),
    Call("duckdb", 'duckdb.read_parquet(fetched(f"{cache}/bonds.parquet")).filter("price IS NULL").shape', "(4, 4)"),
    Call("duckdb", 'duckdb.read_csv(fetched(f"{cache}/bonds.parquet?format=csv")).aggregate("count(price)").fetchall()', "[(777,)]"),
    Call("duckdb", 'duckdb.read_json(fetched(f"{cache}/prices.csv?format=json")).shape', "(252, 7)"),
]
# What the calls name besides the clients.
PRELUDE = {
    "prices": (SAMPLES / "prices.csv").read_text(),
    "urlopen": urllib.request.urlopen,
}

SHELL = [
    Call("curl", "curl -s $cache/prices.csv | cmp - prices.csv && echo the same", "the same"),
    Call("curl", "curl -s -r 11-15 $cache/prices.csv", "cusip"),
    Call("curl", "curl -s -r 0-9,5000-5009,-10 $cache/prices.csv | grep -ci '^content-range'", "3"),
    Call("curl", "head -c 1000 bonds.parquet > part; curl -s -C - -o part $cache/bonds.parquet; cmp part bonds.parquet && echo the same", "the same"),
    Call("curl", "curl -s --compressed -D head $cache/prices.csv | cmp - prices.csv && grep -ci '^content-encoding' head", "1"),
    Call("curl", "curl -s --etag-save tag -o all $cache/prices.csv; curl -s --etag-compare tag -w '%{http_code}' $cache/prices.csv", "304"),
    Call("curl", "curl -s -R -o all $cache/prices.csv; curl -s -z all -w '%{http_code}' $cache/prices.csv", "304"),
    Call("curl", "curl -sf $cache/nothing; echo $?", "22"),
]

NODE = [
    Call("axios", "(await axios.get(`${cache}/prices.csv`)).data === prices", "true"),
    Call("axios", "(await axios.get(`${cache}/prices.csv?format=json&limit=2`)).data.length", "2"),
    Call("axios", "(await axios.get(`${cache}/bonds.parquet`, { responseType: 'arraybuffer' })).data.length", "7982"),
    Call("axios", "(await axios.get(`${cache}/prices.csv`, { headers: { Range: 'bytes=11-15' } })).data", "cusip"),
    Call("axios", "(await axios.head(`${cache}/prices.csv`)).headers['content-type']", "text/csv"),
    Call("axios", "(await axios.get(`${cache}/nothing`).catch(error => error)).response.data.type", "/problems/not-found"),
]


def seek_and_read(opened, place, whence):
    with opened as file:
        file.seek(place, whence)
        return file.read(4)


def ask(url, writes):
    """Makes all calls. Whether each came to what it has to, and docs/API.md has just these rows; `writes` puts them there."""
    rows = made(url)
    for row in rows:
        is_right = row.result == row.wanted
        print(f"{'right' if is_right else 'WRONG'}: {row.client} {row.version}: {row.call}: {row.result}", flush=True)
    text = API.read_text()
    before, _, rest = text.partition(MARKS[0])
    there, _, after = rest.partition(MARKS[1])
    if writes:
        API.write_text(before + MARKS[0] + table(rows) + MARKS[1] + after)
        there = table(rows)
    return all(row.result == row.wanted for row in rows) and is_there(rows, there)


def table(rows):
    """As Markdown. In a cell a bar would end it."""
    lines = ["| client | call | result |", "|---|---|---|"]
    for row in rows:
        # JavaScript has grave accents of its own.
        mark = "``" if "`" in row.call else "`"
        cells = [f"{row.client} {row.version}", f"{mark}{row.call}{mark}", f"`{row.result}`"]
        lines.append(f"| {' | '.join(cell.replace('|', CELL_BAR) for cell in cells)} |")
    return "\n\n" + "\n".join(lines) + "\n\n"


def is_there(rows, text):
    """Whether a table has these rows. The machine's own curl may be another, and without npm there is no axios."""
    clients = {row.client for row in rows}

    def comparable(text):
        named = [re.sub(r"^\| curl \S+", "| curl", line) for line in text.splitlines()]
        return [line for line in named if any(line.startswith(f"| {client}") for client in clients)]

    is_same = comparable(table(rows)) == comparable(text)
    if not is_same:
        print("docs/API.md has other rows than these; make interop writes them", flush=True)
    return is_same


def made(url):
    """Makes all calls of a server; answers the rows."""
    cache = f"{url}/cache"
    with tempfile.TemporaryDirectory() as scratch:
        for sample in ("prices.csv", "bonds.parquet"):
            shutil.copy(SAMPLES / sample, scratch)
        scratch = pathlib.Path(scratch)
        return [*by_python(cache, scratch), *by_shell(cache, scratch), *by_node(cache, scratch)]


def by_python(cache, scratch):
    def fetched(address):
        """The path of a file with what `requests` got."""
        target = scratch / "fetched"
        target.write_bytes(modules["requests"].get(address).content)
        return str(target)

    modules = {call.client: importlib.import_module(call.client) for call in PYTHON}
    for name in ("csv", "ipc", "parquet"):
        importlib.import_module(f"pyarrow.{name}")
    names = PRELUDE | modules | {"cache": cache, "fetched": fetched, "seek_and_read": seek_and_read}
    for client, call, wanted in PYTHON:
        try:
            result = repr(eval(call, names))
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        yield Row(client, modules[client].__version__, call, result, wanted)


def by_shell(cache, scratch):
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    for client, call, wanted in SHELL:
        command = ["bash", "-c", call]
        ran = subprocess.run(command, cwd=scratch, env={"PATH": os.environ["PATH"], "cache": cache}, capture_output=True, text=True, timeout=TIME_MAX)
        yield Row(client, version, call, ran.stdout.strip(), wanted)


def by_node(cache, scratch):
    axios = pathlib.Path(sys.prefix) / "node_modules" / "axios"
    if shutil.which("node") is None or not axios.exists():
        print("SKIPPED: no npm here, and so no axios", flush=True)
        return
    version = json.loads((axios / "package.json").read_text())["version"]
    for client, call, wanted in NODE:
        script = f"""
            import axios from {json.dumps(str(axios / "index.js"))};
            import {{ readFileSync }} from "node:fs";
            const [cache, prices] = [{json.dumps(cache)}, readFileSync("prices.csv", "utf8")];
            console.log({call});
        """
        command = ["node", "--input-type=module", "--eval", script]
        ran = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=TIME_MAX)
        yield Row(client, version, call, ran.stdout.strip() or ran.stderr.strip(), wanted)
