"""Sends one event to the binary as Lambda would, and prints the answer: tools/invoke.py BINARY EVENT"""

import json
import pathlib
import sys

import local_lambda

# Of a longer body the beginning is printed.
BODY_CHARACTERS_MAX = 2000


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    binary, event = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    try:
        event = event.read_bytes()
        json.loads(event)
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[2]} is no event: {error}")
    with local_lambda.parts() as started:
        try:
            answer = local_lambda.send(local_lambda.start_emulator(started, binary), event)
        except TimeoutError:
            sys.exit(f"no answer within {local_lambda.ANSWER_SECONDS_MAX} s")
    try:
        answer = json.loads(answer)
    except ValueError:
        answer = answer.decode(errors="replace")
    print(json.dumps(shortened(answer), indent=2, ensure_ascii=False))
    if isinstance(answer, dict) and "errorType" in answer:
        sys.exit(1)


def shortened(answer):
    body = answer.get("body") if isinstance(answer, dict) else None
    if isinstance(body, str) and len(body) > BODY_CHARACTERS_MAX:
        rest = len(body) - BODY_CHARACTERS_MAX
        return {**answer, "body": f"{body[:BODY_CHARACTERS_MAX]}… and {rest} characters more"}
    return answer


if __name__ == "__main__":
    main()
