-- doc: The bonds whose price moved most over the days of a table.
-- param: prices key = 'prices.csv' -- A table with cusip and price; a glob is one table.
-- param: rows integer = 5 -- How many.
-- param: least float = 0.0 -- Those that moved by at least this.
-- keep: tiers 1h
SELECT cusip, min(price) AS lowest, max(price) AS highest, max(price) - min(price) AS moved
FROM :prices
GROUP BY cusip
HAVING max(price) - min(price) >= :least
ORDER BY moved DESC, cusip
LIMIT :rows
