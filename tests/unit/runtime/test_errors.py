"""The errors of the runtime as their readers see them."""

import pytest

from isp_plugins.errors import ConflictError, InvalidInputError
from isp_plugins.runtime import errors
from isp_plugins.runtime.errors import InitializeFailedError, ParametersInvalidError, PluginFailedError

CLASSES = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PluginFailedError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_a_conflict_with_the_plugins_state(kind):
    assert issubclass(kind, ConflictError)


def test_mistakes_of_a_request_are_invalid_input():
    assert issubclass(ParametersInvalidError, InvalidInputError)


def test_cause_is_one_line_and_the_traceback_apart():
    error = InitializeFailedError(reason="a\nb", traceback="Traceback...")
    assert (error.cause, error.traceback) == ("initialize failed: a b.", "Traceback...")


def test_error_without_frames_has_an_empty_traceback():
    assert InitializeFailedError(reason="x").traceback == ""
