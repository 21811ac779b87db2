"""`/api/v1/docs`: Swagger UI from our own disk, without a line of script in the page; it works without internet.

Whoever opens the server's bare address in a browser is led there.
"""

from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

DOCS = "/api/v1/docs"
OPENAPI = "/api/v1/openapi.json"

_KINDS = {"js": "text/javascript", "css": "text/css", "png": "image/png"}
_ASSETS = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"})
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ISP Framework Plugin System - API</title>
<link rel="stylesheet" href="{DOCS}/assets/swagger-ui.css">
<link rel="icon" href="{DOCS}/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the same description is at <a href="{OPENAPI}">{OPENAPI}</a>.</noscript>
<script src="{DOCS}/assets/swagger-ui-bundle.js"></script>
<script src="{DOCS}/assets/start.js"></script>
</body>
</html>
"""

_START = f"""window.ui = SwaggerUIBundle({{
  url: "{OPENAPI}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  filter: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
}});
"""


def routes() -> list[BaseRoute]:
    """The page and its files, and the ways to it."""
    return [
        *(Route(path, _to_page) for path in ("/", "/api", "/api/v1")),
        Route(DOCS, _page),
        Route(f"{DOCS}/assets/{{name}}", _asset),
    ]


async def _to_page(_: Request) -> Response:
    return RedirectResponse(DOCS)


async def _page(_: Request) -> Response:
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "start.js":
        return Response(_START, media_type=_KINDS["js"])
    if name not in _ASSETS:
        return PlainTextResponse("There is no such file.", 404)
    return Response(
        _read(name),
        media_type=_KINDS[name.rpartition(".")[2]],
        headers={"Cache-Control": "public, max-age=86400"},
    )


@cache
def _read(name: str) -> bytes:
    """A file of Swagger UI's distribution."""
    return (resources.files("fastapi_swagger") / "resources" / name).read_bytes()
