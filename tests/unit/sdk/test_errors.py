"""An error's docstring is its message."""

import copy
import pickle

import pytest

from isp_plugin_sdk import PluginSdkError, Reject
from isp_plugin_sdk.errors import HostCallTimedOutError, NotJsonError


class SampleError(PluginSdkError):
    """Expected {expected},
    got {got}.

    This paragraph is for developers.
    """


def test_first_paragraph_of_the_docstring_is_the_message() -> None:
    assert str(SampleError(expected="a", got="b")) == "Expected a, got b."


def test_error_survives_pickling_and_copying() -> None:
    error = NotJsonError(what="x", path="a", expected="b", got="c")
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)


def test_timed_out_host_call_is_a_timeout_error() -> None:
    with pytest.raises(TimeoutError, match=r"0\.5 s"):
        raise HostCallTimedOutError(call="get", seconds=0.5)


def test_reject_keeps_its_reason() -> None:
    assert Reject("no coverage").reason == "no coverage"
