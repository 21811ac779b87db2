"""A small object store over HTTP on loopback: PUT, GET, HEAD and DELETE, and S3's own way to delete."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self._body()
        if self.server.is_full:
            self._answer(507)
            return
        self.server.objects[self.path] = body
        self._answer(201, headers={"ETag": '"1"'})

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self):
        self.server.seen.append(self.headers.get("Authorization", ""))
        found = self.server.objects.get(self.path)
        self._answer(200 if found is not None else 404, found or b"")

    do_HEAD = do_GET

    def do_DELETE(self):
        self._answer(204 if self.server.objects.pop(self.path, None) is not None else 404)

    def do_POST(self):
        """S3's way to delete several."""
        keys = re.findall(r"<Key>(.*?)</Key>", self._body().decode())
        bucket = self.path.partition("?")[0]
        for key in keys:
            self.server.objects.pop(f"{bucket}/{key}", None)
        gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def _answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: its requests would stand in the tests' output."""


@contextlib.contextmanager
def running_objects():
    """The server: `objects` by path, `url`; while it `is_full` it takes none."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.objects, server.seen, server.is_full = {}, [], False
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
