"""What an object store's driver says, in an operator's words."""

import pytest

from isp_plugins.packages.depot.trouble import in_words

REFUSED = "Error performing PUT http://s3/b/k in 5ms - 403 Forbidden: <Error><Code>{code}</Code><Message>{message}</Message></Error>"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (REFUSED.format(code="AccessDenied", message="no"), "AWS_ACCESS_KEY_ID may not do this there (AccessDenied)"),
        (REFUSED.format(code="SlowDown", message="Reduce your rate."), "Reduce your rate (SlowDown)"),
        (REFUSED.format(code="RequestTimeTooSkewed", message="x"), "the clock of this machine is too far"),
        ("Error performing PUT http://169.254.169.254/latest/api/token in 1ms - 403", "no credentials are given"),
        ("Error performing GET https://u:p@s3.example.net:9000/b/k after 2 retries - HTTP error: error sending request", "nothing answers at https://s3.example.net:9000"),
        ("Something else\nDebug source: ...", "Something else"),
    ],
)  # fmt: skip
def test_trouble_is_told_with_what_to_look_at(said, told):
    assert told in in_words(said)
    assert "\n" not in in_words(said)
    assert "u:p" not in in_words(said)
