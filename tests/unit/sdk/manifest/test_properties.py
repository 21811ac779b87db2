from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from isp_plugin_sdk.manifest import Manifest, document_mistakes, json_schema, mistakes_in
from isp_plugins.contracts.vocabulary import PluginType
from isp_plugins.lifecycle.drafts import PluginDraft
from support.manifests import ACCEPTED, GOOD, changed

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_with_lines_in_it(text):
    mistakes = mistakes_in(text)
    assert mistakes
    assert all(1 <= one["line"] <= text.count("\n") + 1 for one in mistakes)


@given(st.dictionaries(st.sampled_from([*GOOD, "x"]), values, max_size=6))
def test_any_document_is_refused_in_words(document):
    assert all(one["message"] and one["expected"] for one in document_mistakes(document))


def reads(kind, text):
    """Whether packaging takes a text for a version or a specifier."""
    try:
        kind(text)
    except (InvalidSpecifier, InvalidVersion):
        return False
    return True


@given(st.text("0123456789.abrcpostdev!+*<>=~, ", max_size=12))
def test_specifier_that_is_accepted_is_one(text):
    assert document_mistakes(changed("requires.host", text)) or reads(SpecifierSet, text)


@given(
    st.from_regex(
        r"(<|<=|==|!=|>=|>|~=)[0-9]{1,2}(\.[0-9]{1,2}){0,2}(\.\*|rc1|\.post1|\.dev1)?", fullmatch=True
    )
)
def test_specifier_is_accepted_exactly_where_packaging_accepts_it(text):
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        assert document_mistakes(changed("requires.host", text))
    else:
        assert not document_mistakes(changed("requires.host", text))


@given(st.text("0123456789.abrcpostdev!+", max_size=10))
def test_version_that_is_accepted_is_one(text):
    assert document_mistakes(changed("version", text)) or reads(Version, text)


def test_every_accepted_manifest_can_be_registered():
    for case in ACCEPTED:
        manifest = Manifest.of(changed(*case))
        assert PluginDraft.of(manifest.registration()).name == manifest.name


def test_types_are_those_of_the_host():
    assert json_schema()["properties"]["plugin_type"]["enum"] == [kind.value for kind in PluginType]
