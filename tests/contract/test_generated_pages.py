"""Pages of docs/, and package data, that follow from the code are what the code says."""

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "generate_docs.py"


def load_tool():
    spec = importlib.util.spec_from_file_location("generate_docs", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATORS = dict(load_tool().generators())


def test_every_generator_names_a_page_of_its_own():
    pages = [generator.PAGE for generator in GENERATORS.values()]
    assert len(set(pages)) == len(pages)
    assert all(page.startswith("docs/") or page.endswith(".schema.json") for page in pages)


@pytest.mark.parametrize("name", GENERATORS)
def test_page_is_what_the_code_says(name):
    file, wanted = load_tool().page_of(GENERATORS[name])
    assert file.read_text() == wanted, f"run `python tools/generate_docs.py {name}`"
