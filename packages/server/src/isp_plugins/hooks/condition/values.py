"""What CEL's operators and functions do to JSON values; whatever has no value raises `ConditionFailedError`.

1. Types are strict: `1 + 1.0`, `true < 1` and `"a" + 1` have no value. `==` and `!=` never fail: values of different types differ.
2. int and double compare by their mathematical value (`1 == 1.0`, `2 > 1.5`); NaN equals nothing. A bool is never a number.
3. Whole numbers have 64 bits: what leaves them fails. Division cuts towards zero; `%` has the sign of the left side.
4. What `+` makes of strings or lists has at most 10,000 characters or items.
"""

import math
import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn, Protocol

from isp_plugins.hooks.condition.problems import ConditionFailedError

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
MAX_JOINED = 10_000
"""Longest string or list that `+` makes."""


class Meter(Protocol):
    """Counts the steps of an evaluation; without one (outside comprehensions) each operation runs at most once anyway."""

    def spend(self, steps: int) -> None:
        """Take steps, or raise where none are left."""
        ...


_NAMES = {
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    list: "list",
    dict: "map",
    type(None): "null",
}
_KINDS: dict[type, type] = {**{kind: kind for kind in _NAMES}, tuple: list}
_INT = re.compile(r"[+-]?[0-9]{1,400}")
_DOUBLE = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|inf(?:inity)?|nan)", re.IGNORECASE
)
_MAX_DIGITS = 400
"""Longest text that int() and double() read."""


def kind_of(value: Any) -> type:
    """The JSON type that a value is, or is made of: a host may hand over an enum's member, an ordered dict or a tuple."""
    kind = type(value)
    found = _KINDS.get(kind)
    return (
        found
        if found is not None
        else next((of for base, of in _KINDS.items() if isinstance(value, base)), kind)
    )


def type_name(value: Any) -> str:
    """CEL's name of a value's type."""
    kind = kind_of(value)
    return _NAMES.get(kind, kind.__name__)


def fail(sentence: str) -> NoReturn:
    """No value."""
    raise ConditionFailedError(sentence)


def no_overload(what: str, *values: Any) -> NoReturn:
    """An operator or function over types that it does not take."""
    fail(f"{what} does not take {' and '.join(type_name(value) for value in values)}")


def truth(value: Any) -> bool:
    """The bool that `&&`, `||`, `!`, `?:` and a whole condition need."""
    if value is True or value is False:
        return value
    fail(f"expected a bool, got {type_name(value)}")


def negate(value: Any) -> bool:
    """`!value`."""
    return not truth(value)


def minus(value: Any) -> Any:
    """`-value`."""
    if kind_of(value) is float:
        return -value
    if kind_of(value) is not int:
        no_overload("-", value)
    return _within(-value)


def equal(left: Any, right: Any, meter: Meter | None = None) -> bool:
    """`left == right`, element by element."""
    kind = kind_of(left)
    if left is None:
        return right is None
    if kind is str:
        if meter is not None:
            meter.spend(len(left) // 256)
        return bool(left == right)
    if kind is bool or kind_of(right) is bool:
        return left is right
    if kind is list and kind_of(right) is list:
        if meter is not None:
            meter.spend(len(left))
        return len(left) == len(right) and all(
            equal(mine, other, meter) for mine, other in zip(left, right, strict=True)
        )
    if kind is dict and kind_of(right) is dict:
        if meter is not None:
            meter.spend(len(left))
        return left.keys() == right.keys() and all(
            equal(mine, right[key], meter) for key, mine in left.items()
        )
    return bool(left == right)


def differ(left: Any, right: Any, meter: Meter | None = None) -> bool:
    """`left != right`."""
    return not equal(left, right, meter)


def _relation(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """An ordering operator over two numbers, two strings or two bools."""

    def relation(left: Any, right: Any, meter: Meter | None = None) -> bool:
        mine, other = kind_of(left), kind_of(right)
        if mine is other and (mine is int or mine is float or mine is bool):
            return compare(left, right)
        if mine is str and other is str:
            if meter is not None:
                meter.spend(len(left) // 256)
            return compare(left, right)
        if (mine is int and other is float) or (mine is float and other is int):
            return compare(left, right)
        no_overload(sign, left, right)

    return relation


less, less_or_equal = _relation("<", operator.lt), _relation("<=", operator.le)
greater, greater_or_equal = _relation(">", operator.gt), _relation(">=", operator.ge)


def _within(value: int) -> int:
    """A result that still has 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    fail("the whole number leaves 64 bits")


def add(left: Any, right: Any, meter: Meter | None = None) -> Any:
    """`left + right`: numbers of one type, or two strings, or two lists joined."""
    kind = kind_of(left)
    if kind is not kind_of(right) or kind not in (int, float, str, list):
        no_overload("+", left, right)
    if kind is int:
        return _within(left + right)
    if kind is str or kind is list:
        size = len(left) + len(right)
        if meter is not None:
            meter.spend(size // 16)
        if size > MAX_JOINED:
            fail(f"+ makes at most {MAX_JOINED:,} characters or items, this would be {size:,}")
    return [*left, *right] if kind is list else left + right


def _arithmetic(sign: str, compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`-` and `*`: numbers of one type."""

    def arithmetic(left: Any, right: Any) -> Any:
        kind = kind_of(left)
        if kind is not kind_of(right) or (kind is not int and kind is not float):
            no_overload(sign, left, right)
        return _within(compute(left, right)) if kind is int else compute(left, right)

    return arithmetic


subtract, multiply = _arithmetic("-", operator.sub), _arithmetic("*", operator.mul)


def divide(left: Any, right: Any) -> Any:
    """`left / right`: towards zero for whole numbers, IEEE for doubles."""
    if kind_of(left) is float and kind_of(right) is float:
        return left / right if right else _divide_by_zero(left, right)
    if kind_of(left) is not int or kind_of(right) is not int:
        no_overload("/", left, right)
    if right == 0:
        fail("division by zero")
    quotient = abs(left) // abs(right)
    return _within(quotient if (left < 0) == (right < 0) else -quotient)


def _divide_by_zero(left: float, right: float) -> float:
    """An infinity with the sign of both, or NaN."""
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def remainder(left: Any, right: Any) -> Any:
    """`left % right`, whole numbers only."""
    if kind_of(left) is not int or kind_of(right) is not int:
        no_overload("%", left, right)
    if right == 0:
        fail("remainder of a division by zero")
    if left == INT_MIN and right == -1:
        fail("the whole number leaves 64 bits")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


_KEY_KINDS = frozenset({str, int, bool})
"""What a CEL map can have as a key; a JSON object has only text."""


def among(item: Any, group: Any, meter: Meter | None = None) -> bool:
    """`item in group`: an element of a list, a key of a map."""
    if kind_of(group) is dict:
        if kind_of(item) not in _KEY_KINDS:
            no_overload("in", item, group)
        return kind_of(item) is str and item in group
    if kind_of(group) is not list:
        no_overload("in", item, group)
    if meter is not None:
        meter.spend(len(group))
    if kind_of(item) is str:
        return item in group
    return any(equal(item, element, meter) for element in group)


def select(value: Any, field: str) -> Any:
    """`value.field`."""
    if kind_of(value) is not dict:
        fail(f"expected a map with the field {field}, got {type_name(value)}")
    if field not in value:
        fail(f"there is no field {field}")
    return value[field]


def has(value: Any, field: str) -> bool:
    """`has(value.field)`."""
    if kind_of(value) is not dict:
        fail(f"expected a map that may have the field {field}, got {type_name(value)}")
    return field in value


def index(value: Any, key: Any) -> Any:
    """`value[key]`: a list's element from 0, or a map's field."""
    if kind_of(value) is dict:
        if kind_of(key) is not str or key not in value:
            fail(f"there is no key {key!r:.80}")
        return value[key]
    if kind_of(value) is not list or kind_of(key) is not int:
        no_overload("[]", value, key)
    if not 0 <= key < len(value):
        fail(f"there is no element {key} in a list of {len(value)}")
    return value[key]


def size(value: Any) -> int:
    """`size(value)`: characters of a string, elements of a list, entries of a map."""
    if kind_of(value) not in (str, list, dict):
        no_overload("size()", value)
    return len(value)


def _on_strings(name: str, test: Callable[[str, str], bool]) -> Callable[..., bool]:
    """A test over a string and another."""

    def on_strings(text: Any, part: Any, meter: Meter | None = None) -> bool:
        if kind_of(text) is not str or kind_of(part) is not str:
            no_overload(f"{name}()", text, part)
        if meter is not None:
            meter.spend(len(text) // 256)
        return test(text, part)

    return on_strings


starts_with, ends_with = _on_strings("startsWith", str.startswith), _on_strings("endsWith", str.endswith)
contains = _on_strings("contains", str.__contains__)


def matches(text: Any, test: Callable[[str], bool], meter: Meter | None = None) -> bool:
    """`text.matches(pattern)`; `test` is the compiled pattern."""
    if kind_of(text) is not str:
        no_overload("matches()", text)
    if meter is not None:
        meter.spend(len(text) // 64)
    try:
        return test(text)
    except (ValueError, UnicodeEncodeError):
        fail("matches() cannot read a string with lone surrogates")


def to_string(value: Any) -> str:
    """`string(value)` of a string, number or bool."""
    if kind_of(value) is str:
        return str.__str__(value)
    if kind_of(value) is bool:
        return "true" if value else "false"
    if kind_of(value) is int:
        return str(_within(value))
    if kind_of(value) is not float:
        no_overload("string()", value)
    return _double_text(value)


def _double_text(value: float) -> str:
    """The shortest text that reads back as the same double; an exponent only below 1e-4 and from 1e21 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value != 0 and not 1e-4 <= abs(value) < 1e21:
        return repr(value).replace(".0e", "e")
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def to_int(value: Any) -> int:
    """`int(value)` of a number (cut towards zero) or of decimal digits."""
    if kind_of(value) is int:
        return _within(value)
    if kind_of(value) is float:
        return _within(int(value)) if math.isfinite(value) else fail("the double is not finite")
    if kind_of(value) is not str:
        no_overload("int()", value)
    if not _INT.fullmatch(value):
        fail("int() expected decimal digits of at most 64 bits")
    return _within(int(value))


def to_double(value: Any) -> float:
    """`double(value)` of a number or of a decimal number's text."""
    if kind_of(value) is float:
        return float(value)
    if kind_of(value) is int:
        return float(_within(value))
    if kind_of(value) is not str:
        no_overload("double()", value)
    if len(value) > _MAX_DIGITS or not _DOUBLE.fullmatch(value):
        fail("double() expected a decimal number")
    return float(value)
