"""What became of the checks, as values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isp_plugins.conformance.vocabulary import VERSION, Transport, Verdict


class UnmetError(Exception):
    """A check's expectation was not met: what was expected, and what came."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class DoesNotApplyError(Exception):
    """A check does not apply to this plugin; the text says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended."""

    name: str
    rule: str
    """What a worker has to do, in a sentence."""
    verdict: Verdict
    expected: str = ""
    got: str = ""
    log: tuple[str, ...] = ()
    """The last lines of the worker's log, where the check failed."""

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "name": self.name,
            "rule": self.rule,
            "verdict": self.verdict.value,
            "expected": self.expected,
            "got": self.got,
            "log": list(self.log),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """How a command did."""

    command: Sequence[str]
    transport: Transport
    results: Sequence[Result]
    implementation: Mapping[str, Any] = field(default_factory=dict)
    """What it says it is, in its answer to the handshake."""

    @property
    def conforms(self) -> bool:
        """Whether nothing failed, and something was tried."""
        found = {result.verdict for result in self.results}
        return Verdict.PASSED in found and found <= {Verdict.PASSED, Verdict.SKIPPED}

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        counted = Counter(result.verdict for result in self.results)
        return {
            "protocol": VERSION,
            "command": list(self.command),
            "transport": self.transport.value,
            "implementation": dict(self.implementation),
            "conforms": self.conforms,
            "summary": {verdict.value: counted[verdict] for verdict in Verdict},
            "checks": [result.to_dict() for result in self.results],
        }
