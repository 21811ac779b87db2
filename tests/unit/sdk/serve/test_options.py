"""The worker's command line."""

import pytest

from isp_plugin_sdk.serve.options import Options, UsageError, parse


def test_module_and_class_are_all_that_is_needed():
    assert parse(["a.b:C"]) == Options("a.b", "C")


def test_folders_are_kept_in_order():
    assert parse(["--path", "/x", "--path", "/y", "--standard-json", "m:C"]) == Options(
        "m", "C", ("/x", "/y"), True
    )


@pytest.mark.parametrize("line", [[], ["m"], ["m:"], [":C"], ["m:C", "n:D"], ["--path"], ["--what", "m:C"]])
def test_anything_else_is_refused_with_the_usage(line):
    with pytest.raises(UsageError, match="usage: "):
        parse(line)


def test_copy_of_the_code_is_an_option():
    assert parse(["--path", "/x", "--kept", "/y", "m:C"]) == Options("m", "C", ("/x",), kept="/y")
