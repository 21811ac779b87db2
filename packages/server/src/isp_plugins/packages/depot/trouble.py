"""What is wrong with an object store, in an operator's words, made of what its driver says."""

import re
from urllib.parse import urlsplit

_CODES = {
    "SignatureDoesNotMatch": "it refuses the signature: AWS_SECRET_ACCESS_KEY is not the one of AWS_ACCESS_KEY_ID, or AWS_REGION is not the store's",
    "InvalidAccessKeyId": "it does not know the key of AWS_ACCESS_KEY_ID",
    "AccessDenied": "the key of AWS_ACCESS_KEY_ID may not do this there",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "the file is not there any more: somebody deleted it, or the depot was at another place when it was put",
    "RequestTimeTooSkewed": "the clock of this machine is too far from the store's",
}
_ASKED_FOR_CREDENTIALS = "//169.254.169.254/"
"""Where the driver asks the cloud that the machine may be in, when it was given none."""


def in_words(said: str) -> str:
    """One line, with the store's own code where it gave one."""
    first = said.strip().split("\n", 1)[0]
    if _ASKED_FOR_CREDENTIALS in first:
        return (
            "no credentials are given: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set for the server"
        )
    if code := re.search(r"<Code>(\w+)</Code>", first):
        message = re.search(r"<Message>([^<]*)</Message>", first)
        words = _CODES.get(code[1]) or (message[1].rstrip(".") if message else "it refuses")
        return f"{words} ({code[1]})"
    if "error sending request" in first and (url := re.search(r"https?://\S+", first)):
        place = urlsplit(url[0])
        return f"nothing answers at {place.scheme}://{place.netloc.rpartition('@')[2]}"
    return first
