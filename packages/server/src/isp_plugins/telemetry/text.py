r"""Makes any text fit to be stored: masked, cut to a length, without what a database refuses.

1. Masking comes before cutting, so that no half of a secret is left at the cut. Of a very long text only as much is masked as can
   remain, and what may be the beginning or end of a secret at that first cut is dropped.
2. NUL becomes `␀`, a lone surrogate its escape (`\udc80`): the text stays readable and every database takes it.
3. A message keeps its beginning, a traceback its end, where the error stands.
"""

from isp_plugins.telemetry.masking import Masker

MESSAGE_BYTES = 16 * 1024
TRACEBACK_BYTES = 32 * 1024
NAME_CHARACTERS = 200
CUT = "… [cut: the message had {} characters]"
CUT_TRACEBACK = "[cut: the traceback had {} characters] …\n"


def message_of(text: str, mask: Masker) -> str:
    """A message of at most 16 KiB (and a note where it was longer)."""
    if len(text) * 4 <= MESSAGE_BYTES:
        return storable(mask(text))
    most = MESSAGE_BYTES + mask.longest
    short = len(text) <= most
    masked = mask(text) if short else mask(text[:most])
    kept = storable(masked if short else masked[: len(masked) - mask.longest]).encode()
    if short and len(kept) <= MESSAGE_BYTES:
        return kept.decode()
    return _decoded(kept[:MESSAGE_BYTES]) + CUT.format(len(text))


def traceback_of(text: str, mask: Masker) -> str:
    """The last 32 KiB of a traceback (and a note where it was longer)."""
    if len(text) * 4 <= TRACEBACK_BYTES:
        return storable(mask(text))
    most = TRACEBACK_BYTES + mask.longest
    short = len(text) <= most
    kept = storable(mask(text) if short else mask(text[-most:])[mask.longest :]).encode()
    if short and len(kept) <= TRACEBACK_BYTES:
        return kept.decode()
    return CUT_TRACEBACK.format(len(text)) + _decoded(kept[-TRACEBACK_BYTES:])


def name_of(text: str | None, mask: Masker) -> str | None:
    """A name of at most 200 characters; None for an empty one."""
    return storable(mask(text))[:NAME_CHARACTERS] if text else None


def storable(text: str) -> str:
    """The text without NUL and lone surrogates."""
    if "\x00" in text:
        text = text.replace("\x00", "␀")
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _decoded(kept: bytes) -> str:
    """Text again; a character that the cut went through is dropped."""
    return kept.decode("utf-8", "ignore")
