"""A plugin's logger stands apart and follows its level at once."""

import logging

import pytest

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry.buffer import Gate
from isp_plugins.telemetry.plugin_logger import PluginHandler, PluginLogger
from isp_plugins.telemetry.records import level_of, levels_from


@pytest.fixture
def seen():
    return []


@pytest.fixture
def logger(seen):
    logger = PluginLogger("mailer", logging.INFO)
    logger.addHandler(PluginHandler(lambda record: seen.append(record.getMessage())))
    return logger


def test_it_is_not_in_the_tree_of_the_process(logger, seen, caplog):
    logger.error("only here")
    assert seen == ["only here"]
    assert caplog.records == []
    assert "mailer" not in logging.Logger.manager.loggerDict


def test_a_level_counts_at_once_after_it_was_remembered(logger, seen):
    logger.debug("too low")
    logger.setLevel(logging.DEBUG)
    logger.debug("now")
    assert seen == ["now"]


def test_children_write_to_the_same_place(logger, seen):
    logger.getChild("smtp").info("connected")
    assert seen == ["connected"]
    assert logger.getChild("smtp") is logger.getChild("smtp")


def test_children_follow_the_level_at_once(logger, seen):
    child = logger.getChild("smtp").getChild("tls")
    child.debug("too low")
    logger.setLevel(logging.DEBUG)
    child.debug("now")
    assert seen == ["now"]


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (0, LogLevel.DEBUG),
        (10, LogLevel.DEBUG),
        (25, LogLevel.INFO),
        (30, LogLevel.WARNING),
        (99, LogLevel.CRITICAL),
    ],
)
def test_a_number_between_levels_is_the_lower_one(number, level):
    assert level_of(number) is level


def test_a_minimum_level_means_it_and_those_above():
    assert levels_from(LogLevel.ERROR) == (LogLevel.ERROR, LogLevel.CRITICAL)
    assert levels_from(None) == tuple(LogLevel)


@pytest.fixture
def module_logger(logger):
    logger.adopt("isp_plugin_test_1")
    yield logging.getLogger("isp_plugin_test_1.plugins.mailer")
    logger.release("isp_plugin_test_1")


def test_what_modules_log_under_their_own_names_comes_here_and_nowhere_else(module_logger, seen, monkeypatch):
    elsewhere = []
    monkeypatch.setattr(logging.getLogger(), "handlers", [PluginHandler(elsewhere.append)])
    module_logger.warning("from the module")
    assert seen == ["from the module"]
    assert elsewhere == []


def test_modules_loggers_follow_the_level_at_once(module_logger, logger, seen):
    module_logger.debug("too low")
    logger.setLevel(logging.DEBUG)
    module_logger.debug("now")
    assert seen == ["now"]


def test_a_released_name_leaves_nothing_in_the_process(logger):
    logger.adopt("isp_plugin_test_2")
    logging.getLogger("isp_plugin_test_2.deep.module")
    logger.release("isp_plugin_test_2")
    assert not [name for name in logging.Logger.manager.loggerDict if name.startswith("isp_plugin_test_2")]


def test_modules_that_come_back_log_here_again(logger, seen):
    logger.adopt("isp_plugin_test_3")
    kept = logging.getLogger("isp_plugin_test_3.module")
    logger.release("isp_plugin_test_3")
    logger.adopt("isp_plugin_test_3")
    logger.setLevel(logging.DEBUG)
    kept.debug("back")
    logger.release("isp_plugin_test_3")
    assert seen == ["back"]


def test_the_caller_is_whoever_logged(logger):
    records = []
    logger.handlers = [PluginHandler(records.append)]
    logger.info("here")
    logger.getChild("x").info("here")
    assert [record.funcName for record in records] == ["test_the_caller_is_whoever_logged"] * 2


def test_a_record_for_which_there_is_no_room_is_counted_and_not_made(seen):
    gate = Gate("mailer", shut=True)
    logger = PluginLogger("mailer", logging.INFO, gate=gate)
    logger.addHandler(PluginHandler(lambda record: seen.append(record.getMessage())))
    logger.info("no room")
    logger.getChild("smtp").info("no room")
    logger.debug("too low to count")
    logger.error("serious")
    assert seen == ["serious"]
    assert gate.dropped == 2
