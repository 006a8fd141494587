"""Serves the binary over HTTP as a REST API of API Gateway would: tools/local_api.py BINARY PORT

Where Docker answers, `sam local start-api` runs it in a container. Else each request becomes the event that API Gateway makes of
it where all media types are binary, and AWS's Runtime Interface Emulator runs the binary over a bucket with sample-data: one
request after the other. Both listen on 127.0.0.1 alone.
"""

import base64
import email.utils
import http.client
import http.server
import json
import pathlib
import sys
import threading
import time
import urllib.parse
import uuid

import local_lambda
import sam_local

STAGE = "prod"
# Lambda takes no larger event; the emulator would cut it.
EVENT_BYTES_MAX = 6 * 1024 * 1024
# They are between two neighbours, and API Gateway passes them on in neither direction. Source: RFC 9110, section 7.6.1.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


def main():
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal() or int(sys.argv[2]) > 65_535:
        sys.exit(__doc__.splitlines()[0])
    binary, port = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    docker = sam_local.docker_if_any()
    with local_lambda.parts() as started:
        if docker:
            # Kept, as Lambda keeps it, until the next request.
            options = ["--warm-containers", "LAZY", "--host", "127.0.0.1", "--port", port]
            sys.exit(sam_local.start(started, binary, docker, ["start-api", *options]).wait())
        serve_emulator(started, binary, port)


def serve_emulator(started, binary, port):
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Gateway)
    except OSError as error:
        sys.exit(f"port {port} of 127.0.0.1 cannot be had ({error.strerror}); name another: make local-api PORT=3001")
    # Whoever asks from now on waits until all is started.
    print(f"starting http://127.0.0.1:{server.server_port}", flush=True)
    server.function = local_lambda.start_emulator(started, binary)
    print(f"ready: curl 'http://127.0.0.1:{server.server_port}/cache/bonds.parquet' and the like; Ctrl-C ends it", flush=True)
    server.serve_forever()


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Two invocations at once make the emulator panic.
    turn = threading.Lock()

    def answer(self):
        if "transfer-encoding" in self.headers:
            # Its length is not known, so that the next request's beginning would not be either.
            self.close_connection = True
            return self.give(*message(411, "Length Required"))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        event = json.dumps(self.event(body)).encode()
        if len(event) > EVENT_BYTES_MAX:
            return self.give(*message(413, "Request Too Long"))
        with self.turn:
            try:
                answer = local_lambda.send(self.server.function, event)
            except TimeoutError:
                return self.give(*message(504, "Endpoint request timed out"))
            except (OSError, http.client.HTTPException) as error:
                print(f"the function gave no answer: {type(error).__name__} {error}", file=sys.stderr)
                answer = b""
        self.give(*response(answer))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def event(self, body):
        """The event of a proxy integration. Source: the API Gateway guide, "Input format of a Lambda function"."""
        path, _, query = self.path.partition("?")
        host, now = self.headers.get("host", ""), time.time()
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP]
        headers += [("X-Forwarded-For", self.client_address[0]), ("X-Forwarded-Proto", "http")]
        headers = by_name(headers)
        parameters = by_name(urllib.parse.parse_qsl(query, keep_blank_values=True), str)
        resource = "/" if path == "/" else "/{proxy+}"
        return {
            "resource": resource,
            # As the client has encoded it; the query comes decoded.
            "path": path,
            "httpMethod": self.command,
            "headers": last(headers),
            "multiValueHeaders": headers,
            "queryStringParameters": last(parameters) or None,
            "multiValueQueryStringParameters": parameters or None,
            "pathParameters": None if path == "/" else {"proxy": path.removeprefix("/")},
            "stageVariables": None,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "local",
                "domainName": host,
                "httpMethod": self.command,
                "identity": {"sourceIp": self.client_address[0], "userAgent": self.headers.get("user-agent")},
                "path": f"/{STAGE}{path}",
                "protocol": self.request_version,
                "requestId": str(uuid.uuid4()),
                "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
                "requestTimeEpoch": int(now * 1000),
                "resourceId": "local",
                "resourcePath": resource,
                "stage": STAGE,
            },
            "body": base64.b64encode(body).decode() if body else None,
            "isBase64Encoded": bool(body),
        }

    def give(self, status, headers, body):
        self.log_request(status)
        self.send_response_only(status)
        has_body = self.command != "HEAD" and status not in (204, 304)
        for name, value in headers:
            # Of an answer without a body, the length is that of the body it would have.
            if name.lower() not in HOP_BY_HOP and not (has_body and name.lower() == "content-length"):
                self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(body)))
        if all(name.lower() != "date" for name, _ in headers):
            self.send_header("Date", email.utils.formatdate(usegmt=True))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(body)


def by_name(pairs, spelling=str.lower):
    """The values of each name, under its first spelling."""
    values = {}
    for name, value in pairs:
        values.setdefault(spelling(name), (name, []))[1].append(value)
    return dict(values.values())


def last(values):
    return {name: of_name[-1] for name, of_name in values.items()}


def response(answer):
    """Status, headers and body of what the function has answered; 502 where API Gateway can make nothing of it."""
    try:
        answer = json.loads(answer)
        status, body = int(answer["statusCode"]), answer.get("body") or ""
        body = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
        many, one = answer.get("multiValueHeaders") or {}, answer.get("headers") or {}
        headers = [(name, value) for name, values in many.items() for value in values]
        named = {name.lower() for name in many}
        headers += [(name, value) for name, value in one.items() if name.lower() not in named]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        print(f"the function's answer is none to a request: {type(error).__name__} {error}", file=sys.stderr)
        return message(502, "Internal server error")
    return status, headers, body


def message(status, text):
    return status, [("Content-Type", "application/json")], json.dumps({"message": text}).encode()


if __name__ == "__main__":
    main()
