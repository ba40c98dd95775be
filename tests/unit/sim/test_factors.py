"""A sweep compares like with like: results made so that another comparison would mislead."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_sim.data.scenario import partitioned
from medfl_sim.runs.directories import CHOICE
from medfl_sim.runs.job import Job
from medfl_sim.sweeps.answer import answer
from medfl_sim.sweeps.factors import Factor, factors, read_reference
from medfl_sim.sweeps.latex import as_latex
from medfl_sim.sweeps.page import write_sweep
from medfl_sim.sweeps.sweep import Variant
from medfl_sim.sweeps.table import Result, as_csv

WAVE = (0.000, 0.004, -0.003, 0.001, 0.002, -0.004)  # what six seeds do, in turn


@pytest.fixture
def job(make_plan: MakePlan) -> Job:
    return Job(make_plan(), Path(), partitioned("dirichlet:1", 2), baselines=False)


def made(job: Job, areas: dict[tuple[str, str], float | None], n_seeds: int = 6) -> list[Result]:
    """Make up runs of a strategy and an alpha; each strategy has its own small noise."""
    found = []
    for place, ((strategy, alpha), area) in enumerate(areas.items()):
        settings = {"strategy": strategy, "partition.alpha": alpha}
        for seed in range(n_seeds):
            noise = WAVE[(seed + place) % 6]
            variant = Variant(f"{place}-{seed}", settings, seed, job, Path("nowhere"))
            found.append(Result(variant, {"auc": None if area is None else area + noise}))
    return found


CONFOUNDED = {
    ("fedavg", "0.1"): 0.70, ("median", "0.1"): 0.67, ("fedavg", "1.0"): 0.90,
    ("median", "1.0"): 0.87,
}  # fmt: skip


def of(found: list[Factor], name: str) -> Factor:
    return next(factor for factor in found if factor.name == name)


def test_an_easier_partition_does_not_make_an_algorithm_look_better(job: Job) -> None:
    """median with 1.0 is far above fedavg with 0.1, and below fedavg wherever alpha is the same."""
    found = made(job, CONFOUNDED)
    compared = factors(found)
    strategy = of(compared, "strategy")

    assert [(one.within, one.verdict) for one in strategy.comparisons] == [
        ((("partition.alpha", "0.1"),), "below"), ((("partition.alpha", "1.0"),), "below"),
    ]  # fmt: skip
    assert {round(one.gap.mean, 3) for one in strategy.comparisons if one.gap} == {-0.03}
    alpha = of(compared, "partition.alpha")
    assert [one.verdict for one in alpha.comparisons] == ["above", "above"]
    said = answer(found, compared)
    assert "strategy, against fedavg: median is clearly above in 0 and clearly below in 2" in said
    assert "with partition.alpha 0.1, fedavg has 0.700" in said


def test_the_reference_is_the_level_that_was_named_by_its_whole_or_short_key(job: Job) -> None:
    vary = {"strategy": ["fedavg", "median"], "partition.alpha": [0.1, 1.0]}
    reference = read_reference(["federation.strategy=median", "partition.alpha=1.0"], vary)

    compared = factors(made(job, CONFOUNDED), reference)

    assert {(f.name, f.reference) for f in compared} == {
        ("strategy", "median"), ("partition.alpha", "1.0"),
    }  # fmt: skip
    assert [one.verdict for one in of(compared, "strategy").comparisons] == ["above", "above"]
    with pytest.raises(ConfigError, match=r"the sweep does not vary lr"):
        read_reference(["lr=0.1"], vary)
    with pytest.raises(ConfigError, match=r"fedprox names none of the values"):
        read_reference(["strategy=fedprox"], vary)
    with pytest.raises(ConfigError, match=r"federation\.strategy occurs twice"):
        read_reference(["strategy=fedavg", "federation.strategy=median"], vary)


def test_settings_that_are_equally_good_are_all_named(job: Job) -> None:
    areas: dict[tuple[str, str], float | None] = {("fedavg", "1"): 0.7, ("median", "1"): 0.7}
    more: dict[tuple[str, str], float | None] = {(f"lr-{i}", "1"): 0.7 for i in range(5)}

    both = answer(made(job, areas, 6), [])

    assert "fedavg has 0.700 ± 0.003 over 6 seeds and median has 0.700 ± 0.003" in both
    assert "5 settings have 0.700" in answer(made(job, more, 6), [])


def test_holm_counts_the_comparisons_of_one_table(job: Job) -> None:
    strategy = of(factors(made(job, CONFOUNDED)), "strategy")

    small, large = sorted(
        (one.gap.p or 0, one.corrected) for one in strategy.comparisons if one.gap
    )

    assert small[1] == pytest.approx(2 * small[0])
    assert large[1] == pytest.approx(max(large[0], 2 * small[0]))


def test_the_best_of_the_same_data_is_bold_and_no_other(job: Job) -> None:
    text = as_latex(made(job, CONFOUNDED), ["auc"], factors(made(job, CONFOUNDED)))
    lines = text.splitlines()

    assert f"AUC ({CHOICE})" in text
    bold = [line for line in lines if "mathbf" in line]
    assert [line.split(" & ")[:2] for line in bold] == [["fedavg", "0.1"], ["fedavg", "1.0"]]
    assert bold[0].startswith("fedavg & 0.1 & 6 & $\\mathbf{0.700 \\pm 0.003}$")
    assert text.count("\\begin{tabular}") == text.count("\\bottomrule") == 3
    assert "partition.alpha 0.1 & median & $-0.030$" in text


def test_data_are_blocks_of_friedmans_test_and_without_other_settings_the_seeds_are(
    job: Job,
) -> None:
    """a is best, c worst in each of five partitions: mean ranks 1, 2, 3, and p = exp(-5)."""
    areas: dict[tuple[str, str], float | None] = {
        (rule, alpha): height + place / 10
        for place, alpha in enumerate(("1", "2", "3", "4", "5"))
        for rule, height in (("a", 0.5), ("b", 0.45), ("c", 0.4))
    }
    found = made(job, areas)
    ranking = of(factors(found), "strategy").ranking

    assert ranking is not None
    assert (ranking.mean_ranks, ranking.n_blocks) == ((1, 2, 3), 5)
    assert ranking.p == pytest.approx(2.718281828**-5, rel=1e-6)
    one_data = [r for r in found if r.variant.settings["partition.alpha"] == "1"]
    (alone,) = factors(one_data)
    assert alone.ranking is not None
    assert (alone.ranking.n_blocks, alone.block) == (6, "a seed")
    lacking = of(factors(made(job, {**areas, ("c", "5"): None})), "strategy")
    assert lacking.ranking is not None
    assert (lacking.ranking.n_blocks, lacking.n_left_out) == (4, 1)


def test_tables_say_the_part_and_few_seeds_say_that_they_cannot_tell(
    job: Job, tmp_path: Path
) -> None:
    for n_seeds, words in ((2, "With 2 seeds no test can reach p = .05"), (4, "no test by ranks")):
        found = made(job, CONFOUNDED, n_seeds)
        compared = factors(found)
        page = write_sweep(tmp_path, found, "x", answer(found, compared), compared).read_text()

        assert words in page
        assert f"AUC ({CHOICE})" in page
    assert as_csv(found).splitlines()[0].startswith("strategy,partition.alpha,seed,part,auc")
    assert as_csv(found).splitlines()[1].startswith(f"fedavg,0.1,0,{CHOICE},0.7")


@pytest.mark.parametrize(
    ("kind", "begins"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")]
)
def test_pictures_are_files_that_a_paper_takes(
    job: Job, tmp_path: Path, kind: str, begins: bytes
) -> None:
    areas: dict[tuple[str, str], float | None] = {
        (rule, alpha): height
        for alpha in ("1", "2")
        for rule, height in (("a", 0.5), ("b", 0.45), ("c", 0.4))
    }
    found = made(job, areas)

    write_sweep(tmp_path, found, "x", "", factors(found), kind)

    written = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert {*written} == {f"auc.{kind}", f"critical-difference-strategy.{kind}"}
    assert all(data.startswith(begins) for data in written.values())
