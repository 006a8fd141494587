@lru_cache(maxsize=100)
def main(cache, significant_digits: int):
    """Answers pi, cut after so many significant digits.

    Args:
        significant_digits: how many digits, the 3 before the point included; from 1 to 1000.
    """
    if not 1 <= significant_digits <= 1000:
        raise ValueError('`significant_digits` is from 1 to 1000')
    # Machin's formula, with ten digits more than are shown.
    unity = 10 ** (significant_digits + 10)
    pi = 4 * (4 * arccot(5, unity) - arccot(239, unity))
    text = str(pi)[:significant_digits]
    return text if len(text) == 1 else text[0] + '.' + text[1:]


def arccot(x, unity):
    """The angle whose cotangent is x, as a whole number of parts of `unity`."""
    term = unity // x
    total, n, sign = term, 3, -1
    while term:
        term //= x * x
        total += sign * (term // n)
        n, sign = n + 2, -sign
    return total
