"""A package index over HTTP on loopback (PEP 503), with a password where the test wants one."""

import base64
import contextlib
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from packaging.utils import canonicalize_name, parse_wheel_filename


def write_index(folder, wheels):
    """The index's files, of wheels that may lie anywhere."""
    links = {}
    for wheel in wheels:
        name = canonicalize_name(parse_wheel_filename(wheel.name)[0])
        place = folder / "simple" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / wheel.name).write_bytes(wheel.read_bytes())
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        links.setdefault(place, []).append(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
    for place, found in links.items():
        (place / "index.html").write_text("<!DOCTYPE html><html><body>" + "\n".join(found) + "</body></html>")


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments, password, **options):
        self._wanted = "Basic " + base64.b64encode(f"user:{password}".encode()).decode() if password else None
        super().__init__(*arguments, **options)

    def send_head(self):
        if self._wanted and self.headers.get("Authorization") != self._wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return super().send_head()

    def log_message(self, *_):
        """Nothing: its requests would stand in the tests' output."""


@contextlib.contextmanager
def running_index(folder, *, password=None):
    """The address of the index, `host:port`."""
    handler = partial(_Handler, directory=str(folder), password=password)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
