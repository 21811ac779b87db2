"""How long to wait before a failed plugin is tried again. Pure."""

JITTER = 0.2
"""The pause is up to a fifth shorter or longer (never longer than the longest), so that many that failed together do not come back together."""
MAX_DOUBLINGS = 32


def pause(failures: int, *, shortest: float, longest: float, roll: float) -> float:
    """Seconds to wait after so many failures in a row; doubles each time. `roll` is a random number from 0 to 1."""
    doubled = shortest * 2.0 ** min(max(failures - 1, 0), MAX_DOUBLINGS)
    return min(min(doubled, longest) * (1 - JITTER + 2 * JITTER * roll), longest)
