"""Harmony: the site whose data differ is named, and only it."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pydicom import dcmread
from tests.conftest import MakePlan

from medfl_common.metrics.site_statistics import (
    N_INTENSITY_BINS,
    SIDES,
    SiteStatistics,
    band,
    band_name,
    lengths,
    suppressed,
)
from medfl_common.plan.task import Task
from medfl_common.run.events import Asked, Statistics
from medfl_common.run.site_reply import SiteReply
from medfl_server.reports.heterogeneity import differences, read_statistics
from medfl_server.reports.heterogeneity_page import write_harmony
from medfl_server.reports.report import write_report
from medfl_server.rounds.app import build_app as build_server_app
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.engines import ENGINES
from medfl_sim.engine.grid import SimulatedGrid, run_apps
from medfl_sim.engine.simulation import make_app, run_study


def site(**changes: object) -> SiteStatistics:
    zeros = {name: (0,) * n for name, n in lengths(2).items()}
    greys = tuple(
        1000 if i < N_INTENSITY_BINS // 4 else 100 for i in range(N_INTENSITY_BINS)
    )  # mostly dark
    sides = band([500.0] * 30, SIDES)
    counts = SiteStatistics(30, 20, 0, **zeros)  # type: ignore[arg-type]
    return replace(counts, **{"greys": greys, "sides": sides, **changes})  # type: ignore[arg-type]


def test_only_the_odd_one_of_three_is_remarked_on() -> None:
    inverted, shrunken = site(greys=site().greys[::-1]), site(sides=band([100.0] * 30, SIDES))

    remarks = differences({"a": site(), "b": inverted, "c": site()})
    assert [len(texts) for texts in remarks.values()] == [0, 1, 0]
    assert "look inverted" in remarks["b"][0]
    remarks = differences({"a": site(), "b": site(), "c": shrunken})
    assert [len(texts) for texts in remarks.values()] == [0, 0, 1]
    assert "0 to 128 pixels, the others' 256 to 512 pixels" in remarks["c"][0]
    assert differences({"a": inverted}) == {"a": []}


def test_hidden_counts_are_no_fit_and_a_0_is_only_where_it_is_told(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "run", make_plan(federation={"statistics": True}))
    hidden = site(greys=(0,) * N_INTENSITY_BINS, sides=(0,) * len(SIDES))
    told = site(classes=(30, 0))
    _tell(study, {"north": told, "south": hidden})

    page = write_harmony(study).read_text()

    assert "Nobody can say: 1 of 2 hospitals told enough. south told too little" in page
    assert "not told, so not compared: intensities, labels, image sizes" in page
    rows = dict(
        re.findall(r"<td>(north|south)</td>((?:\s*<td>[^<]*</td>)+)", _table(page, "label"))
    )
    assert re.findall(r"<td>([^<]*)", rows["north"]) == ["30"]
    assert re.findall(r"<td>([^<]*)", rows["south"]) == ["not told"]
    assert not re.search(r"<td>0</td>", _table(page, "samples"))


def test_the_page_has_a_hospital_that_joined_later(make_plan: MakePlan, tmp_path: Path) -> None:
    study = create_study(tmp_path / "run", make_plan(federation={"statistics": True}))
    whole = site(classes=(20, 10))
    _tell(study, {"north": whole, "south": whole}, {"west": "not connected"})
    assert "west reported nothing" in write_harmony(study).read_text()

    _tell(study, {"west": site(classes=(20, 10), greys=site().greys[::-1])})

    page = write_harmony(study).read_text()
    assert "Look at west before you train" in page
    assert "no report" not in page


def test_a_hospital_that_joins_in_mid_study_is_asked_for_its_statistics(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan(federation={"statistics": True, "rounds": 2})
    study = create_study(tmp_path / "run", plan_file)
    sites = virtual_sites(hospitals, study.plan)
    joined = ["site-1", "site-2"]

    def announce(line: str) -> None:
        joined.extend(["site-3"] * line.startswith("round 1 of"))

    making = partial(make_app, sites, (), tmp_path / "not-sent.log")
    running = ENGINES.get("inprocess")(making, None, 10_000_000)
    grid = SimulatedGrid(running, [*sites])
    app = build_server_app(
        study,
        lambda: dict.fromkeys(joined),
        lambda: {site: at for site, at in grid.connected_sites().items() if site in joined},
        announce,
        lambda progress: None,
        sites_keep_models=False,
    )
    run_apps(app, grid)

    asked = [sorted(event.sites) for event in study.log.read(Statistics)]
    assert asked == [["site-1", "site-2"], ["site-3"]]
    assert "site-3" in study.files.heterogeneity.read_text()


def _tell(
    study: Study, sites: dict[str, SiteStatistics], missing: dict[str, str] | None = None
) -> None:
    replies = {name: SiteReply.of_statistics(counts, 1, 1) for name, counts in sites.items()}
    study.log.add(Statistics(Asked.of_replies(0, None, replies, missing or {}).facts))


def _table(page: str, caption: str) -> str:
    found = re.search(rf"<caption>{caption}</caption>.*?</table>", page, re.DOTALL)
    assert found is not None
    return found[0]


def test_bands_hold_every_value_once() -> None:
    assert sum(band([-1, 0, 19.9, 20, 79, 80, 1000], (-1, 0, 20, 40, 60, 80))) == 7
    assert band_name(-1, (-1, 0, 20), "years") == "not known"
    assert band_name(20, (-1, 0, 20), "years") == "20 years and more"


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ((5, 95), (0, 0)),
        ((5, 40, 55), (0, 0, 55)),
        ((5, 6, 89), (0, 0, 89)),
        ((2, 3, 30, 65), (0, 0, 0, 65)),  # the total would tell that the two are 5
        ((0, 50), (0, 50)),
    ],
)
def test_small_counts_take_the_next_smallest_with_them(
    counts: tuple[int, ...], left: tuple[int, ...]
) -> None:
    task = Task(type="multiclass", classes=[f"{i}" for i in range(len(counts))])

    assert suppressed(site(samples=sum(counts), classes=counts), 10, task).classes == left


def test_a_finding_that_nearly_all_have_is_as_telling_as_one_that_few_have() -> None:
    task = Task(type="multilabel", classes=["a", "b", "c", "d"])
    counts = site(samples=100, classes=(5, 50, 95, 100))

    assert suppressed(counts, 10, task).classes == (0, 50, 0, 100)


def test_sites_tell_of_their_data_before_the_first_round(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    for path in (hospitals / "site-2").rglob("*.dcm"):  # its MONOCHROME1 was lost in an export
        dataset = dcmread(path)
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.pop("PresentationLUTShape", None)
        dataset.save_as(path)
    silent = hospitals / "site-3" / "site.yaml"
    silent.write_text(silent.read_text().replace("{min", "{share_statistics: false, min"))
    study = create_study(tmp_path / "run", make_plan(federation={"statistics": True}))
    said: list[str] = []

    run_study(study, virtual_sites(hospitals, study.plan), said.append)

    told, missing = read_statistics(study) or ({}, {})
    assert set(told) == {"site-1", "site-2"}
    assert "policy" in missing["site-3"]
    assert told["site-1"].samples == 40
    assert any("site-2: its images look inverted" in line for line in said)
    write_report(study)
    assert "look inverted" in (study.folder / "harmony.html").read_text()
    assert len(study.log.lines("round")) == study.plan.federation.rounds
