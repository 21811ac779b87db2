"""Reading `/proc`, from a copy of one: whose processes are a worker's, and what is not told."""

import os
from pathlib import Path

import pytest

from isp_plugins.runtime.worker.sampling import read_machine, read_workers

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Proc:
    """A `/proc` of a few processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        pid: int,
        group: int,
        session: int,
        *,
        name: str = "python",
        state: str = "S",
        began: int = 7,
        files: int = 3,
    ) -> None:
        own = self.folder / str(pid)
        (own / "fd").mkdir(parents=True)
        for number in range(files):
            (own / "fd" / str(number)).touch()
        fields = [state, "1", str(group), str(session), *["0"] * 7, str(TICKS), str(TICKS), "0", "0"]
        fields += ["20", "0", "2", "0", str(began), "0", "10", "0"]
        (own / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    found = Proc(tmp_path)
    found.add(1, 1, 1)
    found.add(50, 50, 50, name="a ) S (b")
    return found


def test_worker_is_its_group_and_its_session(proc: Proc) -> None:
    proc.add(51, 50, 50)
    proc.add(52, 52, 50)
    proc.add(60, 60, 60)
    use = read_workers({50: None}, proc.folder)[50].use
    assert (use.cpu_s, use.memory_bytes, use.open_files, use.threads) == (6.0, 30 * PAGE, 9, 6)


def test_zombie_keeps_its_processor_time_and_nothing_else(proc: Proc) -> None:
    proc.add(51, 50, 50, state="Z")
    use = read_workers({50: None}, proc.folder)[50].use
    assert (use.cpu_s, use.memory_bytes, use.open_files, use.threads) == (4.0, 10 * PAGE, 3, 2)


def test_stranger_with_the_number_of_a_worker_gives_no_reading(proc: Proc) -> None:
    assert read_workers({50: 7}, proc.folder).keys() == {50}
    assert read_workers({50: 8}, proc.folder) == {}


def test_group_whose_first_process_is_gone_gives_no_reading(proc: Proc) -> None:
    proc.add(71, 70, 70)
    assert read_workers({70: None}, proc.folder) == {}


def test_descriptors_that_are_not_told_are_none_and_not_zero(
    proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = os.listdir

    def refuse(path: str) -> list[str]:
        if str(path).endswith("/fd"):
            raise PermissionError(path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    use = read_workers({50: None}, proc.folder)[50].use
    assert (use.open_files, use.threads) == (None, 2)


def test_machines_ticks_and_idle_ones_are_read(proc: Proc) -> None:
    (proc.folder / "stat").write_text("cpu  10 1 5 80 4 0 0 0 0 0\ncpu0 1 2 3\n")
    assert read_machine(proc.folder) == (100, 84)


def test_machine_without_proc_tells_nothing(tmp_path: Path) -> None:
    assert read_workers({50: None}, tmp_path / "nowhere") == {}
    assert read_machine(tmp_path / "nowhere") is None
