from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.masks import Pointwise, mask_plan, one_case, outlined_site, some_cases

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import release
from medfl_client.egress.inspection import inspect
from medfl_client.egress.mask_rules import released_masks
from medfl_client.model_use.mask_report import keep_with_masks, mask_report
from medfl_client.task.reply_line import line_of
from medfl_client.training.local_round import work
from medfl_common.errors import DisclosureError
from medfl_common.metrics.mask_counts import HISTOGRAMS, MaskCounts, case_bin_places, merge_masks
from medfl_common.metrics.mask_estimates import mask_scores
from medfl_common.metrics.mask_numbers import NAMES
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.run.model_file import load_model
from medfl_common.wire.results import TrainResult, decode_result, plan_number
from medfl_common.wire.tasks import Kind, TrainTask

PLAN = mask_plan()
UPDATE = {"w": torch.ones(2, 2)}
SHAPES = {"w": (2, 2)}
DICE = np.random.default_rng(3).beta(9, 2, 40).round(3)


def asked(kind: Kind = "train") -> TrainTask:
    return TrainTask(kind, "0" * 32, 1, 99, "north", PLAN, {})


def result(counts: MaskCounts, update: bool = True) -> TrainResult:
    own = TrainResult(plan_number(PLAN), 1, 99, mask_counts=counts)
    return replace(own, n_images=50, n_steps=5, update=UPDATE) if update else own


def without_class(counts: MaskCounts, n_false: int = 0) -> MaskCounts:
    """Give the counts of the same cases, as if none had the second class."""
    n = counts.n
    rows = {
        name: getattr(counts, name).copy() for name in (*HISTOGRAMS, "sums", "squares", "lesions")
    }
    for row in rows.values():
        row[1] = 0
    voxels, cases = counts.voxels.copy(), counts.cases.copy()
    voxels[1], cases[1] = (0, 10 * n_false, 0), (0, n, n_false)
    return replace(counts, voxels=voxels, cases=cases, **rows)


@pytest.mark.parametrize(("kind", "n_bins"), [("train", 10), ("evaluate", 50)])
def test_what_leaves_has_cells_of_enough_cases_and_the_exact_mean(kind: Kind, n_bins: int) -> None:
    given = result(some_cases(*DICE), update=kind == "train")

    content = release(given, asked(kind), Policy(min_cell=6), SHAPES)

    found = decode_result(content, SHAPES, PLAN).mask_counts
    assert found is not None
    for name in HISTOGRAMS:
        rows = getattr(found, name)
        assert rows.sum(axis=1).tolist() == [40, 40]
        assert rows[rows > 0].min() >= 6
        assert not np.delete(rows, case_bin_places(n_bins), axis=1).any()
    assert mask_scores(found)["dice"] == pytest.approx(DICE.mean(), abs=0.0006)
    hit = float(f"{1000 * DICE.sum():.3g}")
    assert found.voxels[0, 0] == (hit if kind == "evaluate" else 0)
    assert found.loss == 0.5


def test_scores_of_fewer_cases_than_the_smallest_cell_stay_and_the_update_goes() -> None:
    content = release(result(some_cases(*DICE[:5])), asked(), Policy(min_cell=6), SHAPES)

    numbers = content.metric_records["numbers"]
    assert not {"n_scored", "loss", *NAMES} & {*numbers}
    assert "update" in content


def test_one_case_that_a_model_finds_among_ten_tells_nothing_of_itself() -> None:
    counts = some_cases(0.73, *[0.0] * 9)

    last = released_masks(counts, 10, is_scoring=True)
    of_round = released_masks(counts, 10, is_scoring=False)

    assert last is not None
    assert of_round is not None
    assert last.voxels[0].tolist() == [0, 0, 10_000]
    assert last.lesions[0].tolist() == [0, 0, 10]
    # its mean bin: 36 / 10 is the bin 4 of 50, and of a round 7 / 10 the bin 1 of 10
    assert last.sums[0, :2] == pytest.approx([0.9, 0.9])
    assert of_round.sums[0, :2] == pytest.approx([1.5, 1.5])
    assert not of_round.voxels.any()
    assert not of_round.lesions.any()


@pytest.mark.parametrize(("n_with", "n_without"), [(4, 20), (20, 4)])
def test_a_class_that_few_cases_have_or_lack_is_taken_out_and_the_other_stays(
    n_with: int, n_without: int
) -> None:
    counts = merge_masks([some_cases(*DICE[:n_with]), without_class(some_cases(*DICE[:n_without]))])

    found = released_masks(counts, 5, is_scoring=True)

    assert found is not None
    assert found.cases.tolist() == [[24, 0, 0], [0, 0, 0]]
    assert not any(getattr(found, name)[1].any() for name in (*HISTOGRAMS, "voxels", "sums"))
    assert found.dice[0].sum() == 24


@pytest.mark.parametrize(
    ("n_false", "told"), [(0, [20, 0]), (3, [0, 0]), (8, [20, 8]), (18, [0, 0])]
)
def test_of_few_false_alarms_or_few_cases_without_one_nothing_is_told(
    n_false: int, told: list[int]
) -> None:
    counts = without_class(some_cases(*DICE[:20]), n_false)

    found = released_masks(counts, 5, is_scoring=True)

    assert found is not None
    assert found.cases[1].tolist() == [0, *told]
    share = mask_scores(found)["false_alarms"]
    assert share == (None if told == [0, 0] else n_false / 20)
    assert not found.voxels[1].any()


def test_scores_stay_where_the_policy_does_not_share_them() -> None:
    policy = Policy(min_cell=1, metrics=["train_loss"])

    content = release(result(some_cases(*DICE)), asked(), policy, SHAPES)

    assert "n_scored" not in content.metric_records["numbers"]


@pytest.mark.parametrize(
    "name", ["mask_dice", "mask_cases", "mask_voxels", "mask_means", "mask_new"]
)
def test_the_last_look_stops_a_message_that_tells_of_few_cases(name: str) -> None:
    content = release(result(some_cases(*DICE)), asked(), Policy(min_cell=6), SHAPES)
    numbers = content.metric_records["numbers"]
    told = [*numbers.get(name, [0])]  # type: ignore[misc]
    told[0] = 1
    numbers[name] = [float(n) for n in told] if name == "mask_means" else told

    with pytest.raises(DisclosureError):
        inspect(content, PLAN, SHAPES, Policy(min_cell=6))


def test_the_last_look_stops_the_excess_of_a_class_that_no_image_has() -> None:
    policy, task = Policy(min_cell=6), asked("evaluate")
    content = release(result(without_class(some_cases(*DICE)), update=False), task, policy, SHAPES)
    inspect(content, PLAN, SHAPES, policy)
    content.metric_records["numbers"]["mask_lesions"][4] = 1  # type: ignore[index]

    with pytest.raises(DisclosureError, match="without their class"):
        inspect(content, PLAN, SHAPES, policy)


def test_a_scoring_counts_masks_and_the_site_reads_its_dice() -> None:
    model, site = Pointwise(), outlined_site(12)
    task = replace(asked("evaluate"), weights=shared_weights(model))

    found = work(task, model, site, torch.device("cpu"))
    content = release(found, task, Policy(min_cell=5), {})

    assert found.score_counts is None
    assert found.mask_counts is not None
    assert found.mask_counts.n == 12
    said = line_of(found, task, content, Policy(min_cell=5), None)
    dice = mask_scores(found.mask_counts)["dice"]
    assert f"Dice {dice:.2f} on 12 cases" in said
    assert "withheld" not in said
    withheld = release(found, task, Policy(min_cell=13), {})
    assert "fewer cases than 13" in line_of(found, task, withheld, Policy(min_cell=13), None)
    assert found.without_scores().mask_counts is None


def test_the_sites_own_report_has_a_column_for_each_class() -> None:
    said = mask_report(merge_masks([one_case(0.9), one_case(0.5)]), PLAN)

    assert said.splitlines()[0] == "validation images of this site: 2"
    assert ["Dice,", "mean", "0.7", "0.7"] in [line.split() for line in said.splitlines()]
    assert "heart" in said


def test_a_kept_model_has_its_exact_scores_beside_it_and_no_threshold(tmp_path: Path) -> None:
    plan = mask_plan("unet", model={"width": 4, "levels": 2})
    model = build_model(plan)

    keep_with_masks(tmp_path, "run", plan, model, outlined_site(4), torch.device("cpu"))

    folder = StateFolder(tmp_path).models / "run"
    assert "validation images of this site: 4" in (folder / "scores.txt").read_text()
    _, again, reading = load_model(folder)
    kept, own = (shared_weights(one) for one in (again, model))
    assert own
    assert all(torch.equal(kept[name], own[name]) for name in own)
    assert reading.temperature is None
