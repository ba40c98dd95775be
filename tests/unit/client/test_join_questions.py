"""What medfl-client join asks of the data: found by the names of folders and columns."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.config.site_template import write_site_file
from medfl_client.first_look.columns import kind_of
from medfl_client.first_look.questions import ask_data
from medfl_client.first_look.subject import Given, Subject
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.ui.asking import Asking, Prompt
from medfl_common.ui.screen import Screen

NOTHING = Given()


def enter(question: str, proposed: str) -> str:
    return proposed


def ask_for(folder: Path, plan: Plan, given: Given = NOTHING, asked: Prompt = enter) -> DataFiles:
    return ask_data(Subject(folder, plan=plan), given, Asking(Screen(), asked))


def test_what_a_hospital_has_is_found_by_looking(tmp_path: Path, plan: Plan) -> None:
    home = tmp_path / "home"
    (home / "images").mkdir(parents=True)
    (home / "findings.csv").write_text(
        "PatientID;Filename;comment;verdict\n1;a.dcm;none;opacity\n2;b.dcm;;normal\n"
    )
    asked: list[tuple[str, str]] = []

    def ask(question: str, default: str) -> str:
        asked.append((question, default))
        return default

    found = ask_for(home, plan, asked=ask)

    assert found == DataFiles(
        folder="images", labels="findings.csv", join="PatientID", join_column="PatientID",
        label_column="verdict", cell_separator=";", labels_from="csv",
    )  # fmt: skip
    assert len(asked) == 4
    write_site_file(home / "site.yaml", "north", found)
    data = load_site_file(home).data
    assert (data.folder, data.cell_separator, data.label_column) == ("images", ";", "verdict")
    beside = ask_for(tmp_path / "elsewhere", plan, Given(data=str(home / "images")))
    assert (beside.folder, beside.labels) == (f"{home}/images", f"{home}/findings.csv")
    with pytest.raises(ConfigError, match="--data nowhere is not there"):
        ask_for(home, plan, Given(data="nowhere"))


def test_a_column_that_is_named_and_is_not_there_is_refused(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "labels.csv").write_text("file,finding\na,normal\nb,opacity\n")

    for given in (Given(join_column="nope"), Given(label_column="nope")):
        with pytest.raises(ConfigError, match="there is no column 'nope'; there are: file, find"):
            ask_data(Subject(tmp_path, plan=plan), given, Asking(Screen(), None))


def test_columns_are_known_by_their_usual_names() -> None:
    for name, kind in {
        "sop_instance_uid": "SOPInstanceUID", "Study Instance UID": "StudyInstanceUID",
        "accession": "AccessionNumber", "patient_id": "PatientID", "file": "path", "finding": None,
    }.items():  # fmt: skip
        assert kind_of(name) == kind


@pytest.mark.parametrize("odd", ["yes", "1-2", "a: b", "# x", 'q"uote', "ü é", "null", ".5", "%"])
def test_an_odd_name_is_the_same_in_site_yaml(odd: str, tmp_path: Path) -> None:
    answers = DataFiles(
        folder=odd, labels=odd, join="PatientID", join_column=odd, label_column=odd,
        values={odd: odd},
    )  # fmt: skip

    write_site_file(tmp_path / "site.yaml", "north", answers, "evaluate")

    assert load_site_file(tmp_path).policy.role == "evaluate"
    data = load_site_file(tmp_path).data
    assert {data.folder, data.labels, data.join_column, data.label_column} == {odd}
    assert data.values == {odd: odd}


def test_findings_in_columns_of_their_own_need_no_question(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    (tmp_path / "labels.csv").write_text("study_instance_uid,effusion,mass\n1,0,1\n")
    task = {"type": "multilabel", "classes": ["effusion", "mass"]}

    found = ask_for(tmp_path, load_plan(make_plan(task=task)))

    assert (found.join, found.label_column) == ("StudyInstanceUID", "")
    write_site_file(tmp_path / "site.yaml", "north", found)
    assert load_site_file(tmp_path).data.label_column == ""


def test_joining_asks_what_words_mean_and_waits_for_nobody_with_yes(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("file,finding\na,Normal\nb,opacity\nc,blob\n")

    def ask(question: str, default: str) -> str:
        return "opacity" if "blob" in question else default

    assert ask_for(tmp_path, plan, asked=ask).values == {"Normal": "normal", "blob": "opacity"}
    silent = ask_data(Subject(tmp_path, plan=plan), Given(), Asking(Screen(), None))
    assert silent.values == {"Normal": "normal"}
    assert "no class of the plan: 'blob'. medfl-client data asks" in capsys.readouterr().out
