"""Fixtures that every room's tests share: clock, settings, keys, and real databases."""

import asyncio
import base64
import gc
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import hypothesis
import pytest
import pytest_rerunfailures
from hypothesis.internal.conjecture import providers

from isp_plugins.access import ApiKeys
from isp_plugins.audit import AuditLog
from isp_plugins.db.engine import Database
from isp_plugins.db.migrate import migrate
from isp_plugins.keyring import KeyRing
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.compiled import share_compiled_statements
from support.forked import end_template
from support.migrated import migrated_file
from support.postgres import running_postgres

TEMPLATE = "isp_template"
LONGEST = (
    "tests/integration/events/test_chaos.py",
    "tests/acceptance/installing/test_kill.py",
    "tests/integration/installing/test_kill_upgrade.py",
    "tests/integration/lifecycle/test_kill.py",
    "tests/contract/test_openapi_fuzz.py",
    "tests/acceptance/nodes/test_nodes.py",
    "tests/acceptance/test_readme.py",
    "tests/integration/packages/test_installing.py",
    "tests/integration/templates/test_rendered_plugins.py",
    "tests/acceptance/installing/test_commands.py",
    "tests/acceptance/installing/test_upgrade_commands.py",
    "tests/acceptance/templates/test_rendered_plugins.py",
    "tests/integration/events/test_kill.py",
    "tests/integration/events/test_poison.py",
    "tests/integration/packages/test_building.py",
    "tests/integration/packages/test_examples.py",
)
"""The modules that take longest, or wait longest, the longest first."""
# A busy machine is slow, not wrong: pytest's own timeout ends a test that hangs.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "explore", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# The suite says the same of the same tree every time; HYPOTHESIS_PROFILE=explore looks for what it has not tried yet.
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "suite")
hypothesis.settings.load_profile(PROFILE)
if PROFILE == "suite":
    # Values that are found in the modules that happen to be imported would differ with the tests that ran before.
    providers._get_local_constants = lambda: providers._local_constants
_numbers = itertools.count(1)
share_compiled_statements()
# Collecting makes half a million objects that stay: until they are all there, looking for garbage among them is vain.
gc.disable()


def pytest_collection_finish() -> None:
    """The collector leaves the collected tests alone: else it walks through all of them again and again, an eighth of what the tests take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The modules that take longest begin first: what begins last is what everything waits for in the end."""
    items.sort(key=lambda item: _rank(item.nodeid.partition("::")[0]))


def _rank(module: str) -> int:
    if module in LONGEST:
        return LONGEST.index(module)
    folder = module.split("/")[1] if module.startswith("tests/") else ""
    return len(LONGEST) + {"acceptance": 0, "contract": 1, "integration": 2}.get(folder, 3)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A second try gets servers of its own: names that the first one left on its module's are no reason to fail again."""
    if getattr(item, "execution_count", 1) > 1:
        state = item.session._setupstate
        state.stack.update(
            pytest_rerunfailures.suspended_finalizers
        )  # where the plugin keeps them for the second try
        pytest_rerunfailures.suspended_finalizers.clear()
        state.teardown_exact(item.session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why a test was run once more: what passes at its second try has a fault all the same."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"first try of {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(scope="session", autouse=True)
def _template_of_processes() -> Iterator[None]:
    """Whoever forked off a template ends it."""
    yield
    end_template()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The defaults, on a data directory of the test's own."""
    return Settings(data_dir=tmp_path / "data", port=0)


@pytest.fixture
def keyring() -> KeyRing:
    """A ring of one fixed key."""
    return KeyRing.parse(base64.urlsafe_b64encode(bytes(range(32))).decode())


@pytest.fixture(scope="session")
def migrated_sqlite_file() -> Path:
    """A migrated, empty database file; copy it, never open it."""
    return migrated_file()


@pytest.fixture
def sqlite_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """The URL of a migrated, empty SQLite database of the test's own."""
    file = tmp_path / "database.db"
    shutil.copyfile(migrated_sqlite_file, file)
    return f"sqlite:///{file}"


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """A migrated, empty SQLite database, open."""
    database = await Database.open(sqlite_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL pattern of a running PostgreSQL, `{}` where the database's name goes."""
    with running_postgres() as pattern:
        yield pattern


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated, empty database to copy from."""

    async def prepare() -> None:
        await _administer(postgres_server, f"CREATE DATABASE {TEMPLATE}")
        await migrate(postgres_server.format(TEMPLATE), backup_folder=Path("/nonexistent"))

    _run_apart(prepare)
    return TEMPLATE


@pytest.fixture
async def postgres_url(postgres_server: str, postgres_template: str) -> AsyncIterator[str]:
    """The URL of a migrated, empty PostgreSQL database of the test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    # Copying the files takes a third of what writing each of their pages to the log takes, which is the default.
    await _administer(
        postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template} STRATEGY FILE_COPY"
    )
    yield postgres_server.format(name)
    await _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_postgres_url(postgres_server: str) -> AsyncIterator[str]:
    """The URL of a PostgreSQL database without any tables."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    await _administer(postgres_server, f"CREATE DATABASE {name}")
    yield postgres_server.format(name)
    await _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database, once for each of the two kinds."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database, open, once for each of the two kinds."""
    database = await Database.open(database_url)
    yield database
    await database.close()


@pytest.fixture
def audit(sqlite_database: Database, keyring: KeyRing, clock: FakeClock) -> AuditLog:
    """The audit trail of a SQLite database."""
    return AuditLog(sqlite_database, keyring, node="local", clock=clock)


@pytest.fixture
async def api_keys(sqlite_database: Database, audit: AuditLog, clock: FakeClock) -> AsyncIterator[ApiKeys]:
    """The API keys of a SQLite database, open."""
    keys = ApiKeys(sqlite_database, audit, clock=clock)
    await keys.open()
    yield keys
    await keys.close()


async def _administer(pattern: str, statement: str) -> None:
    connection = await asyncpg.connect(pattern.format("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _run_apart(work: Callable[[], object]) -> None:
    """Run a coroutine function on a loop of its own, away from the tests' loops."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()  # type: ignore[arg-type]  # object stands for the coroutine
