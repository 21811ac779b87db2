"""Random CEL expressions and payloads, for comparing evaluators."""

from hypothesis import strategies as st

VARIABLES = ("a", "b", "c", "plan", "tags", "lines")

_numbers = st.sampled_from(
    ["0", "1", "2", "-3", "7", "0.0", "0.5", "2.5", "-1.5", "9223372036854775807", "1e3"]
)
_strings = st.sampled_from(["''", "'a'", '"PT"', "'ab'", 'r"x"', "'speed'", "'''q'''"])
_others = st.sampled_from(["true", "false", "null", "[]", "[1, 2]", "['a', 1, true]", "{}", "{'a': 1}"])
_paths = st.sampled_from(
    [
        *VARIABLES,
        "plan.speed",
        "plan.name",
        "plan.none",
        "tags[0]",
        "tags[9]",
        "lines[0].price",
        "a.b",
        "plan['speed']",
        "lines[a]",
        "nowhere",
    ]
)
_has = st.sampled_from(["has(plan.speed)", "has(plan.none)", "has(a.b)"])
_leaves = st.one_of(_paths, _paths, _numbers, _strings, _others, _has)


def _grow(inner):
    relation = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in"])
    arithmetic = st.sampled_from(["+", "-", "*", "/", "%"])
    logic = st.sampled_from(["&&", "||"])
    macro = st.sampled_from(["all", "exists", "exists_one", "filter", "map"])
    method = st.sampled_from(["startsWith", "endsWith", "contains"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, relation, inner),
        st.builds("({} {} {})".format, inner, relation, inner),
        st.builds("({} {} {})".format, inner, arithmetic, inner),
        st.builds("({} {} {})".format, inner, logic, inner),
        st.builds("({} {} {})".format, inner, logic, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds(
            "({}).{}(x, {})".format,
            st.sampled_from(["tags", "lines", "plan", "[1, 2]", "a"]),
            macro,
            inner | _over_x,
        ),
        st.builds("({}).{}({})".format, inner, method, inner),
        st.builds("{}({})".format, st.sampled_from(["size", "int", "double"]), inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
    )


_over_x = st.sampled_from(
    ["x == 1", "x > 1", "x.price > 5", "x == 'a'", "x != null", "x in tags", "x in [1, 'speed']"]
)


def expressions():
    """Expressions of every kind, most of them small."""
    return st.recursive(_leaves, _grow, max_leaves=8)


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.sampled_from([0.0, 0.5, 1.0, 2.5, -1.5]),
    st.sampled_from(["", "a", "PT", "ab", "speed"]),
)


def payloads():
    """Payloads with the fields that the expressions name, of any type, some missing."""
    values = st.recursive(
        _scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
        ),
    )
    plan = st.fixed_dictionaries({}, optional={"speed": _scalars, "name": _scalars})
    lines = st.lists(st.fixed_dictionaries({}, optional={"price": _scalars}), max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "a": values,
            "b": values,
            "c": values,
            "plan": plan,
            "tags": st.lists(_scalars, max_size=4),
            "lines": lines,
        },
    )
