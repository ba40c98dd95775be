from pathlib import Path

import pytest
import yaml
from tests.conftest import PLAN, ROOT, MakePlan
from tests.squares import box_plan

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan, load_plan, plan_from_json

CONFIGS = ROOT / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_config_in_the_repository_is_valid(path: Path) -> None:
    if path.name.endswith(".site.yaml"):
        from medfl_client.config.site_file import SiteFile
        from medfl_common.plan.settings import load

        load(SiteFile, path)
    else:
        load_plan(path)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        (
            "training",
            {"lerning_rate": 0.1},
            r"training\.lerning_rate: unknown key; known here: .*lr",
        ),
        ("training", {"epoch": 2}, r"training\.epoch: unknown key; did you mean 'epochs'"),
        ("training", {"lr": -1.0}, r"training\.lr: -1\.0 is not allowed; .*greater than 0"),
        ("training", {"epochs": "two"}, r"training\.epochs: 'two' is not allowed; .*integer"),
        ("federation", {"rounds": 0}, r"federation\.rounds: 0 is not allowed; .*equal to 1"),
        ("evaluation", {"validation": 1.5}, r"evaluation\.validation: 1\.5 .*equal to 0\.9"),
        (
            "images",
            {"intensity": {"rule": "fixed", "centre": 40}},
            r"images\.intensity\.width: missing",
        ),
        ("federation", {"min_sites": 0}, r"federation\.min_sites: 0 is not allowed; .*equal to 1"),
        ("federation", {"min_sites": "most"}, r"federation\.min_sites: 'most' .*'all'"),
        (
            "evaluation",
            {"validation": 0.6, "test": 0.4},
            r"validation 0\.6 and test 0\.4 leave nobody to train on",
        ),
        ("training", {"schedule": "cosine"}, r"schedule: 'cosine' .*keys of its own: .*kind"),
        ("task", {"classes": ["a", "b", "c"]}, r"task: .*a binary task has two classes"),
    ],
)  # fmt: skip
def test_a_fault_names_key_value_and_what_is_legal(
    section: str, change: dict[str, object], message: str, make_plan: MakePlan
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_plan(make_plan(**{section: change}))


def test_a_plan_of_before_there_was_a_test_part_may_validate_on_most(make_plan: MakePlan) -> None:
    assert load_plan(make_plan(evaluation={"validation": 0.9})).evaluation.test == 0.15


def test_every_fault_is_listed_at_once(make_plan: MakePlan) -> None:
    path = make_plan(training={"lr": 0.0, "epochs": 0}, federation={"rounds": -1})

    with pytest.raises(ConfigError, match="has 3 faults"):
        load_plan(path)


def test_the_hash_is_of_the_meaning_and_not_of_the_spelling(tmp_path: Path) -> None:
    one, other, changed = tmp_path / "1.yaml", tmp_path / "2.yaml", tmp_path / "3.yaml"
    one.write_text(PLAN)
    values = yaml.safe_load(PLAN)
    values["training"]["momentum"] = 0.9  # the default, said aloud
    other.write_text("# a comment\n" + yaml.safe_dump(values, sort_keys=True))
    changed.write_text(PLAN.replace("seed: 3", "seed: 4"))

    assert load_plan(one).hash() == load_plan(other).hash()
    assert load_plan(one).hash() != load_plan(changed).hash()


def test_a_plan_survives_its_journey_in_a_task(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(images={"intensity": {"rule": "percentile", "low": 2}}))

    assert plan_from_json(plan.canonical()) == plan


def test_a_missing_file_is_named_by_its_whole_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path / "none.yaml")):
        load_plan(tmp_path / "none.yaml")


def test_a_changed_copy_of_a_plan_has_a_hash_of_its_own(plan: Plan) -> None:
    assert plan.hash() == plan.model_copy().hash()
    assert plan.hash() != plan.model_copy(update={"seed": plan.seed + 1}).hash()


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("evaluation", {"threshold": 0.3}),
        ("evaluation", {"specificity": 0.95}),
        ("evaluation", {"surface_mm": 3.0}),
        ("evaluation", {"manufacturers": ["SIEMENS"]}),
        ("training", {"feature_copies": 2}),
    ],
)
def test_a_detection_refuses_what_would_do_nothing(section: str, change: dict[str, object]) -> None:
    (name,) = change

    with pytest.raises(ValueError, match=rf"a detection has no {section}\.{name}: "):
        box_plan(**{section: change})
    values = box_plan().model_dump(mode="json")
    assert Plan.model_validate(values) == box_plan()  # all are set, to their defaults


def test_a_detection_is_not_told_to_choose_a_loss() -> None:
    with pytest.raises(ValueError, match=r"class_balance: weights; use sampling \["):
        box_plan(training={"class_balance": "weights"})
