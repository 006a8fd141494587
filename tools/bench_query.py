"""What DuckDB and pandas take for the queries of benches/frames/query.rs: tools/bench_query.py FILE STATEMENT…

Prints the end of a Markdown row for each statement: the median ms of DuckDB, and of pandas. Each run reads the file anew, of it
only the columns that are named.
"""

import statistics
import sys
import time

import duckdb
import pandas

# So many count, in turn; one of each goes before.
RUNS = 5


def by_cusip(file):
    table = pandas.read_parquet(file, columns=["cusip", "price", "lots"])
    return table.groupby("cusip").agg(mean=("price", "mean"), lots=("lots", "sum"), n=("price", "size"))


def by_kind(file):
    table = pandas.read_parquet(file, columns=["kind", "price", "lots"])
    return table[table["lots"] > 10].groupby("kind").agg(top=("price", "max"))


# The statements in pandas' words, in their order.
IN_PANDAS = [by_cusip, by_kind]


def timed(work):
    start = time.perf_counter()
    answer = work()
    return (time.perf_counter() - start) * 1000, len(answer)


def main(file, *statements):
    for statement, in_pandas in zip(statements, IN_PANDAS, strict=True):
        sql = statement.replace('"t.parquet"', f"'{file}'")
        millis = []
        for _ in range(RUNS + 1):
            duckdb_took, rows = timed(lambda: duckdb.sql(sql).df())
            pandas_took, expected = timed(lambda: in_pandas(file))
            if rows != expected:
                sys.exit(f"{statement}: DuckDB answers {rows} rows, pandas {expected}")
            millis.append((duckdb_took, pandas_took))
        print("| " + " | ".join(f"{statistics.median(took):.1f}" for took in zip(*millis[1:])) + " |")


main(*sys.argv[1:])
