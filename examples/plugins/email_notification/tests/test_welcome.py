"""The welcome mail arrives, with the right headers and body, and with nothing that a payload slipped in."""

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from isp_plugin_sdk.testing import PluginHarness

CUSTOMER = {"id": 7, "number": "C-7", "name": "Ada Lovelace", "emails": ["ada@example.org"]}
Start = Callable[..., PluginHarness]


def welcome(harness: PluginHarness, **changes: Any) -> Any:
    """Dispatch `customer_created` and return what the one subscription gave, or raise what it raised."""
    (outcome,) = harness.dispatch("customer_created", CUSTOMER | changes).outcomes
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def test_welcome_mail_arrives_with_its_headers(start: Start, config: dict[str, Any], server: Any) -> None:
    result = welcome(start(config))
    message = server.message
    assert result == {"sent": True, "message_id": message["Message-ID"]}
    assert message["From"] == "Fibre Co <hello@isp.example>"
    assert message["To"] == "ada@example.org"
    assert message["Subject"] == "Welcome to Fibre Co"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None


def test_welcome_mail_has_a_text_and_an_html_part(start: Start, config: dict[str, Any], server: Any) -> None:
    welcome(start(config | {"portal_url": "https://my.isp.example"}))
    text = server.text()
    html = server.text("html")
    assert "Hello Ada Lovelace," in text
    assert "Your customer number: C-7" in text
    assert "https://my.isp.example" in text
    assert "<strong>C-7</strong>" in html


def test_welcome_mail_without_name_or_number_reads_well(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    welcome(start(config | {"company": ""}), name="", number=None)
    assert server.message["Subject"] == "Welcome"
    assert server.text().startswith("Hello,\n\nwelcome! Your account is ready.\n\nIf you")


def test_mail_goes_to_every_address_once(start: Start, config: dict[str, Any], server: Any) -> None:
    welcome(start(config), emails=["ada@example.org", "home@example.org"], email="ada@example.org")
    assert server.envelopes[0].rcpt_tos == ["ada@example.org", "home@example.org"]


def test_customer_with_email_alone_gets_the_mail(start: Start, config: dict[str, Any], server: Any) -> None:
    welcome(start(config), emails=[], email="ada@example.org")
    assert server.envelopes[0].rcpt_tos == ["ada@example.org"]


def test_customer_without_an_address_is_told_in_the_result(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    result = welcome(start(config), emails=[])
    assert result == {"sent": False, "reason": "the customer has no e-mail address"}
    assert server.envelopes == []


def test_international_domain_is_sent_in_its_ascii_form(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    welcome(start(config), emails=["ada@bücher.example"])
    assert server.envelopes[0].rcpt_tos == ["ada@xn--bcher-kva.example"]


def test_refused_recipient_is_told_while_the_others_get_the_mail(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    server.refuse.add("gone@example.org")
    result = welcome(start(config), emails=["gone@example.org", "ada@example.org"])
    assert result["sent"] is True
    assert result["refused"] == {"gone@example.org": "550 no such user"}


def test_mail_that_every_recipient_refuses_is_an_error(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    server.refuse.add("ada@example.org")
    with pytest.raises(Exception, match=r"refuses the mail: ada@example\.org: 550 no such user"):
        welcome(start(config))


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org\r\nBcc: all@example.org",
        "ada@example.org\nSubject: free",
        "ada@example.org, all@example.org",
        "Ada <ada@example.org>",
        "ada@example.org\x07",
        '"a b"@example.org',
        "ada@exa mple.org",
        "ada@-example.org",
        "ada@",
        "@example.org",
        "ada",
        "ada@" + "a." * 130 + "org",
        7,
        {"address": "ada@example.org"},
    ],
)
def test_address_that_could_smuggle_something_is_refused(
    start: Start, config: dict[str, Any], server: Any, address: Any
) -> None:
    with pytest.raises(Exception, match="is not an e-mail address that mail can be sent to"):
        welcome(start(config), emails=["fine@example.org", address])
    assert server.envelopes == []


def test_more_addresses_than_a_customer_has_are_refused(start: Start, config: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="expected at most 20"):
        welcome(start(config), emails=[f"a{number}@example.org" for number in range(21)])


def test_line_ends_in_a_name_add_no_header(start: Start, config: dict[str, Any], server: Any) -> None:
    harness = start(config | {"templates": {"welcome_subject": "Hi {{ customer.name }}"}})
    welcome(harness, name="Ada\r\nBcc: all@example.org\r\n\r\nBuy now")
    assert server.message["Subject"] == "Hi Ada Bcc: all@example.org Buy now"
    assert server.message["Bcc"] is None
    assert server.envelopes[0].rcpt_tos == ["ada@example.org"]


def test_markup_in_a_name_is_escaped_in_html(start: Start, config: dict[str, Any], server: Any) -> None:
    welcome(start(config), name="<script>x</script>")
    assert "&lt;script&gt;" in server.text("html")
    assert "<script>" in server.text()


def test_template_syntax_in_a_name_stays_text(start: Start, config: dict[str, Any], server: Any) -> None:
    welcome(start(config), name="{{ 7 * 7 }}")
    assert "Hello {{ 7 * 7 }}," in server.text()


def test_operators_templates_replace_the_plugins_own(
    start: Start, config: dict[str, Any], server: Any
) -> None:
    templates = {
        "welcome_subject": "Olá {{ customer.name }}",
        "welcome_text": "{{ company }}",
        "welcome_html": "",
    }
    welcome(start(config | {"templates": templates}))
    assert server.message["Subject"] == "Olá Ada Lovelace"
    assert server.message.get_content_type() == "text/plain"
    assert server.text() == "Fibre Co\n"


def test_text_beyond_ascii_is_sent_in_seven_bits(start: Start, config: dict[str, Any], server: Any) -> None:
    welcome(start(config | {"company": "Fibra São João"}), name="Zoë")
    assert server.envelopes[0].content.isascii()
    assert "Hello Zoë," in server.text()
    assert server.message["Subject"] == "Welcome to Fibra São João"


def test_mail_goes_over_tls_from_the_first_byte(
    start: Start, config: dict[str, Any], serve: Any, tls: ssl.SSLContext
) -> None:
    server = serve(ssl_context=tls)
    no_login = {key: value for key, value in config.items() if key not in {"username", "password"}}
    welcome(start(no_login | {"security": "tls", "smtp_port": server.port}))
    assert len(server.envelopes) == 1


def test_mail_goes_unencrypted_where_the_operator_says_so(start: Start, serve: Any) -> None:
    server = serve()
    config = {
        "smtp_server": "127.0.0.1",
        "smtp_port": server.port,
        "security": "none",
        "from_address": "hello@isp.example",
    }
    welcome(start(config))
    assert len(server.envelopes) == 1


def test_mail_that_was_sent_is_logged_without_the_address(start: Start, config: dict[str, Any]) -> None:
    harness = start(config)
    result = welcome(harness)
    assert harness.messages[-1] == f"Welcome mail {result['message_id']} sent to customer 7"
