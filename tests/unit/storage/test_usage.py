"""How a plugin's total is remembered between counts."""

from isp_plugins.storage.usage import MAX_AGE_S, Usage


def test_an_unknown_plugin_must_be_counted():
    assert Usage().known(1, now=0.0) is None


def test_writes_are_added_to_the_count():
    usage = Usage()
    usage.counted(1, 100, now=0.0)
    usage.changed(1, 50)
    usage.changed(1, -20)
    assert usage.known(1, now=1.0) == 130


def test_a_count_is_good_for_a_minute():
    usage = Usage()
    usage.counted(1, 100, now=0.0)
    assert usage.known(1, now=MAX_AGE_S) == 100
    assert usage.known(1, now=MAX_AGE_S + 0.1) is None


def test_a_write_without_a_count_is_not_remembered():
    usage = Usage()
    usage.changed(1, 50)
    assert usage.known(1, now=0.0) is None
