"""A plugin's logger stands apart and follows its level at once."""

import logging

import pytest

from isp_plugins.contracts.vocabulary import LogLevel
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
