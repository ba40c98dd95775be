"""medfl-client data: what is seen, asked and written; odd label files and folders."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.client.wizard import describe, labels_of, take_all, write_labels
from typer.testing import CliRunner

from medfl_client.cli import app
from medfl_client.config.data_section import COMMENTS
from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.first_look.columns import position_columns
from medfl_client.first_look.sheet import Sheet
from medfl_client.first_look.subject import Given
from medfl_common.errors import ConfigError, DataError


@pytest.fixture
def site(hospitals: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hospital of 40 images without site.yaml."""
    (hospitals / "site-1" / "site.yaml").unlink()
    monkeypatch.chdir(hospitals)
    return hospitals / "site-1"


def relabel(site: Path, words: list[str]) -> None:
    """Give the first images these labels, the others theirs."""
    rows = labels_of(site)
    for row, word in zip(rows, words, strict=False):
        row["finding"] = word
    write_labels(site, rows)


def test_a_folder_and_a_csv_are_looked_at_and_the_file_is_shown_and_written(site: Path) -> None:
    rows = labels_of(site)
    n_normal = sum(row["finding"] == "normal" for row in rows)

    done = CliRunner().invoke(app, ["data", str(site), "--yes"], env={"COLUMNS": "300"})

    assert done.exit_code == 0, done.output
    assert f"normal {n_normal}, opacity {40 - n_normal}" in done.output
    assert "40 of 40 cells of sop_instance_uid are an image's SOPInstanceUID here" in done.output
    assert (site / "site.yaml").read_text() in done.output
    assert f"next: medfl-client index {site}" in done.output
    found = load_site_file(site)
    assert found.site == "site-1"
    assert found.data == DataFiles(
        folder="dicom", labels="labels.csv", join_column="sop_instance_uid",
        label_column="finding", labels_from="csv",
    )  # fmt: skip


def test_without_a_terminal_it_asks_nobody_and_says_so(site: Path) -> None:
    done = CliRunner().invoke(app, ["data", str(site)], env={"COLUMNS": "300"})

    assert done.exit_code == 1
    assert "here is no terminal to answer them" in done.output
    assert not (site / "site.yaml").exists()


def test_words_that_are_no_class_are_asked_for_and_mapped(site: Path, make_plan: MakePlan) -> None:
    relabel(site, ["Normal", "OPACITY", "1", "blob", "", "no", "?"])

    done, asked = describe(
        site, make_plan(), **{"'blob'": ["nonsense", "opacity"], "blank cell": ["normal"]}
    )

    assert done
    assert {q: asked[q] for q in asked if q.startswith("'")} == {
        "'Normal' means": "normal", "'OPACITY' means": "opacity", "'1' means": "opacity",
        "'blob' means": "", "'no' means": "normal", "'?' means": "unknown",
    }  # fmt: skip
    assert load_site_file(site).data.values == {
        "Normal": "normal", "OPACITY": "opacity", "1": "opacity", "blob": "opacity",
        "no": "normal", "?": "unknown", "": "normal",
    }  # fmt: skip


def test_with_yes_a_word_that_nobody_explains_stops_it(site: Path, make_plan: MakePlan) -> None:
    relabel(site, ["blob", "Normal"])

    with pytest.raises(ConfigError, match="no class of the plan: 'blob'") as error:
        take_all(site, make_plan())

    assert error.value.data == "site.yaml stays as it is"
    assert not (site / "site.yaml").exists()


def test_what_a_person_wrote_stays_and_a_no_changes_nothing(site: Path) -> None:
    take_all(site)
    file = site / "site.yaml"
    text = file.read_text().replace("min_images: 20 ", "min_images: 7  # ours\n  ")
    text = text.replace("  folder: dicom", "  max_damaged: 0.5\n  folder: dicom")
    file.write_text(text + "# below\n")
    before = file.read_text()

    assert take_all(site)
    assert file.read_text() == before  # it says all that already
    (site / "labels.csv").rename(site / "findings.csv")
    assert not describe(site, Write=["no"])[0]
    assert file.read_text() == before
    assert describe(site)[0]

    now = file.read_text()
    assert "min_images: 7  # ours" in now
    assert now.endswith("# below\n")
    data = load_site_file(site).data
    assert (data.labels, data.max_damaged) == ("findings.csv", 0.5)


@pytest.mark.parametrize(
    ("separator", "encoding", "key"),
    [
        (";", "utf-8-sig", "cell_separator"),
        ("\t", "utf-16", "encoding"),
        (",", "cp1252", "encoding"),
    ],
)
def test_a_spreadsheets_way_of_writing_is_seen(
    site: Path, separator: str, encoding: str, key: str
) -> None:
    rows = [
        {**row, "remark": "groß “x”", "finding": f" {row['finding']} "} for row in labels_of(site)
    ]
    write_labels(site, rows, separator, encoding)

    assert take_all(site)

    data = load_site_file(site).data
    assert (data.cell_separator, data.label_column) == (separator, "finding")
    assert data.encoding == encoding.removesuffix("-sig")
    assert f"{key}: " in (site / "site.yaml").read_text()


def test_ten_thousand_words_and_formulas_are_no_labels(site: Path, make_plan: MakePlan) -> None:
    rows = [
        {"comment": f"=1+{i}", "sop_instance_uid": row["sop_instance_uid"], "dx": row["finding"]}
        for i, row in enumerate(labels_of(site))
    ]
    rows += [
        {"comment": f"@{i}", "sop_instance_uid": f"1.2.3.{i}", "dx": ""} for i in range(10_000)
    ]
    write_labels(site, rows)

    done, _ = describe(site, make_plan(), **{"Column with the label": ["comment", "dx"]})

    assert done
    assert load_site_file(site).data.label_column == "dx"
    with pytest.raises(ConfigError, match="10,040 different words that are no class"):
        take_all(site, make_plan(), Given(label_column="comment"))


def test_the_column_that_joins_is_found_by_its_values_not_by_its_name(site: Path) -> None:
    rows = [
        {
            "sop_instance_uid": f"old {i}",
            "who": row["patient_id"].lower(),
            "finding": row["finding"],
        }
        for i, row in enumerate(labels_of(site))
    ]
    one_each = {row["who"]: row for row in rows}
    write_labels(site, [*one_each.values()])

    assert take_all(site)

    data = load_site_file(site).data
    assert (data.join, data.join_column) == ("PatientID", "who")


def test_zeros_and_ones_are_labels_before_words_of_another_kind(
    site: Path, make_plan: MakePlan
) -> None:
    rows = [
        {"sop_instance_uid": row["sop_instance_uid"], "maker": f"maker {i % 2}",
         "shadow": str(int(row["finding"] == "opacity"))}
        for i, row in enumerate(labels_of(site))
    ]  # fmt: skip
    write_labels(site, rows)

    assert take_all(site, make_plan())

    data = load_site_file(site).data
    assert (data.label_column, data.values) == ("shadow", {"0": "normal", "1": "opacity"})


def test_without_a_plan_what_site_yaml_says_of_words_and_columns_stays(
    site: Path, make_plan: MakePlan
) -> None:
    relabel(site, ["Normal"])
    take_all(site, make_plan())
    before = (site / "site.yaml").read_text()
    take_all(site)
    assert (site / "site.yaml").read_text() == before

    plan = make_plan(task={"type": "multilabel", "classes": ["mass", "edema"]})
    uids = [row["sop_instance_uid"] for row in labels_of(site)]
    write_labels(site, [{"sop_instance_uid": u, "Mass": "yes", "Edema": "0"} for u in uids])
    take_all(site, plan)
    before = (site / "site.yaml").read_text()
    take_all(site)
    assert (site / "site.yaml").read_text() == before


def test_no_column_steers_the_terminal_that_it_is_asked_in(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "finding\x1b]0;x\x07"
    rows = [(row["sop_instance_uid"], row["finding"]) for row in labels_of(site)]
    write_labels(site, [{"sop_instance_uid": uid, name: word} for uid, word in rows])
    monkeypatch.setattr("medfl_client.cli.person", lambda is_silent, command, prompt: prompt)

    done = CliRunner().invoke(app, ["data", str(site)], input="\n" * 20)

    assert (done.exit_code, "\x1b" in done.output) == (0, False), done.output
    assert load_site_file(site).data.label_column == name


def test_a_fault_of_the_label_file_stops_it_with_its_line(site: Path) -> None:
    with (site / "labels.csv").open("a") as file:
        file.write("one,cell,too,many,in,this,row\n")

    with pytest.raises(DataError, match="line 42 has 7 cells, the header 5"):
        take_all(site)


def test_findings_stand_in_columns_or_in_one_cell(site: Path, make_plan: MakePlan) -> None:
    plan = make_plan(task={"type": "multilabel", "classes": ["mass", "edema"]})
    rows = labels_of(site)
    uids = [row["sop_instance_uid"] for row in rows]
    write_labels(site, [{"sop_instance_uid": u, "Mass": "yes", "Edema": "0"} for u in uids])

    assert take_all(site, plan)

    data = load_site_file(site).data
    assert (data.label_column, data.label_columns) == ("", {"mass": "Mass", "edema": "Edema"})
    assert data.values == {"yes": "1"}
    cells = ["No Finding", "Mass;edema", "edema"] * 20
    write_labels(
        site, [{"sop_instance_uid": u, "all": c} for u, c in zip(uids, cells, strict=False)]
    )
    assert take_all(site, plan)
    data = load_site_file(site).data
    assert (data.label_column, data.separator, data.label_columns) == ("all", ";", {})
    assert data.values == {"No Finding": "none", "Mass": "mass"}


def test_parts_and_patients_of_the_label_file_are_taken_where_they_say_more(site: Path) -> None:
    rows = labels_of(site)
    parts = ("train", "val", "test")
    write_labels(
        site,
        [{**r, "patient_id": f"p{i}", "split": parts[i % 3]} for i, r in enumerate(rows)],
    )

    done, asked = describe(site)

    assert done
    assert asked["Take the patients of patient_id (yes, no)"] == "yes"
    data = load_site_file(site).data
    assert (data.patient_column, data.split) == ("patient_id", "given")


def test_answers_under_which_no_image_has_a_label_are_not_written(site: Path) -> None:
    write_labels(site, [{"file": f"{i}.png", "finding": "ab"[i % 2]} for i in range(40)])

    with pytest.raises(DataError, match="no image has a label"):
        take_all(site)
    done, asked = describe(site)

    assert not done
    assert asked["Keep these answers all the same (yes, no)"] == "no"
    assert not (site / "site.yaml").exists()


def test_a_column_of_places_is_known_by_its_usual_names() -> None:
    rows = [{"seriesuid": "1", "coordX": "0", "coordY": "0", "coordZ": "0", "class": "1"}]

    assert position_columns(Sheet("utf-8", ",", rows)) == ["coordX", "coordY", "coordZ"]
    assert position_columns(Sheet("utf-8", ",", [{"x": "1", "y": "2"}])) == []


def test_each_key_of_the_section_has_its_comment() -> None:
    assert list(COMMENTS) == sorted(DataFiles.model_fields, key=list(COMMENTS).index)
    assert COMMENTS.keys() == DataFiles.model_fields.keys()
