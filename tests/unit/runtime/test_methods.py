"""Which methods may be called by name, and how."""

import asyncio
import functools
import threading
from collections.abc import Awaitable

import pytest

from isp_plugin_sdk.plugin import LIFECYCLE_METHODS, PluginInterface
from isp_plugins.contracts.calls import CallMode
from isp_plugins.runtime.errors import BindingError, MethodArityError, MethodNotCallableError
from isp_plugins.runtime.in_process.methods import bound_method, callee_of, public_methods

ROOT = __name__.partition(".")[0]


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Mixin:
    def from_mixin(self, payload):
        return payload


class Base(PluginInterface):
    def from_base(self, payload):
        return payload


class Sample(Mixin, Base, threading.local):
    limit = 5
    client = dict
    attribute = print

    def plain(self, payload):
        return ("plain", payload)

    async def coroutine(self, payload):
        return ("async", payload)

    @traced
    async def wrapped(self, payload):
        return ("wrapped", payload)

    def annotated(self, payload) -> Awaitable[object]:
        return asyncio.sleep(0, ("annotated", payload))

    @staticmethod
    def static(payload):
        return ("static", payload)

    @classmethod
    def of_class(cls, payload):
        return (cls.__name__, payload)

    @functools.cache  # noqa: B019  the test's own instances live no longer than it
    def cached(self, payload):
        return payload

    partial = functools.partialmethod(plain, "set")

    @property
    def shown(self):
        raise AssertionError("whoever looks for methods evaluates no property")

    def two(self, first, second):
        return (first, second)

    def keyword(self, *, payload):
        return payload

    def flexible(self, *payloads, **more):
        return payloads

    def optional(self, payload=None, *, dry_run=False):
        return payload

    def generator(self, payload):
        yield payload

    async def async_generator(self, payload):
        yield payload

    def _private(self, payload):
        return payload

    def initialize(self):
        return True


class Thirdparty(threading.Thread, PluginInterface):
    def work(self, payload):
        return payload


@pytest.fixture
def sample():
    return Sample(1, {})


def callee(sample, name, *, trusted=False):
    return callee_of(sample, ROOT, name, trusted_inline=trusted)


def test_plain_method_runs_in_a_thread(sample):
    assert callee(sample, "plain").mode is CallMode.THREAD


def test_plain_method_of_a_trusted_plugin_runs_inline(sample):
    assert callee(sample, "plain", trusted=True).mode is CallMode.INLINE


@pytest.mark.parametrize("trusted", [True, False])
def test_coroutine_function_runs_on_the_loop(sample, trusted):
    assert callee(sample, "coroutine", trusted=trusted).mode is CallMode.ASYNC


def test_nothing_stands_between_the_engine_and_the_method(sample):
    assert callee(sample, "plain").call == sample.plain
    assert callee(sample, "coroutine").call == sample.coroutine


@pytest.mark.parametrize("name", ["wrapped", "annotated"])
async def test_plain_method_known_to_return_an_awaitable_is_awaited(sample, name):
    found = callee(sample, name)
    assert found.mode is CallMode.ASYNC
    assert await found.call(1) == (name, 1)


@pytest.mark.parametrize(
    "name", ["static", "of_class", "cached", "flexible", "optional", "from_mixin", "from_base"]
)
def test_whatever_takes_one_argument_can_be_bound(sample, name):
    answer = callee(sample, name).call(1)
    assert 1 in (answer if isinstance(answer, tuple) else (answer,))


@pytest.mark.parametrize("name", ["two", "keyword", "partial_none"])
def test_method_that_does_not_take_one_payload_is_refused(sample, name):
    Sample.partial_none = functools.partialmethod(Sample.two, 1, 2)
    with pytest.raises(
        MethodArityError, match=rf"{name} does not take one payload.*expected exactly one argument"
    ):
        callee(sample, name)


@pytest.mark.parametrize("name", sorted(LIFECYCLE_METHODS))
def test_lifecycle_methods_are_never_called_by_name(sample, name):
    with pytest.raises(MethodNotCallableError, match="lifecycle"):
        bound_method(sample, ROOT, name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_private", "private"),
        ("__init__", "private"),
        ("__class__", "private"),
        ("absent", "no such method"),
        ("", "no such method"),
        ("shown", "a property"),
        ("limit", "class attribute of type int"),
        ("client", "class attribute of type type"),
        ("attribute", "class attribute of type builtin"),
        ("config", "no such method"),
        ("logger", "no such method"),
        ("generator", "a generator"),
        ("async_generator", "a generator"),
    ],
)
def test_what_is_not_a_public_method_is_refused_with_the_reason(sample, name, reason):
    with pytest.raises(MethodNotCallableError, match=reason):
        bound_method(sample, ROOT, name)


@pytest.mark.parametrize("name", ["start", "run", "join"])
def test_methods_of_a_librarys_class_are_not_the_plugins(name):
    plugin = Thirdparty.__new__(Thirdparty)
    with pytest.raises(MethodNotCallableError, match=r"comes from threading\.Thread"):
        bound_method(plugin, ROOT, name)


def test_attribute_of_the_instance_that_hides_a_method_is_refused(sample):
    sample.plain = 5
    with pytest.raises(MethodNotCallableError, match="of type int, hides it"):
        bound_method(sample, ROOT, "plain")


def test_refusal_proposes_what_was_meant(sample):
    with pytest.raises(BindingError, match="Perhaps you mean plain"):
        bound_method(sample, ROOT, "plian")


def test_refusal_lists_the_methods_there_are():
    with pytest.raises(BindingError, match=r"Its methods are: from_base\."):
        bound_method(Base(1, {}), ROOT, "nothing_like_it")


def test_public_methods_are_listed_in_order():
    assert public_methods(Base, ROOT) == ("from_base",)


def test_signature_that_python_cannot_tell_is_let_through(sample):
    type(sample).unknown = functools.partialmethod(print)
    assert callee(sample, "unknown").mode is CallMode.THREAD
