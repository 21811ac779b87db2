"""Makes a syntax tree of a condition: a Pratt parser over CEL's grammar.

1. Precedence, loosest first: `? :` (right), `||`, `&&`, relations and `in` (left), `+ -`, `* / %`, `! -`, then `.field`, `[index]` and calls.
2. `!` repeats, `-` repeats, but they do not mix without parentheses, as in CEL's grammar.
3. A name is a comprehension's variable, else `payload` or `context`, else a top-level field of the payload.
4. Limits: 2,000 characters, 64 levels deep, 8 comprehensions, 3 of them inside one another. They bound the evaluation's time.
"""

from isp_plugins.hooks.condition.calls import call
from isp_plugins.hooks.condition.lexer import Kind, Token, tokens_of
from isp_plugins.hooks.condition.problems import Problem
from isp_plugins.hooks.condition.tree import (
    Binary,
    Comprehension,
    Conditional,
    Element,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Node,
    Select,
    Unary,
    Variable,
    children,
)

MAX_LENGTH = 2000
MAX_DEPTH = 64
MAX_COMPREHENSIONS = 8
MAX_NESTED_COMPREHENSIONS = 3

_CONSTANTS = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset({*_CONSTANTS, "in"})
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_POWERS = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
    "&&": 3,
    "||": 2,
    "?": 1,
}
_MACROS = {"all": 2, "exists": 2, "exists_one": 2, "existsOne": 2, "map": 3, "filter": 2}
_LARGEST = 2**63 - 1


def parse(source: str) -> Node:
    """The tree of a whole condition; a `Problem` with the position where the text is not one."""
    if not source.strip():
        raise Problem(0, "expected an expression, got nothing: leave the condition out (null) to run always")
    if len(source) > MAX_LENGTH:
        raise Problem(MAX_LENGTH, f"expected at most {MAX_LENGTH:,} characters, got {len(source):,}")
    parser = _Parser(tokens_of(source))
    tree = parser.expression(0)
    parser.expect_end()
    _refuse_depth(tree)
    return tree


def _refuse_depth(tree: Node) -> None:
    """Walk without recursion: what is too deep for Python's own stack must be found before it is used."""
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Problem(
                node.at, f"expected at most {MAX_DEPTH} levels of operators, calls and parentheses, got more"
            )
        waiting += [(child, depth + 1) for child in children(node)]


class _Parser:
    """The position in the tokens, and the comprehension variables in scope."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.next = 0
        self.level = 0
        self.elements: list[str] = []
        self.comprehensions = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.token
        if token.kind is not Kind.END:
            self.next += 1
        return token

    def at_mark(self, *texts: str) -> bool:
        return self.token.kind is Kind.MARK and self.token.text in texts

    def take_if(self, text: str) -> bool:
        found = self.at_mark(text)
        if found:
            self.take()
        return found

    def expect(self, text: str, after: str) -> Token:
        if not self.at_mark(text):
            raise Problem(self.token.at, f"expected {text} {after}, got {self.token.text}")
        return self.take()

    def expect_end(self) -> None:
        if self.token.kind is not Kind.END:
            hint = " (CEL has && and ||, not and and or)" if self.token.text in {"and", "or"} else ""
            raise Problem(self.token.at, f"expected an operator or the end, got {self.token.text}{hint}")

    def expression(self, power: int) -> Node:
        """Everything that binds tighter than `power`."""
        self.level += 1
        if self.level > MAX_DEPTH:
            raise Problem(
                self.token.at,
                f"expected at most {MAX_DEPTH} levels of operators, calls and parentheses, got more",
            )
        left = self.unary()
        while (mine := self.binary_power()) > power:
            left = self.binary(left, mine)
        self.level -= 1
        return left

    def binary_power(self) -> int:
        """How tightly the operator ahead binds; 0 where there is none."""
        word_or_mark = self.token.kind is Kind.MARK or (
            self.token.kind is Kind.WORD and self.token.text == "in"
        )
        return _POWERS.get(self.token.text, 0) if word_or_mark else 0

    def binary(self, left: Node, power: int) -> Node:
        operator = self.take()
        if operator.text == "?":
            then = self.expression(1)
            self.expect(":", "and the other value after the first value of ? :")
            return Conditional(operator.at, left, then, self.expression(0))
        right = self.expression(power)
        if operator.text in {"&&", "||"}:
            terms = left.terms if isinstance(left, Logic) and left.operator == operator.text else (left,)
            return Logic(operator.at, operator.text, (*terms, right))
        return Binary(operator.at, operator.text, left, right)

    def unary(self) -> Node:
        """Any number of `!`, or any number of `-`, before a member."""
        signs: list[Token] = []
        while self.at_mark("!", "-"):
            if signs and self.token.text != signs[0].text:
                raise Problem(
                    self.token.at,
                    f"{signs[0].text}{self.token.text} needs parentheses, as in {signs[0].text}({self.token.text}x)",
                )
            signs.append(self.take())
        if signs and signs[0].text == "-" and self.token.kind in {Kind.INT, Kind.DOUBLE}:
            sign = signs.pop()
            node = self.members(self.number(self.take(), sign=-1, at=sign.at))
        else:
            node = self.members(self.primary())
        for sign in reversed(signs):
            node = Unary(sign.at, sign.text, node)
        return node

    def number(self, token: Token, *, sign: int, at: int) -> Node:
        """A number; the smallest int exists only with its minus."""
        value = sign * token.value
        if token.kind is Kind.INT and not -_LARGEST - 1 <= value <= _LARGEST:
            raise Problem(
                token.at, f"expected a whole number of 64 bits (at most {_LARGEST}), got {token.text}"
            )
        return Literal(at, value)

    def primary(self) -> Node:
        token = self.take()
        if token.kind in {Kind.INT, Kind.DOUBLE}:
            return self.number(token, sign=1, at=token.at)
        if token.kind is Kind.STRING:
            return Literal(token.at, token.value)
        if token.kind is Kind.WORD:
            return self.word(token)
        if token.text == "(":
            inner = self.expression(0)
            self.expect(")", "to close the parenthesis")
            return inner
        if token.text == "[":
            return ListOf(token.at, tuple(self.items("]", "to close the list")))
        if token.text == "{":
            return self.map(token)
        if token.text == ".":
            raise Problem(token.at, "expected a value, got .: a field is named without a leading dot")
        raise Problem(token.at, f"expected a value, got {token.text}")

    def word(self, token: Token) -> Node:
        """A constant, a function's call or a name."""
        if token.text in _CONSTANTS:
            return Literal(token.at, _CONSTANTS[token.text])
        if token.text == "in":
            raise Problem(token.at, "expected a value, got in")
        if token.text in _RESERVED:
            raise Problem(
                token.at,
                f'{token.text} is a reserved word of CEL: write payload.{token.text} or payload["{token.text}"]',
            )
        if self.at_mark("("):
            return self.function(token)
        if token.text in self.elements:
            depth = len(self.elements) - 1 - self.elements[::-1].index(token.text)
            return Element(token.at, token.text, depth)
        return Variable(token.at, token.text)

    def members(self, node: Node) -> Node:
        """Fields, indices and methods after a value."""
        while True:
            if self.at_mark("["):
                at = self.take().at
                node = Index(at, node, self.expression(0))
                self.expect("]", "to close the index")
            elif self.at_mark("."):
                node = self.member(node, self.take())
            else:
                return node

    def member(self, node: Node, dot: Token) -> Node:
        name = self.take()
        if name.kind is not Kind.WORD or name.text in _KEYWORDS:
            raise Problem(
                name.at,
                f'expected a field name after the dot, got {name.text}: other names are written ["..."]',
            )
        if not self.at_mark("("):
            return Select(dot.at, node, name.text)
        if name.text in _MACROS:
            return self.comprehension(node, name)
        self.take()
        return call(name, self.items(")", "to close the call"), receiver=node)

    def function(self, name: Token) -> Node:
        self.take()
        if name.text != "has":
            return call(name, self.items(")", "to close the call"), receiver=None)
        operand = self.expression(0)
        if not isinstance(operand, Select):
            raise Problem(
                operand.at,
                "has() takes a field selection, like has(plan.speed), or has(payload.vip) for a top-level field",
            )
        self.expect(")", "after the one field selection of has()")
        return Has(name.at, operand.operand, operand.field)

    def comprehension(self, over: Node, name: Token) -> Node:
        """`over.all(x, test)` and its kin."""
        self.comprehensions += 1
        if self.comprehensions > MAX_COMPREHENSIONS or len(self.elements) >= MAX_NESTED_COMPREHENSIONS:
            limits = (
                f"{MAX_COMPREHENSIONS} comprehensions, {MAX_NESTED_COMPREHENSIONS} of them inside one another"
            )
            raise Problem(name.at, f"expected at most {limits}, got more")
        self.take()
        variable = self.take()
        if variable.kind is not Kind.WORD or variable.text in _KEYWORDS | _RESERVED:
            raise Problem(
                variable.at, f"expected a simple name for {name.text}'s variable, got {variable.text}"
            )
        self.expect(",", f"after {name.text}'s variable")
        self.elements.append(variable.text)
        bodies = self.items(")", f"to close {name.text}")
        self.elements.pop()
        if not 1 <= len(bodies) <= _MACROS[name.text] - 1:
            raise Problem(
                name.at, f"expected {name.text}(variable, expression), got {len(bodies) + 1} arguments"
            )
        macro = "exists_one" if name.text == "existsOne" else name.text
        where = bodies[0] if len(bodies) == 2 else None
        return Comprehension(name.at, macro, over, len(self.elements), bodies[-1], where)

    def map(self, opening: Token) -> Node:
        entries = []
        while not self.at_mark("}"):
            key = self.expression(0)
            if isinstance(key, Literal) and not isinstance(key.value, str):
                raise Problem(key.at, "a map's keys are strings, as in JSON")
            self.expect(":", "after the map's key")
            entries.append((key, self.expression(0)))
            if not self.take_if(","):
                break
        self.expect("}", "to close the map")
        return MapOf(opening.at, tuple(entries))

    def items(self, closing: str, why: str) -> list[Node]:
        """Expressions separated by commas up to the closing mark, which is taken; a list may end with a comma."""
        found: list[Node] = []
        while not self.at_mark(closing):
            found.append(self.expression(0))
            if not self.take_if(","):
                break
            if closing == ")" and self.at_mark(")"):
                raise Problem(self.token.at, "expected an argument after the comma, got )")
        self.expect(closing, why)
        return found
