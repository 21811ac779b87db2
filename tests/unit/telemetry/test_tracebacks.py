"""A traceback shows the plugin's own code."""

import pytest

from isp_plugins.db.paging import page_of
from isp_plugins.errors import PluginSystemError
from isp_plugins.telemetry.tracebacks import plugin_traceback, words_of


def raised(work):
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def chain_of_the_host(work):
    """Code that the host generates, as the engine does."""
    names = {"work": work}
    exec(compile("def run():\n    work()\n", "<chain of customer_created>", "exec"), names)
    return names["run"]


def plugin_method():
    raise ValueError("broken")


def test_the_plugins_frames_are_shown_and_the_hosts_are_not():
    shown = plugin_traceback(raised(chain_of_the_host(plugin_method)))
    assert "plugin_method" in shown
    assert shown.endswith("ValueError: broken\n")
    assert "<chain" not in shown.split("plugin_method")[1]


def test_an_error_of_the_host_alone_has_no_traceback():
    error = raised(lambda: page_of([], page=1, size=0).pages)
    error.__traceback__ = error.__traceback__.tb_next.tb_next
    assert plugin_traceback(error) is None
    assert plugin_traceback(TimeoutError()) is None


def test_causes_are_kept():
    def work():
        try:
            plugin_method()
        except ValueError as error:
            raise PluginSystemError from error

    shown = plugin_traceback(raised(work))
    assert "ValueError: broken" in shown
    assert "direct cause" in shown


def test_an_endless_recursion_is_cut_to_its_end():
    def work():
        work()

    assert len(plugin_traceback(raised(work))) < 20_000


class Unprintable(Exception):
    def __str__(self):
        raise SystemExit


@pytest.mark.parametrize("error", [Unprintable(), raised(lambda: (_ for _ in ()).throw(Unprintable()))])
def test_an_error_that_cannot_be_printed_is_no_error(error):
    assert "cannot be printed: SystemExit" in words_of(error)
    plugin_traceback(error)


def test_an_error_in_words_is_its_class_and_message():
    assert words_of(ValueError("broken")) == "ValueError: broken"
    assert words_of(TimeoutError()) == "TimeoutError"
