import pytest

from isp_plugins.packages.errors import DiskFullError
from isp_plugins.packages.refusals import RefusalKind, in_words, kind_of, refuse_full_disk

CONFLICT = """\
Using Python 3.11 environment at: /x
error: No solution found when resolving dependencies
  cause: Because isp-greeter==1.0.0 depends on dep<2 and dep>=2, we can conclude that isp-greeter==1.0.0 cannot be used.
         And because only isp-greeter==1.0.0 is available and you require isp-greeter, we can conclude that your requirements are unsatisfiable.
"""
DRAWN = """\
  \u00d7 No solution found when resolving dependencies:
  \u2570\u2500\u25b6 Because absent was not found in the package registry and you require absent, we can conclude that your requirements are unsatisfiable.
"""
NETWORK = """\
error: Request failed after 3 retries in 5.4s
  cause: Failed to fetch: http://user:open-sesame@127.0.0.1:9/simple/dep/?token=open-sesame
  cause: error sending request for url (http://user:open-sesame@127.0.0.1:9/simple/dep/)
  cause: tcp connect error
"""


@pytest.mark.parametrize("output", [CONFLICT, DRAWN])
def test_requirements_that_do_not_fit_are_told_without_the_drawing(output):
    words = in_words(output)
    assert kind_of(output) is RefusalKind.IMPOSSIBLE
    assert words.startswith("Because ")
    assert words.endswith("your requirements are unsatisfiable")
    assert words.isascii()
    assert "\n" not in words


def test_network_that_does_not_answer_is_another_thing():
    assert kind_of(NETWORK) is RefusalKind.UNREACHABLE
    assert in_words(NETWORK).startswith("Failed to fetch: http://127.0.0.1:9/simple/dep/")
    assert "open-sesame" not in in_words(NETWORK)


def test_files_of_the_host_are_not_named():
    assert "/var" not in in_words("error: Because x @ file:///var/data/staging/x-1.whl depends on y")


def test_long_output_is_cut_and_none_is_said_so():
    assert len(in_words("word " * 5000)) <= 1500
    assert in_words("") == "uv ended without a word"


@pytest.mark.parametrize(
    "output",
    [
        "error: No space left on device (os error 28)",
        "OSError: [Errno 28] x",
        "error: File too large (os error 27)",
    ],
)
def test_full_disk_is_known_by_the_systems_words(output, tmp_path):
    with pytest.raises(DiskFullError):
        refuse_full_disk(output, tmp_path)
    refuse_full_disk("error: something else (os error 280)", tmp_path)
