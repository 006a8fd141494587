@lru_cache
def main(cache, key: str):
    """Answers what is in an object: rows, columns, counts and types of a table, the value of JSON.

    Args:
        key: the object.
    """
    if key.endswith('.json'):
        return cache[key].json
    return cache.frame(key).describe()
