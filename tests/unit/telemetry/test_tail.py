"""The last lines of a plugin's log: bounded in number and length, apart for each plugin."""

from datetime import UTC, datetime

from isp_plugins.telemetry.tail import LINE_LENGTH, LINES, LogTails

AT = datetime(2030, 1, 1, 12, 30, 15, 7000, tzinfo=UTC)


def row(message: str, plugin_id: int = 1) -> dict[str, object]:
    return {"plugin_id": plugin_id, "at": AT, "level": "WARNING", "message": message}


def test_line_says_when_and_how_serious() -> None:
    tails = LogTails()
    tails.add(row("low on paper"))
    assert tails.of(1) == ("2030-01-01T12:30:15.007Z WARNING  low on paper",)


def test_only_the_last_lines_are_kept_oldest_first() -> None:
    tails = LogTails()
    for number in range(LINES + 5):
        tails.add(row(str(number)))
    found = [line.rpartition(" ")[2] for line in tails.of(1)]
    assert found == [str(number) for number in range(5, LINES + 5)]


def test_long_line_keeps_its_beginning() -> None:
    tails = LogTails()
    tails.add(row("x" * 100_000))
    assert len(tails.of(1)[0]) < LINE_LENGTH + 50


def test_plugins_are_apart_and_a_deleted_one_is_forgotten() -> None:
    tails = LogTails()
    tails.add(row("mine"))
    tails.add(row("yours", 2))
    tails.forget(1)
    assert (tails.of(1), len(tails.of(2))) == ((), 1)
