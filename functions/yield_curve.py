from datetime import date


@compute_result(max_age='1d')
def main(cache, day: str = '2017-11-30', prices: str = 'prices.csv', terms: str = 'terms.json'):
    """Answers the yields of one day by the years that the bonds still run, with who issued them.

    Args:
        day: a trading day, as 2017-11-30.
        prices: a table with the columns trade_date, cusip, security_type, maturity and yield.
        terms: what bonds promise, as JSON: {"bonds": [{"cusip": …, "issuer": {"name": …}}]}.
    """
    issuers = {bond['cusip']: bond['issuer']['name'] for bond in cache[terms].json['bonds']}
    today = date.fromisoformat(day)
    curve = []
    for row in cache.frame(prices).rows():
        if row['trade_date'] == day:
            years = (date.fromisoformat(row['maturity']) - today).days / 365.25
            issuer = issuers.get(row['cusip'])
            curve.append({'years': round(years, 2), 'yield': row['yield'], 'cusip': row['cusip'], 'issuer': issuer})
    if not curve:
        raise ValueError(f'no prices of {day} in {prices}')
    return sorted(curve, key=lambda point: point['years'])
