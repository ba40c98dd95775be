"""The pages of a detection speak of FROC and AP, and of the true boxes behind them."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.boxes import PLAN, box_plan, some_boxes

from medfl_client.commands.plan_summary import summarise
from medfl_client.egress.box_rules import released_boxes
from medfl_client.model_use.box_report import box_report
from medfl_client.task.reply_line import scores_in_words
from medfl_common.metrics.box_counts import CENTRE, BoxCounts, count_found, merge_boxes
from medfl_common.metrics.box_estimates import box_estimates, box_scores
from medfl_common.run.events import Finished, ScoredOutside
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.results import TrainResult
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.reports.scores import ALL
from medfl_server.reports.sections.boxes import BOX_HEADER, curve_of, sure_section
from medfl_server.reports.sections.card_scores import dense_scores_section
from medfl_server.reports.sections.outside import outside_section
from medfl_server.reports.sections.result import final_table
from medfl_server.rounds.outcome import Answered, Replies
from medfl_server.rounds.round_facts import summary
from medfl_server.study.run_directory import Study, create_study


def left(counts: BoxCounts | None, is_scoring: bool = True) -> BoxCounts | None:
    return None if counts is None else released_boxes(counts, 5, is_scoring)


def reply(counts: BoxCounts | None) -> SiteReply:
    return SiteReply.of_work(
        n_images=40, n_steps=10, train_loss=0.4, seconds=1.0, bytes_received=9, bytes_sent=9,
        sha256="ab", for_round=None, score_counts=None, exact_auc=None, groups={}, compared={},
        box_counts=counts,
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("MODEL", "unet"))
    made = create_study(tmp_path / "study", path)
    made.log.write("started", sites=["north", "south", "west"], sha256="ab")
    for event, round_, skill in (("round", 1, 0.3), ("round", 2, 0.6), ("finished", 2, 0.8)):
        counted = {"north": some_boxes(60, 1, skill), "south": some_boxes(40, 2, skill)}
        replies = {site: reply(left(c, event == "finished")) for site, c in counted.items()}
        sites = {site: own.facts for site, own in {**replies, "west": reply(None)}.items()}
        made.log.write(event, round=round_, seconds=1.0, sites=sites, missing={}, sha256="ab")
    return made


def final() -> dict[str, BoxCounts]:
    found = {"north": left(some_boxes(60, 1)), "south": left(some_boxes(40, 2))}
    return {site: counts for site, counts in found.items() if counts is not None}


def test_the_report_says_froc_with_its_interval_and_who_is_left_out(study: Study) -> None:
    page = write_report(study).read_text()

    one = box_estimates(merge_boxes([*final().values()]))["froc"]
    told = f"{one.value:.2f} (95 % interval {one.low:.2f} to {one.high:.2f})"
    assert f"the model of round 2 has FROC {told}" in page
    assert "on 100 validation images" in page
    assert "west, with 33% of the training images, shared no scores." in page
    assert "patients are drawn anew there" in page
    assert "sensitivity at 1/8 false positives an image" in page
    assert "nodule: sensitivity" in page
    assert "AP50" in page
    assert "256 bins for the final model, 64 in the rounds" in page
    assert not {"AUC", "Dice"} & {*page.partition("The plan</h2>")[0].split()}


def test_the_card_tells_froc_and_ap_by_site_and_whose_boxes(study: Study) -> None:
    card = write_model_card(study)

    assert card is not None
    text = card.read_text()
    north = box_scores(final()["north"])
    assert "A unet that finds and boxes nodule, mass in CR/DX images." in text
    assert f"| site A | 60 | {north['froc']:.2f} |" in text
    assert "| class | images with it | true boxes | FROC |" in text
    assert "The labels are boxes of the hospitals" in text
    assert "boxes of nodule, mass, each with a confidence" in text
    assert "the centre of what the model draws is within a true box" in text
    assert "predict does not say whether an image looks unusual" in text
    assert "north" not in text
    assert not {"AUC", "Dice"} & {*text.split()}


def test_the_card_of_volumes_says_ellipsoid(study: Study) -> None:
    event = study.log.read(Finished)[-1]
    letters = dict(zip(("north", "south", "west"), "ABC", strict=True))
    images: dict[str, object] = {"dimensions": 3, "depth": 32, "sample": "series"}

    section = dense_scores_section(box_plan("unet", images=images), event, letters)

    assert "within the ellipsoid in a true box" in section.texts[0]


def test_the_screen_has_a_row_for_each_site_and_the_mean_over_all(study: Study) -> None:
    header, rows, title = final_table(study)

    whole = box_scores(merge_boxes([*final().values()]))
    assert header == BOX_HEADER
    assert [row[:2] for row in rows] == [
        ["north", "60"], ["south", "40"], ["west", "none shared"], [ALL, "100"],
    ]  # fmt: skip
    names = ("froc", "ap50", "at_1_8", "at_1", "at_8")
    assert rows[-1][2:] == [f"{whole[name]:.2f}" for name in names]
    assert title.startswith("final model (of round 2) on validation patients")


def test_a_curve_begins_within_its_axis_and_ends_at_what_is_found() -> None:
    counts = some_boxes(60)

    false, sensitivity = curve_of(counts, 0)

    assert (false[0], false == sorted(false)) == (1 / 16, True)
    assert 0.0 < sensitivity[0] < sensitivity[-1]
    assert sensitivity[-1] == counts.hits[0, 1].sum() / counts.truths[0]


def test_a_curve_is_cut_at_sixteen_with_what_is_found_there() -> None:
    counts = some_boxes(60)
    hits, extra = counts.hits * 0, counts.extra * 0
    hits[0, CENTRE, 10] = counts.truths[0]  # all are found, at 60 false boxes an image
    extra[0, CENTRE, [200, 10]] = [15 * 60, 45 * 60]

    false, sensitivity = curve_of(replace(counts, hits=hits, extra=extra), 0)

    assert (false[0], false[-1]) == (1 / 16, 16)
    assert max(sensitivity) == sensitivity[-1] == pytest.approx(1 / 45)
    assert set(sensitivity[:-1]) == {0.0}


def test_effects_of_one_class_do_not_speak_for_the_other() -> None:
    whole = merge_boxes([*final().values()])
    whole.effects[1] = 0

    said = sure_section(whole, is_round=False).texts[0]

    assert "where no hospital tells how alike" in said


def test_a_class_without_a_box_is_marked_and_hospitals_outside_are_shown(study: Study) -> None:
    counts = some_boxes(60)
    counts.found.truths[:, 1] = 0  # type: ignore[union-attr]
    one_class = left(count_found(counts.found, 0.5))  # type: ignore[arg-type]
    event = ScoredOutside.of_replies(2, None, {"far": reply(one_class)}, {"away": "no answer"})

    (section,) = outside_section([event], study.plan)

    assert section.tables[0].header == BOX_HEADER
    assert [row[0] for row in section.tables[0].rows] == ["far", "away", ALL]
    assert "all outside hospitals, n = 60 images" in section.tables[1].caption


def test_lines_at_both_ends_speak_of_froc() -> None:
    counts = some_boxes(60)
    result = TrainResult(1, 1, 1, box_counts=counts)
    value = box_scores(counts)["froc"]

    assert f"FROC {value:.2f} on 60 cases" in scores_in_words(result)
    answered = Answered(result, 1, 1, "ab")
    assert f"FROC {value:.2f} on 60 validation cases" in summary(
        Replies({"north": answered}, {}, 1.0)
    )


def test_the_sites_own_report_has_a_column_for_each_class() -> None:
    said = box_report(some_boxes(60), box_plan())

    assert said.splitlines()[0].startswith("validation images of this site: 60")
    assert said.splitlines()[2].split() == ["nodule", "mass"]
    assert "AP at IoU 0.5" in said


def test_the_hospital_reads_what_would_leave() -> None:
    rows = {row[0]: row[1] for row in summarise(box_plan("unet"))}

    assert rows["what the model learns"] == "where in an image are: nodule, mass"
    assert "No box and no place leaves" in rows["which scores"]
    assert "one set of boxes per image" in rows["which images medfl reads"]
