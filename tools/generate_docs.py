"""Writes the pages of docs/ that follow from the code, or with `--check` says which no longer do.

Each file of `tools/docs/` makes one page: it has `PAGE`, the page's path from the repository's root, and `render()`, its text.

    python tools/generate_docs.py [--check] [NAME ...]
"""

import argparse
import difflib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
GENERATORS = ROOT / "tools" / "docs"
SHOWN_LINES = 40
"""How much of a difference is printed."""


def generators(names: Sequence[str] = ()) -> Iterator[tuple[str, ModuleType]]:
    """Each generator by name, all of them where none is named."""
    for file in sorted(GENERATORS.glob("*.py")):
        if not names or file.stem in names:
            yield file.stem, _load(file)


def page_of(generator: ModuleType) -> tuple[Path, str]:
    """The page's file and the text that it should have."""
    return ROOT / generator.PAGE, generator.render().rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; 1 where a checked page differs."""
    options = _parser().parse_args(arguments)
    differing = 0
    for name, generator in generators(options.names):
        file, wanted = page_of(generator)
        present = file.read_text() if file.exists() else ""
        if present == wanted:
            continue
        if options.check:
            differing += 1
            print(f"{generator.PAGE} differs from the code: run `python tools/generate_docs.py {name}`")
            print(
                "\n".join(
                    list(
                        difflib.unified_diff(
                            present.splitlines(), wanted.splitlines(), "present", "wanted", lineterm=""
                        )
                    )[:SHOWN_LINES]
                )
            )
        else:
            file.write_text(wanted)
            print(f"wrote {generator.PAGE}")
    return 1 if differing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Write the pages of docs/ that follow from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page differs")
    parser.add_argument("names", nargs="*", help="only these pages, by the names of their generators")
    return parser


def _load(file: Path) -> ModuleType:
    """A generator by its file: the folder is no package, so that its names cannot shadow a library's."""
    spec = importlib.util.spec_from_file_location(f"docs_generator_{file.stem}", file)
    assert spec is not None, f"{file} cannot be imported"  # noqa: S101  narrows the type; a .py file always has a spec
    assert spec.loader is not None, f"{file} cannot be imported"  # noqa: S101  as above
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
