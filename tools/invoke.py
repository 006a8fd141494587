"""Sends one event to the binary as Lambda would, and prints the answer: tools/invoke.py BINARY EVENT

Where Docker answers, `sam local invoke` runs it in a container, else AWS's Runtime Interface Emulator without one.
"""

import json
import pathlib
import sys

import local_lambda
import sam_local

# Of a longer body the beginning is printed.
BODY_CHARACTERS_MAX = 2000


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    binary, event = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    try:
        json.loads(event.read_bytes())
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[2]} is no event: {error}")
    with local_lambda.parts() as started:
        if docker := sam_local.docker_if_any():
            answer = invoke_in_container(started, binary, docker, event)
        else:
            answer = invoke_emulator(started, binary, event)
    try:
        answer = json.loads(answer)
    except ValueError:
        answer = answer.decode(errors="replace")
    print(json.dumps(shortened(answer), indent=2, ensure_ascii=False))
    if isinstance(answer, dict) and "errorType" in answer:
        sys.exit(1)


def invoke_in_container(started, binary, docker, event):
    path = started.directory / "answer"
    with path.open("wb") as answer:
        sam = sam_local.start(started, binary, docker, ["invoke", "Api", "--event", event], answer)
        if code := sam.wait():
            sys.exit(code)
    return path.read_bytes()


def invoke_emulator(started, binary, event):
    try:
        return local_lambda.send(local_lambda.start_emulator(started, binary), event.read_bytes())
    except TimeoutError:
        sys.exit(f"no answer within {local_lambda.ANSWER_SECONDS_MAX} s")


def shortened(answer):
    body = answer.get("body") if isinstance(answer, dict) else None
    if isinstance(body, str) and len(body) > BODY_CHARACTERS_MAX:
        rest = len(body) - BODY_CHARACTERS_MAX
        return {**answer, "body": f"{body[:BODY_CHARACTERS_MAX]}… and {rest} characters more"}
    return answer


if __name__ == "__main__":
    main()
