"""What a page says of studies that are not a plain classification."""

import re
from pathlib import Path

from tests.conftest import MakePlan
from tests.consoles import come_in
from tests.unit.server.console.followed_studies import enrolled, made

from medfl_common.files import Json, locked
from medfl_common.metrics.counts import ScoreCounts, histogram
from medfl_common.plan.plan import Plan
from medfl_common.run.counts_json import counts_to_json
from medfl_common.run.events import Asked, RoundMade
from medfl_server.console.room import build
from medfl_server.console.scores import main_score, scores_of
from medfl_server.study.run_directory import create_study
from medfl_server.study.stop_wish import wish_stop

PAGE = "/study/demo/"


def seen(folder: Path) -> str:
    html = come_in(build([folder]), "viewer").get(PAGE).text
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def of_task(plan: Plan, kind: str) -> Plan:
    return plan.model_copy(update={"task": plan.task.model_copy(update={"type": kind})})


def test_each_task_has_its_own_main_score(plan: Plan) -> None:
    kinds = ("binary", "multilabel", "segmentation", "detection")

    found = [main_score(of_task(plan, kind))[1] for kind in kinds]

    assert found == ["AUC", "AUC", "Dice", "FROC"]


def test_a_segmentations_line_gives_its_dice(plan: Plan) -> None:
    whole = {"n": 20, "loss": 0.4, "dice": 0.81}
    event = RoundMade({"round": 3, "scores": {"all": whole, "sites": {"north": whole}}})

    told = scores_of(event, "dice")

    assert told.whole is not None
    assert (told.whole.n, told.whole.value, told.sites["north"].value) == (20, 0.81, 0.81)


def test_an_older_log_that_holds_counts_is_scored_from_them() -> None:
    import numpy as np

    apart = ScoreCounts(
        4, 0.5, np.array([[2, 0], [0, 2]]),
        histogram(np.array([2.0, 3.0]))[None], histogram(np.array([-2.0, -3.0]))[None],
    )  # fmt: skip
    alike = ScoreCounts(
        2, 0.8, np.array([[1, 0], [1, 0]]),
        histogram(np.array([0.0]))[None], histogram(np.array([0.0]))[None],
    )  # fmt: skip
    sites: dict[str, Json] = {
        "north": {"tally": counts_to_json(apart)}, "south": {"tally": counts_to_json(alike)},
        "west": {},
    }  # fmt: skip

    told = scores_of(Asked({"round": 1, "sites": sites}), "auc")

    assert {name: one.value for name, one in told.sites.items()} == {"north": 1.0, "south": 0.5}
    assert told.whole is not None
    # Of 3 x 3 pairs all are in order but the tie of south's own two: 8.5 of 9.
    assert (told.whole.n, told.whole.value) == (6, 8.5 / 9)


def test_a_hospital_of_a_secure_sum_has_no_score_of_its_own(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    sections = {"privacy": {"secure_sum": {}}, "evaluation": {"keep": "last"}}
    study = enrolled(make_plan, tmp_path / "demo", **sections)
    whole: Json = {"n": 150, "loss": 0.5, "auc": 0.75}
    sites: dict[str, Json] = {name: {"seconds": 4.0} for name in ("site-1", "site-2", "site-3")}
    study.log.write("round", round=1, seconds=9.0, sites=sites, missing={}, sha256="ab",
                    scores={"all": whole, "sites": {}})  # fmt: skip

    told = seen(study.folder)

    assert "AUC 0.75 on 150 images" in told
    assert told.count("told together") == 3


def test_a_study_without_scores_says_so(make_plan: MakePlan, tmp_path: Path) -> None:
    study = enrolled(make_plan, tmp_path / "demo")
    assert "No scores yet." in seen(study.folder)

    study.log.write("round", round=1, seconds=9.0, sites={}, missing={}, sha256="ab")

    assert "The hospitals tell no scores." in seen(study.folder)
    assert "Nothing to draw yet" in seen(study.folder)


def test_a_pause_for_want_of_hospitals_is_told_apart_from_a_persons(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    study = enrolled(make_plan, tmp_path / "demo")
    study.log.write("paused", round=0)

    assert "Too few hospitals answered too often, so the study rests" in seen(study.folder)

    study.log.write("paused", round=0, by="ada", message="holidays")
    assert "The pause is lifted, and nobody has started the study again" in seen(study.folder)


def test_a_wish_to_end_is_seen_while_nothing_runs(make_plan: MakePlan, tmp_path: Path) -> None:
    study = enrolled(make_plan, tmp_path / "demo")
    made(study, 1, {"site-1": 0.5})
    wish_stop(study.folder, "enough")

    assert "and nothing is lost. It is to end, as" in seen(study.folder)


def test_a_plan_changed_before_the_start_is_not_started_yet(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    study = create_study(folder, make_plan())
    study.log.write("plan_changed", round=0, before="a", now="b", changes=[], by="ada")

    assert "Not started yet." in seen(folder)


def test_a_study_whose_end_is_told_to_hospitals_is_finished(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    study = enrolled(make_plan, tmp_path / "demo")
    with locked(study.folder):
        assert "Starting." in seen(study.folder)
        assert "is not asked yet" in seen(study.folder)
        study.log.write("finished", round=1, last=1, sha256="ee")

        assert "Finished." in seen(study.folder)
