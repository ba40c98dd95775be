"""Sweeps: every combination once, resumable, with means that can be worked out by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from typer.testing import CliRunner

from medfl_common.errors import ConfigError, RunError
from medfl_common.plan.plan import load_plan
from medfl_server.study.run_directory import open_study
from medfl_sim.cli import app
from medfl_sim.data.scenario import choose_scenario, keep_scenario, partitioned
from medfl_sim.runs.changed_plan import find_key, plan_with
from medfl_sim.runs.job import Job
from medfl_sim.sweeps.answer import answer
from medfl_sim.sweeps.factors import factors
from medfl_sim.sweeps.latex import as_latex
from medfl_sim.sweeps.order import Order, make_sweep
from medfl_sim.sweeps.page import write_sweep
from medfl_sim.sweeps.sweep import Variant, read_vary, run_sweep, variants
from medfl_sim.sweeps.table import Result, as_csv, mean_of, part_of, results


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


def test_a_data_set_is_a_folder_below_the_data(job: Job, tmp_path: Path) -> None:
    found = variants(job, read_vary(["data=site-1,site-2"]), 1, tmp_path / "sweep")

    assert [v.job.data for v in found] == [job.data / "site-1", job.data / "site-2"]
    assert [v.settings for v in found] == [{"data": "site-1"}, {"data": "site-2"}]
    assert variants(job, {}, 1, tmp_path / "other")[0].job.data == job.data


def test_a_short_key_is_found_and_an_unknown_one_is_refused_with_the_nearest() -> None:
    assert find_key("lr") == "training.lr"
    assert find_key("images.size") == "images.size"
    with pytest.raises(ConfigError, match=r"no such setting; did you mean training\.batch_size\?"):
        find_key("batchsize")
    with pytest.raises(ConfigError, match=r"--set qqq: a plan has no such setting; write one of"):
        find_key("qqq", "--set")
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
    compared = factors(made)
    page = write_sweep(folder, made, "small", answer(made, compared), compared, "pdf").read_text()
    assert "lr, within the others" in page
    assert "site-1: 40 images of" in "".join(said)
    assert "What was read" in page
    assert {path.name for path in (folder / "figures").iterdir()} == {"auc.pdf", "curves.pdf"}
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


def test_means_are_those_worked_out_by_hand(job: Job) -> None:
    one = made_up("a_b", {0: 0.70, 1: 0.80, 2: 0.90}, job)
    two = made_up("other", {0: 0.72, 1: 0.84, 2: 0.96}, job)
    found = one + two

    assert mean_of(one, "auc").text("auc") == "0.800 ± 0.100"
    said = answer(found, factors(found))
    assert "(validation part): other has 0.840 ± 0.120 over 3 seeds" in said
    assert "other is clearly above in 0 and clearly below in 0 of 1 comparisons" in said
    assert "a\\_b & 3 & $0.800 \\pm 0.100$ \\\\" in as_latex(found, ["auc"])
    assert mean_of(made_up("x", {0: None}, job), "auc").text("auc") == "n/a"


def test_seeds_of_a_sweep_can_have_the_same_hospitals(job: Job, tmp_path: Path) -> None:
    """partition_seed decides who is where; without it each seed partitions anew."""
    fixed = variants(job, {"partition_seed": [7]}, 2, tmp_path / "a")
    free = variants(job, {}, 2, tmp_path / "b")

    def homes(found: list[Variant]) -> list[list[int]]:
        sites = [v.job.hospitals(load_plan(v.job.plan), tmp_path / "c").sites for v in found]
        return [
            [sum(map(len, ((d := s.data(load_plan(v.job.plan))).train, d.validation, d.test)))
             for s in own.values()]
            for v, own in zip(found, sites, strict=True)
        ]  # fmt: skip

    same, other = homes(fixed), homes(free)
    assert same[0] == same[1]
    assert other[0] != other[1]
    assert [load_plan(v.job.plan).seed for v in fixed] == [3, 4]
    assert choose_scenario(None, "iid", 2, 7).partition_seed == 7
    keep_scenario(tmp_path, choose_scenario(None, "iid", 2))
    assert "partition_seed" not in (tmp_path / "scenario.json").read_text()


def test_settings_on_the_command_line_are_checked_as_a_plans(
    job: Job, tmp_path: Path, hospitals: Path
) -> None:
    """Typed by the plan's own model; the plan's file keeps its bytes, the run has the change."""
    before = job.plan.read_bytes()
    with plan_with(job.plan, ["training.lr=0.5", "view=[PA, AP]"]) as changed:
        plan = load_plan(changed)
    assert (plan.training.lr, plan.images.view, plan.seed) == (0.5, ["PA", "AP"], 3)
    assert job.plan.read_bytes() == before
    for text, words in (
        ("lr=fast", r"training\.lr: 'fast' is not allowed"),
        ("lr", "--set lr names no value"),
        ("training.lr_=1", r"did you mean training\.lr\?"),
    ):
        with pytest.raises(ConfigError, match=words), plan_with(job.plan, [text]):
            pass


@pytest.mark.slow
def test_a_sweep_from_the_command_line_ends_with_pictures_and_tables(
    job: Job, hospitals: Path, tmp_path: Path
) -> None:
    said = CliRunner().invoke(app, [
        "sweep", str(job.plan), "--data", str(hospitals), "--set", "rounds=1", "--partition",
        "iid", "--sites", "2", "--partition-seed", "5", "--vary", "strategy=fedavg,fedadam,fedyogi",
        "--reference", "federation.strategy=fedadam", "--seeds", "2", "--figures", "pdf",
        "--workers", "1", "--out", str(tmp_path / "s"),
    ])  # fmt: skip

    assert said.exit_code == 0, said.output
    assert "6 runs in" in said.output
    assert "failed" not in said.output
    assert len((tmp_path / "s" / "sweep.csv").read_text().splitlines()) == 7
    assert "\\mathbf" in (tmp_path / "s" / "sweep.tex").read_text()
    assert (tmp_path / "s" / "figures" / "critical-difference-strategy.pdf").exists()
    page = (tmp_path / "s" / "sweep.html").read_text()
    assert "minus fedadam" in page
    assert "So few blocks cannot reach .05" in page


def test_a_value_a_setting_or_a_seed_that_would_be_named_twice_is_refused(
    job: Job, tmp_path: Path
) -> None:
    """Two runs of one name would write into one folder; two names of one setting would mislead."""
    with pytest.raises(ConfigError, match=r"lr=0\.01,0\.010 has a value twice"):
        read_vary(["lr=0.01,0.010"])
    with pytest.raises(ConfigError, match=r"--vary training\.lr: training\.lr occurs twice"):
        variants(job, {"lr": [0.01], "training.lr": [0.1, 0.2]}, 1, tmp_path)
    with pytest.raises(ConfigError, match=r"--vary seed: a sweep counts its seeds.*") as refused:
        variants(job, {"seed": [1, 2]}, 1, tmp_path)
    assert "--seeds N" in refused.value.todo


def test_scores_are_of_the_part_of_the_runs_that_ended(job: Job) -> None:
    variant = Variant("a", {"rule": "a"}, 0, job, Path())
    ended = Result(variant, {"auc": 0.7}, part="test")
    failed = Result(replace(variant, settings={"rule": "b"}), {}, "the disk is full")

    assert "(test part)" in answer([ended, failed], [])
    assert as_csv([ended, failed]).splitlines()[2].startswith("b,0,,")
    assert part_of([failed]) == "validation"


def test_latex_prints_what_it_would_read_as_a_command(job: Job) -> None:
    found = made_up("a\\b^c~d|<e>_{5%}&#$", {0: 0.7}, job)

    row = as_latex(found, ["auc"]).splitlines()[4]

    assert row.startswith(
        "a\\textbackslash{}b\\textasciicircum{}c\\textasciitilde{}d\\textbar{}\\textless{}e"
        "\\textgreater{}\\_\\{5\\%\\}\\&\\#\\$ & 1"
    )


def test_a_sweep_says_what_it_cannot_do_before_it_does_anything(job: Job, tmp_path: Path) -> None:
    """A grid of 10 ** 12 is counted, not listed."""
    grid = {key: [*range(1, 11)] for key in ("epochs", "rounds", "batch_size", "size", "depth")}
    grid |= {f"partition.{key}": [*range(10)] for key in "abcdefg"}
    with pytest.raises(ConfigError, match="at most 10000"):
        variants(job, grid, 1, tmp_path)
    with pytest.raises(ConfigError, match="a range is for a search"):
        read_vary(["lr=0.1..0.2"])
    for order, match in (
        (Order(("lr=0.1,0.2",), ("lr=0.1",), search=3), "--reference says nothing"),
        (Order(("lr=0.1,0.2",), runner="moon"), "unknown runner 'moon'"),
    ):
        with pytest.raises(ConfigError, match=match):
            make_sweep(job, order, tmp_path / "s", print)
    with pytest.raises(ConfigError, match="lies in the data folder"):
        make_sweep(job, Order(("lr=0.1,0.2",)), job.data / "s", print)
    assert not (tmp_path / "s").exists()
