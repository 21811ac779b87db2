"""What goes wrong with a condition: in its text (`Problem`, a position and a sentence), or with one payload (`ConditionFailedError`)."""


class Problem(Exception):  # noqa: N818  never leaves this package: `compile_condition` makes a ConditionInvalidError of it
    """The text is not a condition; `at` is an offset into it."""

    def __init__(self, at: int, sentence: str) -> None:
        super().__init__(sentence)
        self.at = at
        self.sentence = sentence


class ConditionFailedError(Exception):
    """The condition has no value for this payload (a missing field, types that do not fit, an overflow); it counts as false.

    Not of the house's error families: it is raised in dispatches, where formatting a message for nobody would cost too much.
    """


def position(source: str, at: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset."""
    before = source[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
