"""The pages of a segmentation speak of Dice, and of the cases behind it."""

from pathlib import Path

import numpy as np
import pytest
from tests.masks import PLAN, some_cases

from medfl_client.egress.mask_rules import released_masks
from medfl_client.training.mask_scores import count_case
from medfl_common.metrics.mask_counts import MaskCounts, merge_masks
from medfl_common.run.events import Finished
from medfl_common.run.site_reply import SiteReply
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.reports.scores import ALL, score_sites
from medfl_server.reports.sections.masks import box_of
from medfl_server.reports.sections.result import final_table
from medfl_server.study.run_directory import Study, create_study

RNG = np.random.default_rng(5)
NORTH = RNG.beta(18, 2, 30).round(3)
SOUTH = RNG.beta(8, 3, 24).round(3)


def reply(counts: MaskCounts | None, is_scoring: bool) -> SiteReply:
    left = None if counts is None else released_masks(counts, 5, is_scoring)
    return SiteReply.of_work(
        n_images=40, n_steps=10, train_loss=0.4, seconds=1.0, bytes_received=9, bytes_sent=9,
        sha256="ab", for_round=None, score_counts=None, exact_auc=None, groups={}, compared={},
        mask_counts=left,
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("MODEL", "unet"))
    made = create_study(tmp_path / "study", path)
    made.log.write("started", sites=["north", "south", "west"], sha256="ab")
    for event, round_, worse in (("round", 1, 0.3), ("round", 2, 0.1), ("finished", 2, 0.0)):
        is_scoring = event == "finished"
        north, south = (some_cases(*np.maximum(d - worse, 0)) for d in (NORTH, SOUTH))
        scored = {"north": north, "south": south, "west": None}
        sites = {site: {**reply(c, is_scoring).facts} for site, c in scored.items()}
        made.log.write(event, round=round_, seconds=1.0, sites=sites, missing={}, sha256="ab")
    return made


def test_the_report_says_dice_with_its_interval_and_who_is_left_out(study: Study) -> None:
    page = write_report(study).read_text()

    dice = np.concatenate([NORTH, SOUTH]).mean()
    assert f"the model of round 2 has Dice {dice:.2f} (95 % interval" in page
    assert "on 54 validation images of patients outside its training" in page
    assert "west, with 33% of the training images, shared no scores." in page
    assert "Dice of heart, image by image" in page
    assert "AUC" not in page.partition("The plan</h2>")[0]


def test_the_card_tells_dice_and_surface_dice_by_site_and_whose_masks(study: Study) -> None:
    card = write_model_card(study)

    assert card is not None
    text = card.read_text()
    assert "A unet that outlines lung, heart in CR/DX images." in text
    assert f"| site A | 30 | {NORTH.mean():.2f} |" in text
    assert "The labels are masks of the hospitals" in text
    assert "NSD, the surface Dice, at 2 pixels" in text
    assert "AUC" not in text


def test_the_screen_has_a_row_for_each_site_and_the_mean_over_all_images(study: Study) -> None:
    header, rows, title = final_table(study)

    assert header[2] == "Dice"
    assert [row[:3] for row in rows] == [
        ["north", "30", f"{NORTH.mean():.2f}"],
        ["south", "24", f"{SOUTH.mean():.2f}"],
        ["west", "none shared", ""],
        [ALL, "54", f"{np.concatenate([NORTH, SOUTH]).mean():.2f}"],
    ]
    assert title.startswith("final model (of round 2) on validation patients")


def test_a_rare_class_is_told_with_its_images_and_their_digits() -> None:
    counts = merge_masks([some_cases(*[2 / 3] * 10), *[count_case({}, 0.5, 2)] * 590])
    event = Finished.of_replies(2, None, {"north": reply(counts, is_scoring=True)}, {})

    found = score_sites(event)[ALL]

    assert found.text("dice") == "0.67"
    assert found.of_images("validation") == (
        "600 validation images (at least 10 with each scored class)"
    )


def test_a_box_is_the_cases_quantiles_within_a_bin() -> None:
    dice = np.linspace(0.005, 0.995, 100).round(3)

    box = box_of(some_cases(*dice), 0)

    assert box is not None
    found = [box.low, box.first, box.middle, box.third, box.high, box.mean]
    assert found == pytest.approx(
        [*np.quantile(dice, [0.05, 0.25, 0.5, 0.75, 0.95]), 0.5], abs=0.02
    )
