from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.files import Json
from medfl_common.metrics.counts import N_BINS
from medfl_server.reports.report import write_report
from medfl_server.reports.sections.result import final_table
from medfl_server.study.run_directory import Study, create_study


def facts(score: bool = True) -> dict[str, Json]:
    """One site: 2 negatives in bins 10 and 70, 2 positives in bins 40 and 90, so AUC 3/4."""
    found: dict[str, Json] = {
        "n_images": 31, "n_steps": 4, "train_loss": 0.6, "seconds": 1.0,
        "bytes_received": 1234567, "bytes_sent": 1234999,
    }  # fmt: skip
    if score:
        negative, positive = [0] * N_BINS, [0] * N_BINS
        negative[10] = negative[70] = positive[40] = positive[90] = 1
        found["tally"] = {
            "n": 4, "loss": 0.5, "confusion": [[1, 1], [1, 1]],
            "positive": [[*positive]], "negative": [[*negative]],
        }  # fmt: skip
        found["exact_auc"] = 0.75
    return found


@pytest.fixture
def study(tmp_path: Path, make_plan: MakePlan) -> Study:
    made = create_study(tmp_path / "study", make_plan())
    made.log.write("started", sites=["north", "<script>$x$"])
    return made


def add(study: Study, event: str, round_: int, score: bool = True) -> None:
    sites: dict[str, Json] = {"north": facts(score), "<script>$x$": facts(score)}
    missing: dict[str, Json] = {"<b>south</b>": "<i>reason</i>"}
    study.log.write(event, round=round_, seconds=1.0, sites=sites, missing=missing, sha256="ab")


def test_the_answer_names_the_final_auc(study: Study) -> None:
    add(study, "round", 1)
    add(study, "finished", 1)

    page = write_report(study).read_text()

    assert "After 1 round over 2 hospitals the model of round 1 has AUC 0.8 (95 % interval" in page
    assert "on 8 validation images" in page
    assert "1,234,567" in page
    assert final_table(study)[1][-1][:2] == ["all sites", "8"]


def test_no_name_or_reason_becomes_markup(study: Study) -> None:
    add(study, "round", 1)
    add(study, "finished", 1)

    page = write_report(study).read_text()

    assert "<script>" not in page
    assert "<i>reason" not in page
    assert "&lt;script&gt;$x$" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_an_unfinished_study_says_so(study: Study) -> None:
    assert "There is no finished round yet" in write_report(study).read_text()
    add(study, "round", 1)
    assert "The study is not finished: 1 of 3 rounds" in write_report(study).read_text()


def test_scores_that_were_kept_back_are_not_made_up(study: Study) -> None:
    add(study, "round", 1, score=False)
    add(study, "finished", 1, score=False)

    page = write_report(study).read_text()

    assert "policies withhold its scores" in page
    assert "none shared" in final_table(study)[1][0]
    assert "<td>all sites</td>" not in page


def test_a_paused_study_says_so(study: Study) -> None:
    add(study, "round", 1)
    study.log.write("paused", round=1)

    assert "The study is paused at 1 of 3 rounds" in write_report(study).read_text()


def test_the_start_model_is_not_passed_off_as_trained(study: Study) -> None:
    add(study, "round", 1)

    page = write_report(study).read_text()

    assert "the common model has no scores yet; before training it had AUC 0.8 on" in page


def test_bytes_of_a_round_without_a_quorum_have_left_too(study: Study) -> None:
    add(study, "round", 1)
    add(study, "round_without_quorum", 2, score=False)

    assert f"<td>{2 * 1234567:,}</td>" in write_report(study).read_text()


def test_a_site_that_misses_the_final_scoring_is_shown_with_its_reason(study: Study) -> None:
    add(study, "round", 1)
    study.log.write(
        "finished", round=1, sha256="ab", sites={"north": facts()}, missing={"south": "not there"}
    )

    assert "final scoring: not there" in write_report(study).read_text()
    assert [row[:2] for row in final_table(study)[1]] == [
        ["north", "4"], ["south", "no answer"], ["all sites", "4"],
    ]  # fmt: skip


def test_a_site_enrolled_after_the_start_is_in_the_report(study: Study) -> None:
    study.log.write("round", round=1, sha256="ab", sites={"late": facts()}, missing={})

    assert "<td>late</td>" in write_report(study).read_text()


def updates(values: dict[str, tuple[float, float]]) -> dict[str, Json]:
    """Give sites with (norm, cosine) of their update."""
    return {site: {**facts(), "norm": n, "cosine": c} for site, (n, c) in values.items()}


def standing(study: Study) -> str:
    page = write_report(study).read_text()
    return page.split("Does a site stand out?")[1].split("<h2")[0]


ALIKE = {"north": (1.0, 0.4), "east": (1.2, 0.5), "west": (0.9, 0.3), "south": (1.1, 0.4)}


def test_where_sites_are_alike_none_stands_out(study: Study) -> None:
    study.log.write("round", round=1, sha256="ab", sites=updates(ALIKE), missing={})

    found = standing(study)

    assert "No site stands out." in found
    assert "<td>south</td>" in found
    assert "<td>1.05</td>" in found  # of the median norm, (1.0 + 1.1) / 2


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ((10.5, 0.4), "south stands out: its updates are 9.5 times as large as the median"),
        (
            (0.0105, 0.4),
            "south stands out: its updates are only 0.011 times as large as the median",
        ),
        ((1.1, -0.25), "cosine -0.25, where the other sites have 0.40"),
    ],
)
def test_a_site_whose_changes_are_unlike_is_named(
    study: Study, odd: tuple[float, float], words: str
) -> None:
    for round_, south in enumerate([odd, odd, ALIKE["south"]], start=1):
        sites = updates({**ALIKE, "south": south})
        study.log.write("round", round=round_, sha256="ab", sites=sites, missing={})

    found = standing(study)

    assert words in found
    assert found.count("stands out:") == 1
    assert "no proof of a fault or an attack" in found


def test_refused_replies_and_missed_rounds_are_told_with_reasons(study: Study) -> None:
    some = updates({site: ALIKE[site] for site in ("north", "east", "west")})
    for round_, why in enumerate(["quarantined: n_images is 0", "not connected"], start=1):
        study.log.write("round", round=round_, sha256="ab", sites=some, missing={"south": why})
    late = {"south": "quarantined: n_images is -1"}
    study.log.write("finished", round=2, sha256="ab", sites=some, missing=late)

    found = standing(study)

    assert "2 of its replies were refused (n_images is -1; n_images is 0)" in found
    assert "it missed 1 of the 2 times that it was asked" in found
    assert found.count("stands out:") == 1


def test_of_two_sites_neither_is_said_to_stand_out(study: Study) -> None:
    two = updates({"north": (100.0, -0.5), "east": (1.0, -0.5)})
    study.log.write("round", round=1, sha256="ab", sites=two, missing={})

    found = standing(study)

    assert "No site stands out." in found
    assert "fewer than three sites cannot show" in found
