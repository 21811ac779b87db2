"""Rules of `api.edge`: ids, headers, paths, and what nobody caught."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from isp_plugins.api.edge import Edge, one_spelling


async def fine(request):
    return PlainTextResponse(request.state.request_id)


async def cached(request):
    return PlainTextResponse("x", headers={"Cache-Control": "public"})


async def broken(request):
    raise RuntimeError("the secret cause")


@pytest.fixture
async def client():
    routes = [Route("/fine", fine), Route("/cached", cached), Route("/broken", broken)]
    app = Starlette(routes=routes, middleware=[Middleware(Edge)])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x"
    ) as client:
        yield client


async def test_request_id_is_made_and_answered(client):
    answer = await client.get("/fine")
    assert len(answer.text) == 24
    assert answer.headers["x-request-id"] == answer.text


async def test_plain_request_id_is_taken_over(client):
    assert (await client.get("/fine", headers={"X-Request-ID": "a.b:c-1_2"})).text == "a.b:c-1_2"


@pytest.mark.parametrize("bad", ["", "-a", "a b", "a\tb", "x" * 129, "é"])
async def test_other_request_id_is_replaced(client, bad):
    assert (await client.get("/fine", headers={"X-Request-ID": bad.encode()})).text != bad


async def test_answer_is_not_stored_unless_it_says_so(client):
    assert (await client.get("/fine")).headers["cache-control"] == "no-store"
    assert (await client.get("/cached")).headers["cache-control"] == "public"


async def test_unexpected_error_is_a_500_problem_without_its_cause(client, caplog):
    answer = await client.get("/broken", headers={"X-Request-ID": "r1"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret cause" not in answer.text
    assert "r1" in caplog.text
    assert "secret cause" in caplog.text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/", "/"),
        ("/api/v1/plugins", "/api/v1/plugins/"),
        ("/api/v1/plugins/", "/api/v1/plugins/"),
        ("/api/v1/hooks/", "/api/v1/hooks"),
        ("/api/v1/hooks//", "/api/v1/hooks"),
        ("//", "/"),
    ],
)
def test_path_works_with_and_without_its_last_slash(given, meant):
    assert one_spelling(given) == meant
