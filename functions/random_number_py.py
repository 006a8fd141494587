import random


def main(cache, start: float, stop: float):
    """Answers a random float from start to stop, all equally likely.

    Args:
        start: the least it may be.
        stop: the most it may be; not less than start.
    """
    if start > stop:
        raise ValueError('`stop` must not be less than `start`')
    return random.uniform(start, stop)
