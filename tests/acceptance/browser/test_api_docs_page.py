"""The API's documentation in a real browser, without the Internet."""

import httpx
import pytest

from support.browser import browser_page
from support.server import api_server


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """The page when it is ready, what it requested, its errors, and the server."""
    with api_server(tmp_path_factory.mktemp("docs")) as server, browser_page() as (page, requested, errors):
        page.goto(f"{server.url}/api/v1/docs")
        page.wait_for_selector(".opblock", timeout=30_000)
        yield page, requested, errors, server


def test_page_lists_the_operations(visit):
    assert visit[0].locator(".opblock").count() > 30


def test_page_loads_everything_from_its_own_server(visit):
    _, requested, _, server = visit
    assert [url for url in requested if not url.startswith((server.url, "data:", "blob:"))] == []


def test_page_has_no_errors(visit):
    assert visit[2] == []


def test_call_is_made_from_the_page(visit):
    page, _, _, server = visit
    page.click("button.authorize")
    page.fill(".modal-ux input[type=text]", server.process.admin_key)
    page.click(".modal-ux button.authorize")
    page.click(".modal-ux button.btn-done")
    page.click("#operations-Plugins-list_plugins .opblock-summary-control")
    page.click("#operations-Plugins-list_plugins .execute")
    page.wait_for_selector("#operations-Plugins-list_plugins .live-responses-table", timeout=10_000)
    assert (
        page.locator("#operations-Plugins-list_plugins .live-responses-table .response-col_status")
        .last.inner_text()
        .startswith("200")
    )


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1"])
def test_bare_address_leads_to_the_page(visit, path):
    answer = httpx.get(f"{visit[3].url}{path}", follow_redirects=True, timeout=60)
    assert (answer.status_code, answer.url.path) == (200, "/api/v1/docs")
