"""medfl-server plan: what is proposed and why, what is asked, and what the file says."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from tests.conftest import ROOT, MakePlan
from typer.testing import CliRunner

from medfl_common.errors import ConfigError
from medfl_common.metrics.harmony import Harmony, harmony_text, read_harmony
from medfl_common.metrics.site_statistics import SIDES, SiteStatistics, band, lengths
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.events import Asked, Statistics
from medfl_common.run.site_reply import SiteReply
from medfl_common.ui.asking import Asking
from medfl_common.ui.screen import Screen
from medfl_server.cli import app
from medfl_server.commands.plan import write_plan
from medfl_server.planning.draft import Draft
from medfl_server.study.run_directory import create_study
from medfl_sim.local.deployment import command

CHEST = ("--set", "task.classes=[normal, opacity]", "--set", "images.modality=[CR, DX]")


def type_(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["plan", *map(str, words)], env={"COLUMNS": "300"})
    return done.exit_code, done.output


def counts(folder: Path, site: str, **changes: object) -> Path:
    facts = {
        "harmony": 1, "site": site, "images": 400, "patients": 300, "series": 400,
        "labels": {"opacity": 60, "Normal": 340}, "modality": {"CR": 300, "DX": 100},
        "plane": {"not known": 400}, "sides": [0, 0, 0, 0, 400, 0, 0],
    }  # fmt: skip
    path = folder / f"{site}.json"
    path.write_text(harmony_text(Harmony.model_validate({**facts, **changes})))
    return path


@pytest.fixture
def answered(tmp_path: Path) -> Callable[..., tuple[Plan, dict[str, str]]]:
    """Give a function that answers questions which begin with a word, and else presses Enter."""

    def answer(*known: Path, **answers: list[str]) -> tuple[Plan, dict[str, str]]:
        asked: dict[str, str] = {}

        def prompt(question: str, proposed: str) -> str:
            asked[question.split(" ")[0]] = proposed
            texts = answers.get(question.split(" ")[0].strip(","))
            return texts.pop(0) if texts else proposed

        assert write_plan(tmp_path / "new.yaml", [*known], [], Asking(Screen(), prompt))
        return load_plan(tmp_path / "new.yaml"), asked

    return answer


def test_a_plan_of_settings_and_proposals_is_one_that_init_takes(tmp_path: Path) -> None:
    file = tmp_path / "chest.yaml"

    window = "images.intensity={rule: fixed, centre: 40, width: 400}"
    more = ("--set", window, "--set", "model.weights=imagenet")

    status, said = type_(file, "--yes", *CHEST, *more)

    assert status == 0, said
    assert file.read_text() in said
    plan = create_study(tmp_path / "study", file).plan
    assert (plan.study, plan.task.classes) == ("chest", ["normal", "opacity"])
    assert plan.model.weights == "imagenet"
    assert plan.images.intensity.rule == "fixed"
    assert f"next: medfl-server init STUDY --plan {file} --host HOST" in said


def test_each_value_stands_with_its_reason(tmp_path: Path) -> None:
    type_(tmp_path / "chest.yaml", "--yes", *CHEST)

    lines = (tmp_path / "chest.yaml").read_text().splitlines()
    values = [line for line in lines if ": " in line and not line.startswith("#")]
    assert len(values) > 20
    assert [line for line in values if " # " not in line] == ["study: chest"]


def test_with_yes_what_nobody_knows_is_named_as_a_setting(tmp_path: Path) -> None:
    status, said = type_(tmp_path / "chest.yaml", "--yes")

    assert (status, "write --set task.classes=VALUE" in said) == (1, True)
    assert "here is no terminal" in type_(tmp_path / "chest.yaml")[1]
    assert not (tmp_path / "chest.yaml").exists()


def test_hospitals_counts_are_what_is_proposed(
    tmp_path: Path, answered: Callable[..., tuple[Plan, dict[str, str]]]
) -> None:
    north = counts(tmp_path, "north")
    south = counts(tmp_path, "south", images=25, patients=20, labels={"normal": 25})

    plan, asked = answered(north, south)

    assert asked["Classes,"] == "Normal, opacity"
    assert plan.task.type == "binary"
    assert plan.images.modality == ["CR", "DX"]
    assert (plan.images.size, plan.model.name) == (224, "resnet18")
    assert (plan.training.batch_size, plan.training.class_balance) == (16, "weights")
    assert asked["Number"] == "2"
    assert plan.federation.min_sites == "all"
    text = (tmp_path / "new.yaml").read_text()
    assert "# hospitals have CR 600, DX 200" in text
    assert "# opacity is 14% of the labels" in text


def test_small_hospitals_and_rare_classes_are_told(tmp_path: Path) -> None:
    small = counts(tmp_path, "south", images=25, patients=20, labels={"normal": 15, "opacity": 10})

    said = type_(tmp_path / "p.yaml", "--yes", "--from", small)[1]

    assert "south would train on some 16 images; with fewer than 20" in said
    assert "south has few images of normal, opacity" in said


def test_slices_in_several_planes_and_long_series_are_seen(
    tmp_path: Path, answered: Callable[..., tuple[Plan, dict[str, str]]]
) -> None:
    file = counts(tmp_path, "north", series=10, modality={"MR": 400},
                  plane={"axial": 300, "sagittal": 100})  # fmt: skip

    plan, asked = answered(file, Plane=["any"])

    assert asked["Plane"] == "axial"
    assert (plan.images.plane, plan.images.sample) == ("any", "series")
    assert plan.images.intensity.rule == "percentile"


def test_an_earlier_study_gives_its_question_and_what_its_hospitals_told(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = create_study(tmp_path / "old", make_plan(federation={"statistics": True}))
    zeros = {name: (0,) * n for name, n in lengths(2).items()}
    own = {**zeros, "classes": (90, 10), "sides": band([300.0] * 100, SIDES)}
    told = SiteStatistics(100, 80, 0, **own)  # type: ignore[arg-type]
    reply = SiteReply.of_statistics(told, 1, 1)
    replies = dict.fromkeys(("north", "south", "east", "west"), reply)
    study.log.add(Statistics(Asked.of_replies(0, None, replies, {}).facts))

    status, said = type_(tmp_path / "next.yaml", "--yes", "--from", tmp_path / "old")

    assert status == 0, said
    plan = load_plan(tmp_path / "next.yaml")
    assert (plan.task, plan.images.modality) == (study.plan.task, ["CR", "DX"])
    assert (plan.images.size, plan.federation.min_sites) == (224, 3)
    assert plan.training.class_balance == "weights"


@pytest.mark.parametrize(
    ("classes", "kind", "metric"),
    [("nodule", "detection", "froc"), ("background, lung", "segmentation", "dice")],
)
def test_a_plan_with_boxes_or_masks_asks_for_what_fits(
    classes: str, kind: str, metric: str, answered: Callable[..., tuple[Plan, dict[str, str]]]
) -> None:
    kinds = [] if kind == "detection" else [kind]  # of one class it is proposed
    plan, asked = answered(Classes=[classes], Kind=kinds, DICOM=["DX"])

    assert (plan.task.type, plan.model.name, plan.evaluation.metric) == (kind, "unet", metric)
    assert asked["Network"] == "unet"
    assert "Score" not in asked  # by groups: dense tasks have none


def test_an_answer_that_is_none_is_asked_again(
    answered: Callable[..., tuple[Plan, dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    plan, _ = answered(
        Name=["Chest X", "chest"], Classes=[" , ", "no, 0123, null, ': #'"],
        Kind=["binary", "ordinal"], DICOM=["c-t", "ct"],
        Pixels=["7", "64"], Network=["resnet19", "resnet18"], Rounds=["many", "5"], Number=["9"],
    )  # fmt: skip

    said = capsys.readouterr().out
    for fault in (
        "unknown network 'resnet19'",
        "'many' is no number",
        "a binary task has two",
        "the name 'Chest X' is not allowed",
        "no class is named",
    ):
        assert fault in said
    assert plan.task.classes == ["no", "0123", "null", "': #'"]
    assert (plan.task.type, plan.images.modality, plan.images.size) == ("ordinal", ["CT"], 64)
    assert (plan.federation.rounds, plan.federation.min_sites) == (5, 6)


def test_a_closed_input_is_no_terminal_and_ctrl_c_at_a_question_says_what_became_of_it(
    tmp_path: Path,
) -> None:
    words = [*command("server"), "plan", "new.yaml"]

    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *words], cwd=tmp_path, capture_output=True, text=True
    )
    screen = pexpect.spawn(words[0], words[1:], cwd=str(tmp_path), encoding="utf-8", timeout=120)
    screen.expect_exact("Name of the study")
    screen.sendline("chest")
    screen.expect_exact("negative one first")
    screen.sendeof()
    screen.expect_exact("nothing is lost, start the same command again")
    screen.expect(pexpect.EOF)
    screen.close()

    assert (closed.returncode, "here is no terminal" in closed.stderr) == (1, True), closed.stderr
    assert screen.exitstatus == 130
    assert not (tmp_path / "new.yaml").exists()


def test_a_file_that_is_there_is_shown_against_the_new_one_and_kept_on_a_no(tmp_path: Path) -> None:
    file = tmp_path / "chest.yaml"
    type_(file, "--yes", *CHEST)
    before = file.read_text()
    settings = [word for word in CHEST if word != "--set"] + ["federation.rounds=7"]

    def no(question: str, proposed: str) -> str:
        return "no" if question.startswith("Write") else proposed

    assert not write_plan(file, [], settings, Asking(Screen(), no))
    assert file.read_text() == before
    said = type_(file, "--yes", *CHEST, "--set", "federation.rounds=7")[1]
    assert "+  rounds: 7" in said
    assert "-  rounds: 20" in said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is not valid JSON"),
        ('{"harmony": 2}', "harmony: 2 is not allowed"),
        (json.dumps({"harmony": 1, "patient": "x"}), "patient: unknown key"),
    ],
)
def test_a_file_that_is_no_count_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)

    with pytest.raises(ConfigError, match=fault):
        write_plan(tmp_path / "p.yaml", [tmp_path / "x.json"], [], Asking(Screen(), None))


def test_hospitals_counts_of_before_are_read_and_written_the_same() -> None:
    golden = ROOT / "tests" / "golden" / "harmony.json"

    found = read_harmony(golden)

    assert (found.images, found.labels) == (400, {"normal": 340, "opacity": 60})
    assert harmony_text(found) == golden.read_text()


def test_what_is_given_whole_or_in_part_is_not_asked() -> None:
    draft = Draft({"images": {"intensity": {"rule": "dicom"}}, "model.freeze": "all"})

    assert "images.intensity" in draft
    assert "images.intensity.rule" in draft
    assert "model.freeze.last" in draft
    assert "images.size" not in draft
    assert "model.free" not in draft
