"""How parameters become arguments."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.runtime.errors import ParametersInvalidError
from isp_plugins.runtime.execute import Arguments, bind, shown, signature_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
identifiers = st.sampled_from(["a", "b", "c", "d"])


class Sample:
    """Methods that answer with what arrived."""

    def none(self):
        return ()

    def one(self, customer):
        return customer

    def optional(self, customer=None):
        return customer

    def two(self, customer, amount=1):
        return customer, amount

    def keyword_only(self, *, customer):
        return customer

    def positional_only(self, customer, /):
        return customer

    def rest(self, customer, **more):
        return customer, more

    def anything(self, *args, **kwargs):
        return args, kwargs


def bound(name, parameters):
    return bind(name, signature_of(getattr(Sample(), name)), parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "answer"),
    [
        ("none", None, ()),
        ("one", {"customer": 1}, 1),
        ("one", {"id": 5}, {"id": 5}),
        ("optional", {}, None),
        ("two", {"customer": 1}, (1, 1)),
        ("two", [1, 2], (1, 2)),
        ("keyword_only", {"customer": 1}, 1),
        ("positional_only", {"customer": 1}, {"customer": 1}),
        ("rest", {"customer": 1, "amount": 2}, (1, {"amount": 2})),
        ("anything", [1, 2], ((1, 2), {})),
    ],
)
def test_bound_arguments_arrive(name, parameters, answer):
    arguments = bound(name, parameters)
    assert getattr(Sample(), name)(*arguments.args, **arguments.kwargs) == answer


@pytest.mark.parametrize("name", ["none", "optional", "anything"])
def test_no_parameters_call_without_arguments(name):
    assert bound(name, None) == Arguments()


def test_object_with_the_methods_parameters_binds_by_keyword():
    assert bound("two", {"customer": 1, "amount": 2}) == Arguments(kwargs={"customer": 1, "amount": 2})


def test_object_with_the_one_parameters_name_binds_by_keyword():
    assert bound("one", {"customer": 1}) == Arguments(kwargs={"customer": 1})


def test_other_object_goes_whole_to_a_one_parameter_method():
    assert bound("one", {"id": 5}) == Arguments(args=({"id": 5},))


def test_empty_object_goes_whole_where_the_parameter_is_required():
    assert bound("one", {}) == Arguments(args=({},))


def test_empty_object_leaves_defaults_alone():
    assert bound("optional", {}) == Arguments()


def test_object_goes_whole_to_a_positional_only_parameter_even_under_its_name():
    assert bound("positional_only", {"customer": 1}) == Arguments(args=({"customer": 1},))


def test_object_without_the_required_name_goes_whole_beside_further_keywords():
    assert bound("rest", {"id": 5}) == Arguments(args=({"id": 5},))


def test_misspelt_key_is_not_swallowed_by_a_method_of_two_parameters():
    with pytest.raises(ParametersInvalidError, match="did you mean 'amount' instead of 'amuont'"):
        bound("two", {"customer": 1, "amuont": 2})


def test_object_never_goes_whole_to_a_keyword_only_parameter():
    with pytest.raises(ParametersInvalidError):
        bound("keyword_only", {"id": 5})


def test_list_binds_by_position():
    assert bound("two", [1, 2]) == Arguments(args=(1, 2))


@pytest.mark.parametrize("parameters", ["text", 5, True, 1.5, b"bytes"])
def test_scalar_parameters_are_refused(parameters):
    with pytest.raises(ParametersInvalidError, match="expected an object, a list or null"):
        bound("one", parameters)


def test_refusal_shows_signature_and_what_came():
    with pytest.raises(ParametersInvalidError) as caught:
        bound("two", [1, 2, 3])
    assert "two(customer, amount=1)" in caught.value.message
    assert "a list of 3" in caught.value.message


def test_function_without_a_signature_takes_what_comes():
    assert bind("f", None, {"a": 1}) == Arguments(kwargs={"a": 1})
    assert shown(None) == "(...)"


def test_shown_signature_leaves_annotations_out():
    def method(customer: "NeverDefined" = None) -> "Nothing":  # noqa: F821  that is the point
        return customer

    assert shown(signature_of(method)) == "(customer=None)"


@st.composite
def signatures(draw):
    """A signature of plain parameters, some with defaults, perhaps with *args and **kwargs."""
    names = draw(st.lists(identifiers, unique=True, max_size=3))
    required = draw(st.integers(0, len(names)))
    kind = inspect.Parameter
    parameters = [
        kind(name, kind.POSITIONAL_OR_KEYWORD, default=kind.empty if index < required else None)
        for index, name in enumerate(names)
    ]
    if draw(st.booleans()):
        parameters.append(kind("rest", kind.VAR_KEYWORD))
    return inspect.Signature(parameters)


def _fits(signature, arguments):
    try:
        signature.bind(*arguments.args, **arguments.kwargs)
    except TypeError:
        return False
    return True


@given(signatures(), json_values)
def test_what_is_bound_can_be_called(signature, parameters):
    try:
        arguments = bind("f", signature, parameters)
    except ParametersInvalidError:
        return
    assert _fits(signature, arguments)


@given(signatures(), st.dictionaries(identifiers, json_values, max_size=3))
def test_object_binds_by_keyword_whenever_it_can_else_whole_to_a_single_parameter_else_not(
    signature, parameters
):
    by_keyword = Arguments(kwargs=parameters)
    named = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if _fits(signature, by_keyword):
        assert bind("f", signature, parameters) == by_keyword
    elif len(named) == 1:
        assert bind("f", signature, parameters) == Arguments(args=(parameters,))
    else:
        with pytest.raises(ParametersInvalidError):
            bind("f", signature, parameters)


@given(signatures(), st.lists(json_values, max_size=4))
def test_list_binds_by_position_or_not_at_all(signature, parameters):
    expected = Arguments(args=tuple(parameters))
    if _fits(signature, expected):
        assert bind("f", signature, parameters) == expected
    else:
        with pytest.raises(ParametersInvalidError):
            bind("f", signature, parameters)
