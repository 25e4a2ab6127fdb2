"""One HTTP request: is it let in, which part answers it, and with what status."""

import gzip
import json
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.loopback import filestream, graphql
from tests.loopback.language import GraphQLError, UnknownQuery

STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
STORAGE = re.compile(r"/storage/([^/]+)/(.+)")


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.0 on purpose: one request per connection, so a stopped server leaves no connection behind."""

    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PUT = do_GET

    def answer(self) -> None:
        body = self.body()
        owner = self.server.owner
        if not owner.begin(self.server):
            return
        try:
            status, content = self.decide(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            is_json = not self.path.startswith("/storage/")
            self.send_header("Content-Type", "application/json" if is_json else "application/octet-stream")
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
        finally:
            owner.end()

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def decide(self, body: bytes) -> tuple[int, bytes]:
        owner = self.server.owner
        path = urlsplit(self.path).path
        is_query = self.command == "POST" and path == "/graphql"
        sent = json.loads(body) if is_query else {}
        operation = graphql.operation_name(sent) if is_query else ""
        with owner.state.lock:
            owner.requests.append((self.command, unquote(path), operation))
        if status := owner.failure():
            return status, errors("the server fails on demand")
        if stored := STORAGE.fullmatch(path):
            return self.file(unquote(stored[1]), unquote(stored[2]), body)
        if path.startswith("/sdk/otel/"):
            return 200, b"{}"
        if self.headers.get("Authorization") != owner.authorization:
            return 401, errors("user is not logged in")
        try:
            with owner.state.lock:
                owner.state.crash_silent()
                if is_query:
                    return 200, json.dumps({"data": graphql.execute(owner.state, sent)}).encode()
                if stream := STREAM.fullmatch(path):
                    run = owner.state.find_run(*map(unquote, stream.groups()))
                    if run is None:
                        return 404, errors("run not found")
                    return 200, json.dumps(filestream.apply(owner.state, run, json.loads(body or b"{}"))).encode()
        except UnknownQuery as error:
            owner.unknown.append(f"{operation}: {error}")
            return 400, errors(f"{operation}: {error}")
        except GraphQLError as error:
            return error.status, errors(str(error))
        owner.unknown.append(f"{self.command} {path}")
        return 404, errors(f"nothing is at {path}")

    def file(self, run_id: str, name: str, body: bytes) -> tuple[int, bytes]:
        """Like a bucket with signed addresses: whoever knows the address needs no key."""
        with self.server.owner.state.lock:
            run = self.server.owner.state.runs.get(run_id)
            if run is None:
                return 404, b""
            if self.command == "PUT":
                run.files[name] = body
                return 200, b""
            return (200, run.files[name]) if name in run.files else (404, b"")


def errors(text: str) -> bytes:
    return json.dumps({"errors": [{"message": text}]}).encode()
