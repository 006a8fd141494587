#!/usr/bin/env python3
"""Makes the sample data, seeded: the same bytes at every run with the same pyarrow.

    python3 -m venv .venv && .venv/bin/pip install pyarrow && .venv/bin/python sample-data/make.py

bonds.parquet  the monthly yield of a ten-year bond, in the shape of the original's example: the head of a spreadsheet, then
               776 months, under the columns of a price table. 781 rows: cusip, price, security_type, trade_date.
prices.csv     twelve invented bonds over the trading days of November 2017: clean prices that agree with their yields.
terms.json     what three of these bonds promise; a nested object.

Nothing here is market data. The yields follow the rough course of American ones, and end as the original's example does.
"""

import csv
import datetime
import json
import pathlib
import random

import pyarrow
import pyarrow.parquet

HERE = pathlib.Path(__file__).parent
MONTHS = 776
LAST_MONTH = datetime.date(2017, 11, 1)

# Yields in percent that the course passes through.
COURSE = {
    1953: 2.8, 1957: 3.6, 1960: 4.1, 1966: 4.9, 1970: 7.3, 1972: 6.2, 1975: 8.0, 1977: 7.4, 1980: 11.4, 1982: 13.9, 1984: 12.4,
    1987: 7.7, 1990: 8.5, 1994: 6.7, 1996: 6.4, 1999: 5.3, 2000: 6.5, 2003: 4.0, 2007: 4.7, 2009: 3.2, 2011: 3.1, 2013: 1.9,
    2014: 2.7, 2016: 1.9, 2018: 2.4,
}
# The last five months, as the original's documentation shows them.
DOCUMENTED = [2.32, 2.21, 2.20, 2.36, 2.35]


def main():
    write_bonds(random.Random("bonds"))
    bonds = make_bonds(random.Random("issues"))
    write_prices(bonds, random.Random("prices"))
    write_terms(bonds)


def write_bonds(rng):
    months = [month_before(LAST_MONTH, MONTHS - 1 - index) for index in range(MONTHS)]
    yields, drift = [], 0.0
    for month in months:
        # A walk that is drawn back to the course: neighbours resemble each other, as months do.
        drift = 0.82 * drift + rng.gauss(0, 0.035)
        course = course_at(month)
        yields.append(round(course * (1 + drift), 2))
    yields[-len(DOCUMENTED):] = DOCUMENTED
    head = [("Unit:", None), ("Multiplier:", 1.0), ("Currency:", None), ("Unique Identifier: ", None), ("Time Period", None)]
    rows = head + [(f"{month:%Y-%m}", value) for month, value in zip(months, yields)]
    table = pyarrow.table({
        "cusip": pyarrow.array([name for name, _ in rows], pyarrow.string()),
        "price": pyarrow.array([value for _, value in rows], pyarrow.float64()),
        # Empty in the original's example, and of these types there.
        "security_type": pyarrow.nulls(len(rows), pyarrow.float64()),
        "trade_date": pyarrow.nulls(len(rows), pyarrow.null()),
    })
    pyarrow.parquet.write_table(table, HERE / "bonds.parquet", compression="snappy")


def make_bonds(rng):
    issuers = [
        ("Meridian Rail Holdings", "corporate", 0.95), ("Larkspur Foods", "corporate", 1.30), ("Okapi Semiconductor", "corporate", 1.75),
        ("Harbour & Quay Insurance", "corporate", 1.10), ("County of Thornwick", "municipal", -0.35), ("Port of Elmsea", "municipal", -0.10),
        ("Republic of Zemlia", "sovereign", 2.60), ("Kingdom of Aldova", "sovereign", 0.40), ("Northern Treasury", "government", 0.00),
        ("Northern Treasury", "government", 0.00), ("Northern Treasury", "government", 0.00), ("Société Générique d'Énergie", "corporate", 1.45),
    ]
    bonds = []
    for number, (issuer, kind, spread) in enumerate(issuers):
        issued = datetime.date(rng.randint(2008, 2016), rng.choice([2, 5, 8, 11]), 15)
        matures = issued.replace(year=issued.year + rng.choice([10, 20, 30]))
        coupon = round((course_at(issued) + spread) * 8) / 8
        # Issuer numbers from 990000 are left to everybody's own use, so that none of these is anybody's bond.
        cusip = with_check_digit(f"99{1042 + 117 * number:04d}{'ABCDEFGH'[number % 8]}{number % 9 + 1}")
        bonds.append({
            "cusip": cusip, "issuer": issuer, "security_type": kind, "coupon": coupon, "spread": spread,
            "issued": issued, "matures": matures,
        })
    return bonds


def write_prices(bonds, rng):
    days = [day for day in (LAST_MONTH + datetime.timedelta(days=n) for n in range(30)) if day.weekday() < 5]
    days.remove(datetime.date(2017, 11, 23))  # Thanksgiving
    level = DOCUMENTED[-1]
    with open(HERE / "prices.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["trade_date", "cusip", "security_type", "coupon", "maturity", "price", "yield"])
        for day in days:
            level += rng.gauss(0, 0.02)
            for bond in bonds:
                years = (bond["matures"] - day).days / 365.25
                # Ten years is the level; longer bonds yield more, shorter ones less.
                of_bond = level + bond["spread"] + 0.02 * (years - 10) + rng.gauss(0, 0.01)
                rows.writerow([
                    day, bond["cusip"], bond["security_type"], f"{bond['coupon']:.3f}", bond["matures"],
                    f"{price_of(bond['coupon'], of_bond, years):.3f}", f"{of_bond:.3f}",
                ])


def write_terms(bonds):
    def terms(bond, call, ratings):
        return {
            "cusip": bond["cusip"],
            "issuer": {"name": bond["issuer"], "kind": bond["security_type"]},
            "coupon": {"rate": bond["coupon"], "per_year": 2, "day_count": "30/360"},
            "issued": str(bond["issued"]),
            "matures": str(bond["matures"]),
            "call": call,
            "ratings": ratings,
        }

    rail, county, energy = bonds[0], bonds[4], bonds[11]
    call = {"callable": True, "notice_days": 30, "schedule": [{"from": "2020-05-15", "price": 102.5}, {"from": "2023-05-15", "price": 100.0}]}
    document = {
        "as_of": "2017-11-30",
        "currency": "USD",
        "bonds": [
            terms(rail, call, {"agency a": "A-", "agency b": "A3"}),
            terms(county, {"callable": False, "notice_days": None, "schedule": []}, {"agency a": "AA+", "agency b": None}),
            terms(energy, {"callable": False, "notice_days": None, "schedule": []}, {}),
        ],
        "notes": None,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (HERE / "terms.json").write_text(text + "\n", encoding="utf-8")


def course_at(month):
    at = month.year + (month.month - 1) / 12
    before = max(year for year in COURSE if year <= at)
    after = min(year for year in COURSE if year > at)
    return COURSE[before] + (COURSE[after] - COURSE[before]) * (at - before) / (after - before)


def month_before(month, count):
    index = month.year * 12 + month.month - 1 - count
    return datetime.date(index // 12, index % 12 + 1, 1)


def price_of(coupon, percent, years):
    """The clean price of 100 face value, coupons twice a year, all in percent."""
    periods, rate = years * 2, percent / 200
    discount = (1 + rate) ** -periods
    return coupon / 2 * (1 - discount) / rate + 100 * discount


def with_check_digit(base):
    """Modulus 10, double add double: every second character counts twice. Source: ANSI X9.6."""
    total = 0
    for position, character in enumerate(base):
        value = int(character, 36) * (1 + position % 2)
        total += value // 10 + value % 10
    return base + str(-total % 10)


if __name__ == "__main__":
    main()
