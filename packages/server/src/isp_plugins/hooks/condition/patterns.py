"""Regular expressions of `matches`: an engine of linear time (Rust's `regex`, which jsonschema-rs brings), never Python's backtracking one.

The syntax is RE2's family: no look-around, no back-references. A match anywhere in the text counts, as in CEL.
"""

from collections.abc import Callable
from functools import lru_cache

import jsonschema_rs


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> tuple[Callable[[str], bool], str | None]:
    """A test over strings, and what is wrong with the pattern (then the test accepts nothing)."""
    if "[:" in pattern:
        return (
            _never,
            r"the pattern has a [:class:], which is not supported: write \d, \w, \s or a range like [a-z]",
        )
    try:
        found = jsonschema_rs.validator_for(
            {"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, ValueError):
        return (
            _never,
            f"expected a regular expression (RE2's syntax: no look-around, no back-references), got {pattern!r}",
        )
    return found.is_valid, None


def _never(_: str) -> bool:
    """Accepts nothing."""
    return False
