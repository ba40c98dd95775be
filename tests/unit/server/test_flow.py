"""Participant flow at the coordinator: hostile counts are refused, the rest is laid out as told."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.common.test_participants import flow, whole
from tests.unit.server.test_invariants import judged

from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.events import Asked, Event, RoundMade, Started, Statistics
from medfl_common.run.site_reply import SiteReply
from medfl_server.reports.flow import flow_of, hours_of, table_one
from medfl_server.reports.report import write_report
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

BOTH = {"statistics": True, "participants": True}
SEXES = ((40, 10, 20), (20, 10, 0), (0, 0, 0))
TOLD = flow({"no_label": (30, 12), "copy": (11, 11), "unreadable": (10, 0)}, sexes=SEXES)
WHOLE = whole(left_out=45, sexes=(70, 30, 0), classes=(60, 40))


@pytest.fixture
def asking(make_plan: MakePlan) -> Plan:
    return load_plan(make_plan(federation=BOTH))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"found_patients": 80}, "files of 80 patients are not possible"),
        (
            {"reasons": (0, 11) + (0,) * 8 + (99,) + (0,) * 4},
            "more than the 45 files that are left out",
        ),
        ({"reason_patients": (0,) * 10 + (31,) + (0,) * 4}, "more patients than files"),
        ({"images": (60, 20, 10)}, "the parts' images are not the 100 of the site"),
        ({"patients": (60, 20, 20)}, "the parts' patients are not the 90 of the site"),
        ({"patients": (20, 50, 20)}, "a part has more patients than images"),
        ({"sexes": ((40, 10, 21), *SEXES[1:])}, "sexes by part do not add up"),
        ({"sexes": ((20, 30, 20), *SEXES[1:])}, "sexes count more than the 20 images of a part"),
        ({"views": ((61, 0, 0), *TOLD.views[1:])}, "views count more than the 60 images"),
    ],
)
def test_a_flow_that_cannot_be_true_is_refused(
    change: dict[str, object], why: str, asking: Plan
) -> None:
    told = replace(TOLD, **change)  # type: ignore[arg-type]

    found = judged(
        asking, "describe", statistics=WHOLE, participants=told, update=None, score_counts=None,
        n_images=0,
    )  # fmt: skip

    assert (why in found) if why else found == ""


def test_a_flow_is_taken_beside_statistics_alone_and_a_device_is_one_of_two(asking: Plan) -> None:
    assert "was not asked for" in judged(asking, "train", participants=TOLD)
    assert judged(asking, "train", device="cuda") == ""
    alone = judged(asking, "describe", participants=TOLD, update=None, n_images=0)
    assert "no statistics" in alone


def events(**devices: str | None) -> list[Event]:
    """Give a run of which one site told its flow, one its statistics alone, and one nothing."""
    told = {
        "north": SiteReply.of_statistics(WHOLE, 1, 1, TOLD),
        "south": SiteReply.of_statistics(WHOLE, 1, 1),
    }
    asked = Asked.of_replies(0, None, told, {"west": "its policy keeps counts"})

    def worked(site: str, seconds: float) -> SiteReply:
        known = {} if devices.get(site) is None else {"device": devices[site]}
        return SiteReply({"seconds": seconds, **known})

    rounds = [
        RoundMade({"round": n, "sha256": "", **Asked.of_replies(
            n, 1.0, {"north": worked("north", 1800.0), "south": worked("south", 36.0)}, {}
        ).facts})
        for n in (1, 2)
    ]  # fmt: skip
    return [Started.of([*told, "west"], ""), Statistics(asked.facts), *rounds]


def test_the_flow_is_laid_out_as_it_was_told(asking: Plan) -> None:
    found = flow_of(events(), asking)

    (north,) = found.sites
    assert north.passed_over == {"a copy of another file": 11}
    assert [*north.left_out.values()] == [10, 30]
    assert north.left_out_patients == {"no label, mask or box": 12}
    assert (north.more_left_out, north.found) == (5, 156)  # 100 used, 11 copies, 45 left out
    assert (north.images, north.patients, north.found_patients) == (100, 90, 90)
    assert north.part_images == {"train": 60, "validation": 20, "test": 20}
    assert found.silent.keys() == {"south", "west"}
    assert "keeps counts" in found.silent["west"]


def test_the_first_table_tells_parts_where_a_site_does_and_the_whole_elsewhere(
    asking: Plan,
) -> None:
    table = table_one(events(), asking)

    parts = ("all", "train", "validation", "test")
    assert table.columns == [*(("north", part) for part in parts), ("south", "all")]
    assert table.images == [100, 60, 20, 20, 100]
    rows = {(row.variable, row.category): row.counts for row in table.rows}
    assert rows["sex", "M"] == [30, 20, 10, 0, 30]
    assert rows["class", "normal"] == [60, None, None, None, 60]
    assert ("age", "not known") not in rows  # nobody told any


def test_hours_are_added_up_by_device_and_an_earlier_site_tells_none(asking: Plan) -> None:
    north, south = hours_of(events(north="cuda"))

    assert north.by_device == {"cuda": pytest.approx(1.0)}
    assert south.by_device == {"unknown": pytest.approx(0.02)}
    assert (north.n_answers, north.hours) == (2, pytest.approx(1.0))


def test_a_plan_without_a_flow_says_why(make_plan: MakePlan) -> None:
    silent = load_plan(make_plan(federation={"statistics": True}))
    assert "does not ask" in flow_of([], silent).why_none
    summed = load_plan(make_plan("s.yaml", privacy={"secure_sum": {}}, evaluation={"keep": "last"}))
    assert "privacy.secure_sum: exact counts" in flow_of([], summed).why_none
    assert "privacy.secure_sum" in table_one([], summed).why_none


def test_a_study_of_real_files_shows_flow_table_and_hours_on_its_report(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    for path in sorted((hospitals / "site-1" / "dicom").rglob("*.dcm"))[:6]:
        path.write_text("not an image")
    silent = hospitals / "site-3" / "site.yaml"
    silent.write_text(silent.read_text().replace("{min", "{share_statistics: false, min"))
    study = create_study(tmp_path / "run", make_plan(federation={**BOTH, "rounds": 1}))

    run_study(study, virtual_sites(hospitals, study.plan), lambda line: None)

    told = study.log.read(Event)
    first, second = flow_of(told, study.plan).sites
    assert first.left_out == {"the file cannot be read, or its header lacks what medfl needs": 6}
    assert (first.found, first.images, second.found) == (40, 34, 40)
    assert sum(first.part_images.values()) == 34
    assert [one.by_device.keys() for one in hours_of(told)] == [{"cpu"}] * 3
    page = write_report(study).read_text()
    headings = re.findall(r"<h2[^>]*>([^<]*)", page)
    assert {"From files to patients", "Who takes part", "How long the sites worked"} <= {*headings}
    assert "site-3 told no flow" in page
