"""A search: its space, its course, and what it may say of the chosen setting."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_sim.data.scenario import partitioned
from medfl_sim.runs.job import Job
from medfl_sim.sweeps.page import write_sweep
from medfl_sim.sweeps.search import Range, Search, read_space, told
from medfl_sim.sweeps.sweep import Variant
from medfl_sim.sweeps.table import Result


def test_ranges_and_lists_are_read_and_what_is_neither_is_refused() -> None:
    assert read_space(["lr=1e-4..0.1:log", "epochs=1..5", "strategy=fedavg,median"]) == {
        "lr": Range(1e-4, 0.1, True, False),
        "epochs": Range(1, 5, False, True),
        "strategy": ["fedavg", "median"],
    }
    for text in ("lr=0.1..0.01", "lr=0..1:log", "lr=1..1", "lr=a..b", "lr=0.1..1:lag"):
        with pytest.raises(ConfigError, match="is no range"):
            read_space([text])
    with pytest.raises(ConfigError, match="a plan has no such setting"):
        read_space(["qqq=1..2"])
    with pytest.raises(ConfigError, match="needs settings to search"):
        read_space([])
    with pytest.raises(ConfigError, match=r"training\.lr occurs twice"):
        read_space(["lr=1e-4..0.1", "training.lr=0.1,0.2"])


@pytest.mark.parametrize("text", ["partition.alpha=0.1..1", "data=a,b", "split_seed=1..9"])
def test_data_are_no_better_than_other_data_so_no_search_chooses_them(text: str) -> None:
    with pytest.raises(ConfigError, match="with it other patients are scored"):
        read_space([text])


def test_the_choice_is_by_the_part_that_chooses_and_the_figure_by_the_part_that_tells(
    make_plan: MakePlan,
) -> None:
    """b wins on validation with .9; a test part would say .7 of it, and .8 of a."""
    job = Job(make_plan(), Path())

    def result(lr: str, choice: float, auc: float, part: str) -> Result:
        return Result(Variant(lr, {"lr": lr}, 0, job, Path()), {"auc": auc}, "", part, choice)

    tested = [result("a", 0.8, 0.8, "test"), result("b", 0.9, 0.7, "test")]
    assert told(tested) == (
        "Of 2 settings the validation part chooses lr b; on the test part its AUC is 0.700 over "
        "1 seed."
    )
    same = [result("a", 0.8, 0.8, "validation"), result("b", 0.9, 0.9, "validation")]
    assert told(same).endswith("The same part chose it and tells of it, so the figure is too good.")


def test_the_page_of_a_search_shows_the_figures_that_chose(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    job = Job(make_plan(), Path())
    found = [
        Result(Variant(lr, {"lr": lr}, 0, job, tmp_path / lr), {"auc": 0.7, "choice": 0.9}, "", "t")
        for lr in ("a", "b")
    ]

    page = write_sweep(tmp_path, found, "small", told(found)).read_text()

    assert "AUC (validation)" in page
    assert "All scores are of the t part, but for AUC (validation), by which a search" in page


@pytest.mark.slow
@pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
def test_a_search_takes_the_same_course_again_and_repeats_no_run(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    job = Job(
        make_plan(federation={"rounds": 1}), hospitals, partitioned("iid", 2), baselines=False
    )
    vary = ["lr=0.001..0.1:log", "strategy=fedavg,fedadam"]
    said: list[str] = []

    first = Search(job, vary, 1, tmp_path / "s", said.append).run(3, "cores", 1)
    marks = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    more = Search(job, vary, 1, tmp_path / "s", said.append).run(4, "cores", 1)

    assert len(first) == len(marks) == 3
    assert [r.variant.name for r in more[:3]] == [r.variant.name for r in first]
    assert {path: path.stat().st_mtime_ns for path in marks} == marks
    assert len(more) == 4
    assert any(line.startswith("trial 4 of 4: validation AUC 0.") for line in said)
    assert "Of 4 settings the validation part chooses" in told(more)
