def main(cache, key: str):
    """Answers whether there is an object, and how large it is.

    Args:
        key: the object.
    """
    if key not in cache:
        return {'key': key, 'size': None}
    return {'key': key, 'size': cache[key].size}
