"""From settings, recipients and rendered texts to one message; what a header cannot hold never gets into one."""

from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid

from .settings import Settings

MAX_SUBJECT = 200
_POLICY = SMTP.clone(cte_type="7bit")  # reaches servers that do not speak 8BITMIME, too


def build(
    settings: Settings, recipients: Sequence[str], *, subject: str, text: str, html: str = ""
) -> EmailMessage:
    """A message with its own Message-ID; plain text, and HTML beside it where there is some."""
    message = EmailMessage(_POLICY)
    message["From"] = Address(one_line(settings.from_name), addr_spec=settings.from_address)
    message["To"] = ", ".join(recipients)
    if settings.reply_to:
        message["Reply-To"] = settings.reply_to
    message["Subject"] = one_line(subject)[:MAX_SUBJECT]
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=settings.from_address.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies to this one
    message.set_content(text)
    if html.strip():
        message.add_alternative(html, subtype="html")
    return message


def one_line(text: str) -> str:
    """Text for a header: every run of blanks, line ends and control characters becomes one space."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
