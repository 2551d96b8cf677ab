"""The test data beside the repository, the golden cases within it, and what libraries find around them."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libraries import REQUIRED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"
NO_DATA = "no test data"

Document = dict[str, str]


def pytest_configure(config: pytest.Config) -> None:
    """Keep Hugging Face's libraries off the network and out of the user's cache, before anything imports them."""
    cache = tempfile.TemporaryDirectory(prefix="portmanteau-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(cache.cleanup)
    os.environ.update(HF_HOME=cache.name, HF_HUB_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
    if REQUIRED:
        # Examples of a module whose library is missing then fail, and are not left out.
        config.option.doctest_ignore_import_errors = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked `full`, unless they are asked for."""
    if os.environ.get("PORTMANTEAU_TEST_FULL") == "1":
        return
    full = [item for item in items if item.get_closest_marker("full")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked `golden("pack")` once for each `[[case]]` of tests/cases/pack.toml, as its argument `case`."""
    golden = metafunc.definition.get_closest_marker("golden")
    if golden:
        path = REPOSITORY / "tests" / "cases" / f"{golden.args[0]}.toml"
        cases = tomllib.loads(path.read_text(encoding="utf-8"))["case"]
        metafunc.parametrize("case", cases, ids=[case["name"] for case in cases])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud which tests did not run for lack of data."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and NO_DATA in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section("SKIPPED FOR LACK OF TEST DATA", red=True)
        terminalreporter.line(f"{SHARED} does not hold what these tests read ({len(skipped)}):")
        for report in skipped:
            terminalreporter.line(f"  {report.nodeid}")


def without_data(missing: Path) -> None:
    """Skip the test, or fail it where the data is required."""
    message = f"{NO_DATA}: {missing} does not exist"
    if os.environ.get("PORTMANTEAU_REQUIRE_DATA") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `shared` beside the repository: corpora and vocabularies that do not ship with it."""
    if not SHARED.is_dir():
        without_data(SHARED)
    return SHARED


@pytest.fixture(scope="session")
def corpus(shared_dir: Path) -> Callable[[str], Iterator[Document]]:
    """A function from the name of a corpus ("code", "english", "multilingual", "parallel_udhr") to its documents."""

    def documents(name: str) -> Iterator[Document]:
        import pyarrow as pa

        path = shared_dir / "corpus" / f"{name}.jsonl.zst"
        if not path.is_file():
            without_data(path)
        with pa.input_stream(path, compression="zstd") as stream:
            for line in io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8"):
                yield json.loads(line)

    return documents
