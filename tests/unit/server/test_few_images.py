"""Pages say no more than the images behind a score allow, and all pages say the same."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakePlan

from medfl_common.files import Json
from medfl_common.metrics.clusters import SCORES
from medfl_common.metrics.counts import N_BINS, Counts, ScoreCounts
from medfl_common.metrics.intervals import delong
from medfl_common.plan.plan import load_plan
from medfl_common.run.model_file import read_scores
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.reports.sections.result import final_table
from medfl_server.study.run_directory import Study, create_study


def reply(n_trained: int, n: int, n_wrong: int = 1) -> dict[str, Json]:
    """Give a site's reply: half positive, all right but n_wrong of each; n = 0: no scores."""
    found: dict[str, Json] = {
        "n_images": n_trained, "n_steps": 4, "train_loss": 0.6, "seconds": 1.0,
        "bytes_received": 9, "bytes_sent": 9, "sha256": "ab",
    }  # fmt: skip
    if n:
        half = n // 2
        positive, negative = np.zeros((2, 1, N_BINS), dtype=int)
        positive[0, 90], positive[0, 30] = half - n_wrong, n_wrong
        negative[0, 20], negative[0, 60] = n - half - n_wrong, n_wrong
        confusion = [[n - half - n_wrong, n_wrong], [n_wrong, half - n_wrong]]
        found["tally"] = {
            "n": n, "loss": 0.5, "confusion": confusion,
            "positive": positive.tolist(), "negative": negative.tolist(),
        }  # fmt: skip
        found["exact_auc"] = 0.0  # of an earlier version: no page takes it
    return found


@pytest.fixture
def made(tmp_path: Path, make_plan: MakePlan) -> Study:
    return create_study(tmp_path / "study", make_plan())


def finish(study: Study, sites: dict[str, dict[str, Json]]) -> tuple[str, str]:
    """Write a study's log; give its report and its card."""
    study.log.write("started", sites=[*sites], sha256="ab")
    shown: Json = {**sites}
    for event in ("round", "finished"):
        study.log.write(event, round=1, seconds=1.0, sites=shown, missing={}, sha256="ab")
    card = write_model_card(study)
    assert card is not None
    return write_report(study).read_text(), card.read_text()


def test_report_card_and_screen_give_one_auc_with_its_interval(made: Study) -> None:
    report, card = finish(made, {"north": reply(60, 40, 4), "south": reply(40, 60, 4)})

    (in_report,) = set(re.findall(r"has AUC (\S+ \(95 % interval \S+ to \S+ or wider\))", report))
    (in_card,) = re.findall(r"its AUC is (\S+ \(95 % interval \S+ to \S+ or wider\))", card)
    assert in_report == in_card
    assert final_table(made)[1][-1][-1] == in_report.split(" ")[0] == "0.97"
    assert f"| AUC (ROC) | {in_report.split(' ')[0]} |" in card


def test_the_first_sentence_says_which_part_of_the_training_shared_no_scores(made: Study) -> None:
    report, card = finish(made, {"north": reply(73, 0), "south": reply(27, 40)})

    assert "north, with 73% of the training images, shared no scores" in report
    assert "site A, with 73% of the training images, shared no scores" in card.split("##")[0]
    assert "north" not in card


def test_six_images_give_one_digit_no_threshold_and_no_temperature(made: Study) -> None:
    report, card = finish(made, {"north": reply(30, 6)})

    for page in (report, card):
        assert not re.search(r"\b[01]\.\d\d+\b(?! s)", _scores(page))
        assert "6 images are too few" in page
        assert "Youden" not in page
    assert "names no temperature" in report


@pytest.mark.parametrize("n_small", [3, 6])
def test_the_confusion_of_few_images_is_not_printed_nor_to_be_subtracted(
    made: Study, n_small: int
) -> None:
    sites = {"north": reply(60, 40), "south": reply(40, 30), "small": reply(5, n_small)}
    report, _ = finish(made, sites)

    captions = re.findall(r"(\w[\w ]*), n = \d+</caption>", report)
    assert "north" in captions
    assert "small" not in captions
    assert "south" not in captions  # with it, all sites minus the others would be the small one
    assert f"small (n = {n_small})" in report


def test_a_model_is_not_calibrated_on_a_few_images(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())
    histogram = np.full((1, N_BINS), 1)
    many = ScoreCounts(256, 0.5, np.full((2, 2), 64), histogram, histogram)
    few = ScoreCounts(6, 0.5, np.array([[3, 0], [0, 3]]), histogram[:, :3], histogram[:, :3])

    assert read_scores(many, plan, 1).temperature is not None
    assert (read_scores(few, plan, 1).temperature, read_scores(few, plan, 1).youden) == (None, None)


def test_forty_images_have_a_temperature_that_the_page_says_is_held_back(made: Study) -> None:
    report, card = finish(made, {"north": reply(60, 40, 0)})  # all right: the smallest T fits best

    for page in (report, card):
        assert "The 40 validation images alone would say 0.05" in page
        assert "drawn towards 1" in page


def test_too_few_negative_images_name_no_threshold_of_a_specificity(made: Study) -> None:
    one = reply(60, 40)
    negative = [0] * N_BINS
    negative[20] = 6
    one["tally"]["negative"] = [negative]  # type: ignore[index, call-overload]
    report, card = finish(made, {"north": one})

    for page in (report, card):
        assert "names no threshold of a specificity of 0.9: 6 negative images" in page
        assert "It takes 9." in page
        assert "Youden" in page


def _scores(page: str) -> str:
    """Give the text from the first sentence to the scores, without images and the plan."""
    text = re.sub(r"<svg.*?</svg>|<pre.*?</pre>|<style.*?</style>", "", page, flags=re.DOTALL)
    parts = re.split(r"<h2>|^## ", text, flags=re.MULTILINE)
    return "".join(p for p in parts if "AUC" in p[:2000] and "training images" not in p[:300])


def test_an_initial_model_and_scores_of_one_class_are_marked_as_what_they_are(made: Study) -> None:
    one = reply(60, 40)
    one["tally"] = {  # type: ignore[assignment]
        "n": 40, "loss": 0.5, "confusion": [[30, 10], [0, 0]],
        "positive": [[0] * N_BINS], "negative": [[0] * (N_BINS - 1) + [40]],
    }  # fmt: skip
    made.log.write("started", sites=["north"], sha256="ab")
    for event, round_ in (("round", 1), ("finished", 0)):
        made.log.write(
            event, round=round_, last=1, seconds=1.0, sites={"north": one}, missing={}, sha256="ab"
        )
    card = write_model_card(made)

    assert card is not None
    screen = final_table(made)[2]
    for shown in (write_report(made).read_text(), card.read_text(), screen):
        assert "It is the initial model: no round of training was better" in shown
        assert "Every scored image is of the class normal" in shown


def clustered(n: int, told: list[int] | None) -> dict[str, Json]:
    found = reply(60, n, 4)
    tally = found["tally"]
    assert isinstance(tally, dict)
    if told is not None:
        tally["clusters"] = [*told]
    return found


def curves(n: int) -> tuple[Counts, Counts]:
    tally = reply(60, n, 4)["tally"]
    assert isinstance(tally, dict)
    return np.array(tally["positive"]), np.array(tally["negative"])


def auc_interval_of(report: str) -> tuple[float, float]:
    ((low, high),) = set(
        re.findall(r"has AUC \S+ \(95 % interval (\S+) to (\S+?)(?: or wider)?\)", report)
    )
    return float(low), float(high)


def test_an_interval_is_as_wide_as_the_sites_design_effects_say(made: Study) -> None:
    n_effects = len(SCORES) + 1
    report, card = finish(made, {"north": clustered(80, [16, *[500] * n_effects])})

    low, high = auc_interval_of(report)
    alone = delong(*(counts[0] for counts in curves(80)), 5.0)
    assert alone is not None
    assert (low, high) == pytest.approx(alone, abs=0.02)
    for page in (report, card):
        assert "intervals count patients of 16, not images" in page
        assert "5 times as large" in page


def test_the_log_of_an_earlier_version_opens_and_its_intervals_are_called_too_narrow(
    made: Study,
) -> None:
    report, card = finish(made, {"north": clustered(80, None)})

    assert auc_interval_of(report)
    assert "make them too narrow" in report
    assert "make them too narrow" in card


def test_eighty_slices_of_two_patients_have_no_interval(made: Study) -> None:
    n_effects = len(SCORES) + 1
    report, card = finish(made, {"north": clustered(80, [2, *[4000] * n_effects])})

    for page in (report, card):
        assert "2 patients: no interval" in page
        assert "95 % interval 0" not in page


def test_a_site_that_keeps_few_patients_back_has_no_interval(made: Study) -> None:
    none = [0] * (len(SCORES) + 2)
    report, card = finish(made, {"north": clustered(80, none)})

    for page in (report, card):
        assert "too few patients: no interval" in page
