"""The plan's primary aim: refused where it cannot be, met only where the whole interval says so."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakePlan
from tests.masks import mask_plan, some_cases
from tests.squares import box_plan

from medfl_client.commands.plan_summary import differences as shown_differences
from medfl_client.commands.plan_summary import summarise
from medfl_common.errors import ConfigError
from medfl_common.files import Json
from medfl_common.metrics.box_counts import FoundBoxes, count_found
from medfl_common.metrics.clusters import SCORES, DesignEffects
from medfl_common.metrics.counts import ScoreCounts, histogram
from medfl_common.metrics.estimates import estimates
from medfl_common.metrics.mask_counts import MASK_EFFECTS
from medfl_common.plan.plan import load_plan
from medfl_common.plan.primary import in_words
from medfl_common.run.compared import Compared
from medfl_common.run.counts_json import counts_to_json
from medfl_common.run.events import Event
from medfl_server.reports.effects_told import boxes_tell, masks_tell
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.paper.facts import facts_of
from medfl_server.reports.paper.words import evaluation as evaluation_words
from medfl_server.reports.paper.words import study as study_words
from medfl_server.reports.primary import NO_AIM, Verdict, verdict
from medfl_server.reports.report import write_report
from medfl_server.study.plan_change import amend
from medfl_server.study.plan_check import refuse_simulated
from medfl_server.study.run_directory import Study, create_study, open_study

AIM = {"metric": "auc", "value": 0.7}


def counts(n_patients: int = 200, effect: float = 1.0) -> ScoreCounts:
    """Score 200 images, half of the class, with an AUC near 0.86; effect 0: nobody tells it."""
    odds = np.random.default_rng(4).normal(size=200) + 1.5 * (np.arange(200) % 2)
    truth = np.arange(200) % 2
    cells = np.bincount(truth * 2 + (odds >= 0), minlength=4).reshape(2, 2)
    curves = (histogram(odds[truth == side])[None] for side in (1, 0))
    width = len(SCORES) + 1
    told = DesignEffects(np.full(width, effect), np.full(width, n_patients))
    return ScoreCounts(200, 0.5, cells, *curves, told if effect else None)


def finished(
    folder: Path,
    plan: Path,
    scored: ScoreCounts | None = None,
    *others: ScoreCounts,
    silent: Sequence[str] = (),
) -> Study:
    """Write the log of a study of two rounds, tested on these counts, of a site each."""
    study = create_study(folder, plan)
    facts: dict[str, Json] = {
        "n_images": 300, "n_steps": 4, "train_loss": 0.6, "seconds": 1.0, "bytes_received": 9,
        "bytes_sent": 9,
    }  # fmt: skip
    study.log.write("started", sites=["north"])
    for round_ in (1, 2):
        study.log.write("round", round=round_, sha256="ab", sites={"north": facts}, missing={})
    if scored is not None:
        sites: dict[str, Json] = {
            name: {**facts, "tally": counts_to_json(one), "exact_auc": None}
            for name, one in zip(("north", "south"), (scored, *others), strict=False)
        }
        missing: dict[str, Json] = dict.fromkeys(silent, "no answer")
        study.log.write("tested", round=2, sha256="ab", sites=sites, missing=missing)
    study.log.write("finished", round=2, last=2, sha256="ab", sites={"north": facts}, missing={})
    return study


def said(study: Study) -> Verdict:
    return verdict(study.log.read(Event), study.plan)


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        ({"metric": "dice", "value": 0.8}, "dice is no score of a binary task; it has auc, "),
        ({"metric": "auc"}, r"primary\.value: missing; write the number"),
        ({"metric": "auc", "value": 1.2}, r"primary\.value: 1\.2 is no possible AUC"),
        ({"metric": "auc", "against": "pooled", "value": 0.8}, "value belongs to against: value"),
        ({"metric": "f1", "against": "pooled"}, "f1 is compared with a value only; .* auc"),
        ({**AIM, "value": 0.95, "margin": 0.1}, "no AUC is 0.1 better than 0.95"),
        ({**AIM, "question": "non_inferiority"}, r"primary\.margin: .* needs one above 0"),
        ({"metric": "loss", "value": 0.8}, r"primary\.metric: 'loss' is not allowed; .*'auc'"),
    ],
)
def test_a_plan_refuses_an_aim_that_it_could_not_decide(
    aim: dict[str, object], message: str, make_plan: MakePlan
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_plan(make_plan(evaluation={"primary": aim}))


def test_a_test_part_of_nobody_a_mask_score_and_a_box_score_are_told_apart(
    make_plan: MakePlan,
) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.test: 0 leaves no test part"):
        load_plan(make_plan(evaluation={"primary": AIM, "test": 0.0}))
    with pytest.raises(ValueError, match="auc is no score of a detection task; it has froc, ap50"):
        box_plan(evaluation={"primary": AIM})
    hd95 = {"metric": "hd95", "value": 8.0, "question": "non_inferiority", "margin": 2.0}
    plan = mask_plan(evaluation={"primary": hd95})
    own = plan.evaluation.primary
    assert own is not None
    assert in_words(own, 0.9, plan.images.distance_unit).startswith("HD95 less than 2 pixels worse")


def test_only_medfl_sim_has_a_pooled_model(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(evaluation={"primary": {"metric": "auc", "against": "pooled"}}))

    with pytest.raises(ConfigError, match="asks for models that only medfl-sim trains"):
        refuse_simulated(plan, "plan.yaml")


def test_the_hash_has_the_aim_and_only_where_there_is_one(make_plan: MakePlan) -> None:
    none, some = load_plan(make_plan()), load_plan(make_plan(evaluation={"primary": AIM}))

    assert "primary" not in none.canonical()
    assert '"primary":{"against":"value","margin":0.0,"metric":"auc"' in some.canonical()


def test_a_hospital_reads_the_aim_and_its_change_before_it_approves(make_plan: MakePlan) -> None:
    before = load_plan(make_plan(evaluation={"primary": AIM}))
    now = load_plan(make_plan(evaluation={"primary": {**AIM, "margin": 0.05}}))

    assert ["what it is to show", "AUC above 0.7, on test patients"] in summarise(before)
    more = "AUC more than 0.05 better than 0.7, on test patients"
    assert ["what it is to show", more] in summarise(now)
    assert shown_differences(before, now) == [["evaluation.primary.margin", "0.0", "0.05"]]


def test_the_interval_by_patient_decides_and_not_the_value(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    found = estimates(counts(50, 4.0), "binary")["auc"]
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    aims = {
        "below": {"value": found.low - 0.01},
        "amid": {"value": found.value - 0.01},
        "over": {"value": found.high + 0.01},
        "spare": {"value": found.value, "question": "non_inferiority",
                  "margin": found.value - found.low + 0.01},
    }  # fmt: skip
    told = {}
    for name, aim in aims.items():
        plan = make_plan(f"{name}.yaml", evaluation={"primary": {"metric": "auc", **aim}})
        told[name] = said(finished(tmp_path / name, plan, counts(50, 4.0)))

    assert {name: one.met for name, one in told.items()} == {
        "below": True, "amid": False, "over": False, "spare": True,
    }  # fmt: skip
    ends = f"{found.low:.2f} to {found.high:.2f} by patient"
    assert (
        f"was met: {found.value:.2f} on 200 images, 95 % interval {ends}" in told["below"].sentence
    )
    assert told["over"].sentence.endswith("by patient, all of it short of the aim.")


def test_an_interval_that_counts_images_can_refuse_an_aim_and_not_grant_it(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    high = make_plan("high.yaml", evaluation={"primary": {**AIM, "value": 0.86}})
    low = make_plan("low.yaml", evaluation={"primary": AIM})

    granted = said(finished(tmp_path / "low", low, counts(effect=0.0)))

    assert granted.met is None
    assert "too narrow where a patient has several" in granted.sentence
    assert said(finished(tmp_path / "high", high, counts(effect=0.0))).met is False


def test_one_hospital_that_tells_no_effect_leaves_an_aim_undecided_and_can_still_refuse_it(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    high = make_plan("high.yaml", evaluation={"primary": {**AIM, "value": 0.86}})
    low = make_plan("low.yaml", evaluation={"primary": AIM})
    width = len(SCORES) + 1
    withheld = replace(counts(), clusters=DesignEffects(np.zeros(width), np.zeros(width, int)))

    for i, silent in enumerate((withheld, counts(effect=0.0))):
        found = said(finished(tmp_path / f"low{i}", low, counts(), silent))
        assert found.met is None
        assert "or wider; not every hospital tells how alike" in found.sentence
        assert said(finished(tmp_path / f"high{i}", high, counts(), silent)).met is False
    assert said(finished(tmp_path / "both", low, counts(), counts())).met


def test_a_verdict_tells_of_hospitals_without_scores_and_of_another_study_s_parts(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(evaluation={"primary": AIM, "split_of": "pilot"})

    sentence = said(finished(tmp_path / "s", plan, counts(), silent=["west"])).sentence

    assert "1 hospital that was asked shared no such scores." in sentence
    assert "The parts are those of the study pilot, which may have scored them." in sentence


def test_masks_and_boxes_tell_an_effect_of_each_class_that_they_have() -> None:
    cases = some_cases(0.8, 0.9)
    effects = np.ones((2, 1 + len(MASK_EFFECTS)))
    effects[1, 1 + MASK_EFFECTS.index("nsd")] = 0  # of the second class nobody tells it
    told = replace(cases, effects=effects)
    none, pairs = np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
    truths = np.array([[1, 0], [0, 1], [1, 0]])
    boxes = count_found(FoundBoxes(none, none, none, pairs, truths, np.arange(3)), 0.5)

    assert masks_tell(told, "dice")
    assert not masks_tell(told, "nsd")
    assert not masks_tell(cases, "dice")
    assert boxes_tell(replace(boxes, effects=np.ones_like(boxes.effects)), "froc")
    assert not boxes_tell(boxes, "froc")


@pytest.mark.parametrize(
    ("part", "scored", "why"),
    [
        ("test", None, "no hospital scored the final model on a test part"),
        ("outside", None, "no hospital outside the study scored the final model"),
        ("test", counts(8, 3.0), "on 200 images of too few patients"),
    ],
)
def test_what_cannot_be_decided_is_said_with_the_reason(
    part: str, scored: ScoreCounts | None, why: str, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(evaluation={"primary": {**AIM, "part": part}})

    found = said(finished(tmp_path / "s", plan, scored))

    assert found.met is None
    assert f"cannot be decided: {why}" in found.sentence or why in found.sentence
    fresh = create_study(tmp_path / "fresh", plan)
    assert said(fresh).sentence.endswith("cannot be decided: the study is not finished.")
    assert said(create_study(tmp_path / "none", make_plan())) == Verdict(None, NO_AIM)


def test_an_aim_that_was_changed_after_a_round_was_not_named_in_advance(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(evaluation={"primary": AIM})
    study = finished(tmp_path / "s", plan, counts())
    first, hashed = said(study), study.plan.hash()

    amend(study.folder, {"evaluation.primary.value": 0.6, "federation.rounds": 4})
    study = open_study(study.folder)
    study.log.write("tested", round=2, sha256="ab", missing={}, sites={
        "north": {"tally": counts_to_json(counts()), "exact_auc": None, "n_images": 300},
    })  # fmt: skip
    study.log.write("finished", round=2, last=2, sha256="ab", sites={}, missing={})

    assert "changed" not in first.sentence
    assert "scored an earlier model" not in first.sentence
    assert "The test part had scored an earlier model before." in said(study).sentence
    assert study_words.aim(facts_of(study)).startswith("The plan names as its primary aim: AUC")
    assert "in advance" not in study_words.aim(facts_of(study)).partition("It was changed")[0]
    assert ", once." not in evaluation_words.internal(facts_of(study))
    before, now = (f"{h} from round {n}" for h, n in ((hashed, 1), (study.plan.hash(), 3)))
    assert f"plans by round: {before}, {now}" in study_words.protocol(facts_of(study))
    sentence = said(study).sentence
    assert sentence.endswith("It was changed after round 2, so it was not named in advance.")
    assert "AUC above 0.6, on test patients, was met: " in sentence
    assert sentence in write_report(study).read_text()
    assert write_model_card(study) is not None
    assert sentence in study.files.model_card.read_text()


def test_a_comparison_of_two_models_is_decided_by_its_interval_and_the_card_names_no_hospital(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    aim = {"metric": "auc", "against": "best_single", "margin": 0.01}
    study = finished(tmp_path / "s", make_plan(evaluation={"primary": aim}), counts())
    alone = said(study)
    study.log.add(Compared.of(
        "ab", "best_single", "test", "north", (0.86, 0.82), (0.011, 0.07), 200,
    ))  # fmt: skip

    assert alone.met is None
    assert "nobody trained models of single hospitals" in alone.sentence
    found = said(study)
    assert found.met
    assert "0.86, that of north alone 0.82, on 200 images" in found.sentence
    assert "95 % interval of the difference +0.011 to +0.070 by patient" in found.sentence
    write_model_card(study)
    assert "that of site A alone 0.82" in study.files.model_card.read_text()
    assert "north" not in study.files.model_card.read_text()
    assert "not finished" not in write_report(study).read_text()
