"""Tables for the tests of formats and slices, and what other programs make of them.

    tables.py make FOLDER        writes the same table in every format that is parsed
    tables.py compare FOLDER URL asks the service for forms and slices of these, and pandas, pyarrow, polars and DuckDB what they
                                 read in the answers; DuckDB says what a slice of the file is
"""

import datetime
import decimal
import io
import json
import math
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

ROWS = 5_000
BODIES = ["t.parquet", "t.arrow", "t.arrows", "t.feather", "t.csv", "t.ndjson", "t.json"]


def table():
    start = datetime.datetime(2024, 1, 1)
    rows = range(ROWS)
    kinds = ["bond", "note", "bill", None, "Bond", ""]
    return pyarrow.table(
        {
            "n": pyarrow.array(rows, pyarrow.int64()),
            "small": pyarrow.array([row % 200 for row in rows], pyarrow.uint8()),
            "price": pyarrow.array([None if row % 17 == 0 else (row * 7919 % 1000) / 8 for row in rows], pyarrow.float64()),
            "kind": pyarrow.array([kinds[row % 6] for row in rows], pyarrow.string()),
            "name": pyarrow.array([f"été \"{row}\", <b>" for row in rows], pyarrow.string()),
            "yes": pyarrow.array([None if row % 5 == 0 else row % 2 == 0 for row in rows], pyarrow.bool_()),
            "day": pyarrow.array([start.date() + datetime.timedelta(days=row // 10) for row in rows], pyarrow.date32()),
            "seen": pyarrow.array([start + datetime.timedelta(minutes=row) for row in rows], pyarrow.timestamp("us")),
            "paid": pyarrow.array([decimal.Decimal(row) / 100 for row in rows], pyarrow.decimal128(12, 2)),
        }
    )


def make(folder):
    whole = table()
    pyarrow.parquet.write_table(whole, folder / "t.parquet", row_group_size=500)
    with pyarrow.ipc.new_file(folder / "t.arrow", whole.schema) as writer:
        writer.write_table(whole, max_chunksize=700)
    with pyarrow.ipc.new_stream(folder / "t.arrows", whole.schema) as writer:
        writer.write_table(whole, max_chunksize=700)
    pyarrow.feather.write_feather(whole, str(folder / "t.feather"), compression="zstd")
    frame = whole.to_pandas()
    frame.to_csv(folder / "t.csv", index=False)
    text = whole.set_column(8, "paid", whole["paid"].cast(pyarrow.float64())).to_pandas()
    text["day"] = text["day"].astype(str)
    text["seen"] = text["seen"].astype(str)
    text.to_json(folder / "t.ndjson", orient="records", lines=True)
    text.to_json(folder / "t.json", orient="records")
    wide = {f"c{column}": pyarrow.array([column * row for row in range(2_000)]) for column in range(200)}
    pyarrow.parquet.write_table(pyarrow.table(wide), folder / "wide.parquet")


def get(url, parameters=None, headers=None):
    query = urllib.parse.urlencode(parameters or {})
    request = urllib.request.Request(f"{url}?{query}" if query else url, headers=headers or {})
    with urllib.request.urlopen(request) as answer:
        return answer.read(), answer.headers


# What each client reads of an answer, as rows of Python values.
READERS = {
    ("parquet", "pandas"): lambda body: of_pandas(pandas.read_parquet(io.BytesIO(body))),
    ("parquet", "pyarrow"): lambda body: pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist(),
    ("parquet", "polars"): lambda body: polars.read_parquet(body).to_dicts(),
    ("parquet", "duckdb"): lambda body: of_duckdb(body, "parquet", "read_parquet"),
    ("arrow", "pandas"): lambda body: of_pandas(pandas.read_feather(io.BytesIO(body))),
    ("arrow", "pyarrow"): lambda body: pyarrow.ipc.open_file(body).read_all().to_pylist(),
    ("arrow", "polars"): lambda body: polars.read_ipc(body).to_dicts(),
    ("arrows", "pyarrow"): lambda body: pyarrow.ipc.open_stream(body).read_all().to_pylist(),
    ("arrows", "polars"): lambda body: polars.read_ipc_stream(body).to_dicts(),
    ("csv", "pandas"): lambda body: of_pandas(pandas.read_csv(io.BytesIO(body), keep_default_na=False, na_values={"price": [""], "yes": [""]})),
    ("csv", "pyarrow"): lambda body: pyarrow.csv.read_csv(io.BytesIO(body)).to_pylist(),
    ("csv", "polars"): lambda body: polars.read_csv(body, infer_schema_length=None).to_dicts(),
    ("csv", "duckdb"): lambda body: of_duckdb(body, "csv", "read_csv"),
    ("json", "python"): json.loads,
    ("json", "pandas"): lambda body: of_pandas(pandas.read_json(io.BytesIO(body))),
    ("json", "duckdb"): lambda body: of_duckdb(body, "json", "read_json"),
    ("json-columns", "python"): lambda body: of_columns(json.loads(body)),
    ("ndjson", "polars"): lambda body: polars.read_ndjson(body).to_dicts(),
    ("ndjson", "pandas"): lambda body: of_pandas(pandas.read_json(io.BytesIO(body), lines=True)),
    ("ndjson", "duckdb"): lambda body: of_duckdb(body, "ndjson", "read_json"),
}

FOLDER = None


def of_pandas(frame):
    return frame.to_dict("records")


def of_columns(columns):
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def of_duckdb(body, ending, reader):
    path = FOLDER / f"answer.{ending}"
    path.write_bytes(body)
    try:
        return rows_of(duckdb.sql(f"SELECT * FROM {reader}('{path}')"))
    finally:
        path.unlink()


def rows_of(relation):
    return [dict(zip(relation.columns, row)) for row in relation.fetchall()]


def plain(value):
    """A value as all of them have it: what one has as a date another has as its text."""
    if value is None or value is pandas.NaT or value is pandas.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        for parse in (datetime.datetime.fromisoformat, float):
            try:
                return plain(parse(value))
            except ValueError:
                pass
        # csv has no null that is not an empty text for all of its readers.
        return {"True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0, "": None}.get(value, value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day).isoformat()
    if isinstance(value, (bool, int, float, decimal.Decimal)) or hasattr(value, "item"):
        return round(float(value), 6)
    return value


def same(ours, theirs):
    as_plain = lambda rows: [[plain(value) for value in row.values()] for row in rows]
    return as_plain(ours) == as_plain(theirs)


# Parameters, and what is SQL for them.
SLICES = [
    ({}, "SELECT *"),
    ({"columns": "kind,n"}, "SELECT kind, n"),
    ({"where": "price > 100 AND kind = 'bond'"}, "SELECT * WHERE price > 100 AND kind = 'bond'"),
    ({"where": "price IS NULL OR NOT yes"}, "SELECT * WHERE price IS NULL OR NOT yes"),
    ({"where": "n IN (1, 2, 4999, 7000)"}, "SELECT * WHERE n IN (1, 2, 4999, 7000)"),
    ({"where": "n NOT BETWEEN 3 AND 4990"}, "SELECT * WHERE n NOT BETWEEN 3 AND 4990"),
    ({"where": "kind NOT IN ('bond', 'Bond')"}, "SELECT * WHERE kind NOT IN ('bond', 'Bond')"),
    ({"where": "name LIKE '%1_\", <b>'"}, "SELECT * WHERE name LIKE '%1_\", <b>'"),
    ({"where": "lower(kind) = 'bond' AND length(name) > 11"}, "SELECT * WHERE lower(kind) = 'bond' AND length(name) > 11"),
    ({"where": "n % 7 = 3 AND n * 2 + 1 > 9000"}, "SELECT * WHERE n % 7 = 3 AND n * 2 + 1 > 9000"),
    ({"where": "price / 2 > 60.1 OR abs(price - 50) < 1"}, "SELECT * WHERE price / 2 > 60.1 OR abs(price - 50) < 1"),
    ({"where": "coalesce(price, -1) < 0"}, "SELECT * WHERE coalesce(price, -1) < 0"),
    ({"where": "small - 1 < 0"}, "SELECT * WHERE small::INT - 1 < 0"),
    ({"where": "day >= '2025-01-01' AND day < '2025-01-03'"}, "SELECT * WHERE day >= '2025-01-01' AND day < '2025-01-03'"),
    ({"where": "seen = '2024-01-02 00:00:00'"}, "SELECT * WHERE seen = '2024-01-02 00:00:00'"),
    ({"where": "paid = 12.34"}, "SELECT * WHERE paid = 12.34"),
    ({"order_by": "kind desc, price", "columns": "kind,price", "limit": "1200"},
     "SELECT kind, price ORDER BY kind DESC NULLS LAST, price NULLS LAST LIMIT 1200"),
    ({"offset": "4995"}, "SELECT * OFFSET 4995"),
    ({"offset": "1234", "limit": "777", "columns": "n,seen"}, "SELECT n, seen LIMIT 777 OFFSET 1234"),
    ({"where": "n < 0"}, "SELECT * WHERE n < 0"),
]

# Dates and texts that are null or empty are not told apart by these formats, or not alike by their readers.
TYPED = {"t.parquet", "t.arrow", "t.arrows", "t.feather"}
DATES = ("day", "seen")


def select(statement, path):
    head, _, rest = statement.partition(" WHERE ")
    if rest:
        return f"{head} FROM {path} WHERE {rest}"
    for word in (" ORDER BY ", " LIMIT ", " OFFSET "):
        if word in statement:
            head, _, rest = statement.partition(word)
            return f"{head} FROM {path}{word}{rest}"
    return f"{statement} FROM {path}"


def compare(folder, url):
    global FOLDER
    FOLDER = folder
    truth = table()
    failures = []
    lines = []

    def check(what, passed):
        lines.append(what)
        if not passed:
            failures.append(what)

    def read(form, client, body, what):
        try:
            return READERS[form, client](body)
        except Exception as error:  # every failure is a row of the answer
            failures.append(f"{what}: {error!r}")
            return []

    whole = rows_of(duckdb.sql("SELECT * FROM truth"))
    for (form, client) in READERS:
        body, headers = get(f"{url}/t.parquet", {"format": form})
        what = f"{client} reads {form} of t.parquet"
        check(what, same(read(form, client, body, what), whole))
        body, _ = get(f"{url}/t.arrow", {"format": form, "where": "n >= 100 AND n < 200"})
        what = f"{client} reads {form} of a slice of t.arrow"
        check(what, same(read(form, client, body, what), whole[100:200]))
    for name in BODIES:
        for parameters, statement in SLICES:
            where = parameters.get("where", "")
            if name not in TYPED and any(date in where for date in DATES):
                continue
            what = f"{name} {parameters}"
            try:
                body, _ = get(f"{url}/{name}", {**parameters, "format": "arrow"})
            except urllib.error.HTTPError as error:
                failures.append(f"{what}: {error.code} {error.read()!r}")
                continue
            ours = pyarrow.ipc.open_file(body).read_all().to_pylist()
            if name == "t.csv" and "kind" in where + parameters.get("order_by", ""):
                # To pandas, which wrote it, and to us an empty field is null; so is an empty text then.
                csv = truth.to_pandas().replace({"kind": {"": None}})
                theirs = rows_of(duckdb.sql(select(statement, "csv")))
            else:
                theirs = rows_of(duckdb.sql(select(statement, "truth")))
            check(what, same(ours, theirs))
    for line in lines:
        print(line)
    for failure in failures:
        print("FAILED:", failure)
    print(f"{len(lines) - len(failures)} of {len(lines)} alike")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        compare(Path(sys.argv[2]), sys.argv[3])
