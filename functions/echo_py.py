def main(cache, message: str):
    """Answers the message.

    Args:
        message: what to answer.
    """
    return message
