"""Sweeps: every combination once, resumable, with means that can be worked out by hand."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError, RunError
from medfl_common.plan.plan import load_plan
from medfl_server.study.run_directory import open_study
from medfl_sim.data.scenario import partitioned
from medfl_sim.runs.job import Job
from medfl_sim.sweeps.page import answer, write_sweep
from medfl_sim.sweeps.sweep import Variant, find_key, read_vary, run_sweep, variants
from medfl_sim.sweeps.table import Result, as_csv, as_latex, difference, mean_of, results


@pytest.fixture
def job(hospitals: Path, make_plan: MakePlan) -> Job:
    plan = make_plan(federation={"rounds": 1})
    return Job(plan, hospitals, partitioned("dirichlet:1,min_patients=5", 2), baselines=False)


def test_every_combination_and_seed_is_a_run_with_the_settings_in_its_plan(
    job: Job, tmp_path: Path
) -> None:
    vary = read_vary(["strategy=fedavg,median", "partition.alpha=0.5,5.0", "view=[PA, AP]"])

    found = variants(job, vary, 2, tmp_path / "sweep")

    assert len({v.name for v in found}) == len(found) == 8
    last = load_plan(found[-1].job.plan)
    assert (last.federation.strategy, last.seed, last.images.view) == ("median", 4, ["PA", "AP"])
    assert found[-1].job.scenario.partition["alpha"] == 5.0
    assert load_plan(found[0].job.plan).federation.rounds == 1


def test_a_short_key_is_found_and_an_unknown_one_is_refused() -> None:
    assert find_key("lr") == "training.lr"
    assert find_key("images.size") == "images.size"
    with pytest.raises(ConfigError, match="a plan has no such setting"):
        find_key("learning")
    for text in ("lr", "lr=", "lr=0.1,,0.2"):
        with pytest.raises(ConfigError, match="write KEY=VALUE,VALUE"):
            read_vary([text])


def test_a_value_that_no_plan_may_have_is_refused_before_anything_is_trained(
    job: Job, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"training\.lr: -1 is not allowed"):
        variants(job, {"lr": [0.1, -1]}, 1, tmp_path / "sweep")
    assert not (tmp_path / "sweep" / "runs").exists()


@pytest.mark.slow
def test_a_sweep_goes_on_and_makes_only_what_is_new(job: Job, tmp_path: Path) -> None:
    """In processes of their own; what is there keeps its bytes; a failed run stops no other."""
    folder, said = tmp_path / "sweep", []
    first = variants(job, {"lr": [0.01, 0.02]}, 1, folder)
    assert run_sweep(first, "cores", 2, said.append) == {}
    marks = {v.name: (v.folder / "model.safetensors").stat().st_mtime_ns for v in first}

    more = variants(job, {"lr": [0.01, 0.02], "min_sites": ["all", 3]}, 1, folder)
    wider = variants(job, {"lr": [0.01, 0.02, 0.03]}, 1, folder)
    failed = run_sweep([*wider, *more[1:2]], "cores", 1, said.append)

    assert {
        n: (folder / "runs" / n / "model.safetensors").stat().st_mtime_ns for n in marks
    } == marks
    assert "2 hospitals take part" in failed[more[1].name]
    made = results(wider, failed)
    assert all(r.figures["auc"] is not None for r in made)
    assert "lr" in write_sweep(folder, made, "small").read_text()
    assert len(as_csv(made).splitlines()) == 4
    hashes = {open_study(v.folder).log.lines("finished")[0]["sha256"] for v in wider}
    assert len(hashes) == 3
    job.plan.write_text(job.plan.read_text().replace("size: 24", "size: 32"))
    with pytest.raises(RunError, match="base plan has changed since"):
        variants(job, {"lr": [0.01, 0.02]}, 1, folder)


def made_up(setting: str, areas: dict[int, float | None], job: Job) -> list[Result]:
    return [
        Result(Variant(f"{setting}-{s}", {"rule": setting}, s, job, Path()), {"auc": area})
        for s, area in areas.items()
    ]


def test_means_and_the_paired_interval_are_those_worked_out_by_hand(job: Job) -> None:
    one = made_up("a_b", {0: 0.70, 1: 0.80, 2: 0.90}, job)
    two = made_up("other", {0: 0.72, 1: 0.84, 2: 0.96}, job)

    assert mean_of(one, "auc").text("auc") == "0.800 ± 0.100"
    gap = difference(two, one)
    assert gap is not None  # differences 0.02, 0.04, 0.06; t(0.975, 2) = 4.303; sd 0.02
    assert gap == pytest.approx(
        (0.04, 0.04 - 4.3027 * 0.02 / 3**0.5, 0.04 + 4.3027 * 0.02 / 3**0.5), abs=1e-5
    )
    assert (
        "other has the highest AUC, 0.840 ± 0.120 over 3 seeds; it is not clearly above"
        in answer(one + two)
    )
    assert "a\\_b & 3 & $0.800 \\pm 0.100$ \\\\" in as_latex(one + two, ["auc"])
    assert difference(two[:2], one) is None
    assert mean_of(made_up("x", {0: None}, job), "auc").text("auc") == "n/a"
