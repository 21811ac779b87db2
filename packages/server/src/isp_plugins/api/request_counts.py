"""Counts answers by method, route and status; the routes are ours, so that the number of counts is bounded."""

import re
from collections import Counter

from starlette.types import Scope

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
NO_ROUTE = "(none)"
OTHER = "(other)"
_CONVERTOR = re.compile(r":\w+\}")


class RequestCounts:
    """The counts of one application."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, int]] = Counter()

    def count(self, scope: Scope, status: int) -> None:
        """Count one answer; what no route took is counted together."""
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self.counts[method, route, status] += 1

    def by_route(self) -> dict[tuple[str, str, int], int]:
        """The counts, routes written as in the documentation."""
        return {
            (method, _CONVERTOR.sub("}", route), status): count
            for (method, route, status), count in self.counts.items()
        }


def count_answer(scope: Scope, status: int) -> None:
    """Count an answer of the application that the request went to, where it counts at all."""
    counts: RequestCounts | None = getattr(scope["app"].state, "requests", None)
    if counts is not None:
        counts.count(scope, status)
