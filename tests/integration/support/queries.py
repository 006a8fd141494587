"""Queries of the service, and what DuckDB and pandas say to the same over the same files.

    queries.py FOLDER URL    the files are tables.py's and those that this writes beside them before it asks
"""

import decimal
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
import pyarrow.parquet

# A table stands as {name}: DuckDB reads the file, the service the key. Each has an order, or is sorted before it is compared.
QUERIES = [
    "SELECT kind, count(*) AS n, sum(small) AS total, avg(price) AS mean FROM {t.parquet} GROUP BY kind",
    "SELECT n, price * 2 + 1 AS p FROM {t.parquet} WHERE n BETWEEN 100 AND 120 ORDER BY n",
    "SELECT n FROM {t.parquet} WHERE n > 4990 OR n IN (3, 5, 7)",
    "SELECT n FROM {t.parquet} WHERE price > 124.5 AND kind = 'bond'",
    "SELECT n FROM {t.parquet} WHERE kind IS NULL AND n < 100",
    "SELECT n FROM {t.parquet} WHERE name LIKE 'été \"49%'",
    "SELECT n FROM {t.parquet} WHERE day = '2024-02-01'",
    "SELECT n FROM {t.parquet} WHERE seen >= '2024-01-04 11:00:00'",
    "SELECT count(*) AS n, min(seen) AS first, max(day) AS last FROM {t.parquet}",
    "SELECT sum(paid) AS paid FROM {t.parquet}",
    "SELECT DISTINCT kind FROM {t.csv} WHERE n < 50",
    "SELECT kind, max(n) AS n FROM {t.ndjson} GROUP BY kind HAVING max(n) > 4997",
    "SELECT a.n, b.price FROM {t.parquet} AS a JOIN {t.ndjson} AS b ON a.n = b.n WHERE b.n < 20",
    "SELECT a.n, k.label FROM {t.parquet} AS a LEFT JOIN {kinds.csv} AS k ON a.kind = k.kind WHERE a.n < 20",
    "SELECT n FROM (SELECT n, small FROM {t.parquet} WHERE small = 7) AS s WHERE n > 1000",
    "WITH big AS (SELECT n FROM {t.parquet} WHERE n >= 4995) SELECT max(n) AS n FROM big",
    "SELECT n FROM {t.parquet} WHERE n < 2 UNION ALL SELECT n FROM {t.csv} WHERE n > 4997",
    "SELECT n, row_number() OVER (PARTITION BY small ORDER BY n DESC) AS r FROM {t.parquet} WHERE n < 300",
    "SELECT CASE WHEN small > 100 THEN 'high' ELSE 'low' END AS side, count(*) AS n FROM {t.parquet} GROUP BY side",
    "SELECT upper(kind) AS k, length(name) AS l FROM {t.parquet} WHERE n < 12",
    "SELECT count(*) AS n, sum(n) AS s FROM {part-*.parquet}",
    "SELECT n FROM {part-*.parquet} WHERE n IN (10, 2000, 4999)",
    "SELECT n FROM {zstd.parquet} WHERE n < 5",
    "SELECT n FROM {duckdb.parquet} WHERE n < 5 AND kind = 'note'",
    "SELECT sum(price) AS p FROM {pandas.parquet} WHERE small < 10",
    "SELECT count(*) AS n FROM {empty.parquet}",
]


def more(folder):
    whole = pyarrow.parquet.read_table(folder / "t.parquet")
    (folder / "kinds.csv").write_text("kind,label\nbond,B\nnote,N\n")
    for place, start in enumerate(range(0, 5000, 1000)):
        pyarrow.parquet.write_table(whole.slice(start, 1000), folder / f"part-{place}.parquet", compression="gzip")
    polars.from_arrow(whole).write_parquet(folder / "zstd.parquet", compression="zstd", row_group_size=400)
    duckdb.sql(f"COPY (SELECT * FROM '{folder}/t.parquet') TO '{folder}/duckdb.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    whole.to_pandas().to_parquet(folder / "pandas.parquet", compression="brotli")
    pyarrow.parquet.write_table(whole.slice(0, 0), folder / "empty.parquet")


def ask(url, sql):
    query = urllib.parse.urlencode({"sql": sql, "format": "json"})
    try:
        with urllib.request.urlopen(f"{url}/query?{query}") as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return error.read().decode()


def plain(value):
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "null"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float, decimal.Decimal)):
        return f"{float(value):.9g}"
    text = str(value)
    try:
        return f"{float(text):.9g}"
    except ValueError:
        return text.replace("T", " ").removesuffix(".000000")


def rows(table):
    return sorted([tuple(plain(value) for value in row) for row in table])


def main(folder, url):
    more(folder)
    alike = 0
    for query in QUERIES:
        ours, theirs = query, query
        for name in [part.split("}")[0] for part in query.split("{")[1:]]:
            ours = ours.replace("{" + name + "}", f'"{name}"')
            theirs = theirs.replace("{" + name + "}", f"'{folder}/{name}'")
        answer = ask(url, ours)
        expected = rows(duckdb.sql(theirs).fetchall())
        found = rows(row.values() for row in answer) if isinstance(answer, list) else answer
        if found == expected:
            alike += 1
        else:
            print(f"{ours}\n  ours:   {str(found)[:300]}\n  duckdb: {str(expected)[:300]}")
    frame = pandas.read_parquet(folder / "t.parquet")
    means = frame.groupby("kind", dropna=False)["price"].mean()
    ours = ask(url, 'SELECT kind, avg(price) AS mean FROM "t.parquet" GROUP BY kind')
    alike += rows(row.values() for row in ours) == rows(means.items())
    top = frame.nlargest(7, "n")[["n"]]
    ours = ask(url, 'SELECT n FROM "t.parquet" ORDER BY n DESC LIMIT 7')
    alike += [row["n"] for row in ours] == list(top["n"])
    print(f"{alike} of {len(QUERIES) + 2} alike")


main(Path(sys.argv[1]), sys.argv[2])
