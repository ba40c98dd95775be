"""Directories of an earlier version: a site and a study that a later version must open as they are.

Where one of these fails, hospitals and coordinators would need a migration; see make.py.
"""

import csv
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.golden.commands import HERE, call
from tests.golden.directories import (
    SITES,
    WRITTEN,
    ask_with_another_plan,
    cache_bytes,
    index_rows,
    last_request,
    readiness,
    restore,
    restore_stopped,
    run_id,
)
from tests.golden.studies import events, machine

FACTS = json.loads((HERE / "directories.json").read_text())
N_IMAGES, CLOSE = 24, 1e-3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The hospitals and the study's run directory, restored."""
    return restore(tmp_path / "golden")


@pytest.fixture
def site(folder: Path) -> Path:
    return folder / "hospitals" / "site-1"


@pytest.fixture
def run(folder: Path) -> Path:
    return folder / "run"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def go_on(folder: Path) -> str:
    """Go on with the run in a simulation over the same hospitals."""
    run = folder / "run"
    arguments = ["--data", folder / "hospitals", "--out", run, "--no-baselines"]
    return call("sim", "run", run / "plan.yaml", *arguments)


@pytest.mark.parametrize("name", SITES)
def test_ledger_and_approvals_are_whole_to_the_hash_that_was_noted(name: str, folder: Path) -> None:
    state = folder / "hospitals" / name / "state"

    said = call("client", "audit", "verify", state.parent)

    for kind in ("ledger", "approvals"):
        head = json.loads((state / f"{kind}.head").read_text())
        count = "1 line" if head["lines"] == 1 else f"{head['lines']} lines"
        assert f"{kind}.jsonl is whole: {count}, the last has hash {head['hash']}" in said


def test_the_ledger_lists_what_left_and_what_was_refused(site: Path, tmp_path: Path) -> None:
    shown = call("client", "audit", "show", site)
    call("client", "audit", "export", site, "--out", tmp_path / "ledger.csv")

    with (tmp_path / "ledger.csv").open() as file:
        rows = list(csv.DictReader(file))
    kept = lines(site / "state" / "ledger.jsonl")
    assert [row["sha256"] for row in rows] == [line["sha256"] for line in kept]
    kinds = [row["kind"] for row in rows if row["decision"] == "released"]
    assert kinds[:4] == ["describe", "train", "train", "train"]
    assert set(kinds[4:]) == {"evaluate"}
    assert rows[-1]["decision"] == "refused: P1"
    assert "refused: P1" in shown
    assert "over 3 rounds, and 1 that hold only a code" in shown


def test_the_plan_is_still_approved_and_nobody_is_asked_again(site: Path, run: Path) -> None:
    before = (site / "state" / "approvals.jsonl").read_bytes()

    said = call("client", "approve", site, run / "plan.yaml")  # a question would get no answer

    assert "this plan is approved already" in said
    assert (site / "state" / "approvals.jsonl").read_bytes() == before


def test_ledger_and_incidents_go_on_after_the_last_line_of_the_earlier_version(site: Path) -> None:
    (before,) = lines(site / "state" / "incidents.jsonl")
    n_left = len(lines(site / "state" / "ledger.jsonl"))

    ask_with_another_plan(site)

    first, second = lines(site / "state" / "incidents.jsonl")
    assert (first, second["previous"]) == (before, before["hash"])
    assert len(lines(site / "state" / "ledger.jsonl")) == n_left + 1
    assert f"ledger.jsonl is whole: {n_left + 1} lines" in call("client", "audit", "verify", site)


def test_an_index_of_an_earlier_version_is_made_anew_once_and_then_no_picture_is_read(
    site: Path,
) -> None:
    assert readiness(site) == {"test": 0} | FACTS["index"]
    rows, pixels = index_rows(site), cache_bytes(site)
    for path in (site / "dicom").rglob("*.dcm"):  # whoever reads one now finds no DICOM in it
        path.write_bytes(bytes(path.stat().st_size))
        os.utime(path, ns=(WRITTEN * 10**9, WRITTEN * 10**9))

    assert readiness(site) == {"test": 0} | FACTS["index"]

    assert index_rows(site) == rows
    assert cache_bytes(site) == pixels


def cached_images(site: Path) -> list[bytes]:
    """List the images of 16 x 16 bytes in the cache; it holds them in the order of decoding."""
    (raw,) = cache_bytes(site).values()
    return sorted(raw[start : start + 256] for start in range(0, len(raw), 256))


def test_the_same_pictures_read_anew_are_of_the_same_patients_and_give_the_same_pixels(
    site: Path,
) -> None:
    """Path, place in the file, size, time, three UIDs and the pseudonym."""
    rows, images = index_rows(site), cached_images(site)
    (site / "state" / "index.sqlite").unlink()
    for path in (site / "state" / "cache").glob("*/*"):
        path.unlink()

    assert readiness(site) == {"test": 0} | FACTS["index"]

    assert [row[1:9] for row in index_rows(site)] == [row[1:9] for row in rows]
    assert cached_images(site) == images


def test_a_kept_reply_that_says_more_than_may_leave_now_is_made_anew_and_then_kept(
    folder: Path, site: Path
) -> None:
    """The earlier version sent an exact AUC."""
    (finished,) = events(folder / "run", "finished")

    reply, said = last_request(folder, finished["round"])
    again, said_again = last_request(folder, finished["round"])

    assert "answered before" not in said[-1]
    assert "answered before; the same reply is sent again" in said_again[-1]
    numbers = dict(reply.metric_records["numbers"])
    assert numbers["code"] == 0
    assert "exact_auc" not in numbers
    assert dict(again.metric_records["numbers"]) == numbers
    kept = lines(site / "state" / "ledger.jsonl")
    assert kept[-1]["sha256"] == kept[-2]["sha256"]


def test_the_model_that_a_site_kept_scores_its_pictures(site: Path, tmp_path: Path) -> None:
    call("client", "predict", site, "last", site / "dicom", "--out", tmp_path / "scores.csv")

    assert len((tmp_path / "scores.csv").read_text().splitlines()) > N_IMAGES


def test_the_study_gives_its_report_its_card_and_its_roster(run: Path) -> None:
    said = call("server", "report", run)

    assert "site-2" in said
    assert (run / "report.html").exists()
    assert (run / "model-card.md").exists()
    roster = call("server", "roster", run)
    assert all(name in roster for name in SITES)


def test_the_list_of_runs_has_the_study_as_finished(folder: Path, run: Path) -> None:
    (row,) = [line for line in call("sim", "ls", folder).splitlines() if "golden" in line]

    assert "3/3" in row
    assert "finished" in row
    assert "2 hospitals, 3 of 3 rounds" in call("sim", "show", run)


def test_a_finished_study_says_so_and_changes_nothing(folder: Path, run: Path) -> None:
    log, model = (run / "log.jsonl").read_bytes(), (run / "model.safetensors").read_bytes()

    said = go_on(folder)

    assert "the study is finished; there is nothing left to do" in said
    assert (run / "log.jsonl").read_bytes() == log
    assert (run / "model.safetensors").read_bytes() == model


def test_a_stopped_study_goes_on_and_ends_as_the_earlier_version_ended_it(folder: Path) -> None:
    run = restore_stopped(folder)
    (then,) = events(HERE / "run", "finished")

    said = go_on(folder)

    assert "resuming after round 2" in said
    assert [event["round"] for event in events(run, "round")] == [1, 2, 3]
    (finished,) = events(run, "finished")
    assert finished["round"] == then["round"]
    found, known = (load_file(d / "model.safetensors") for d in (run, HERE / "run"))
    torch.testing.assert_close(found, known, rtol=CLOSE, atol=CLOSE)
    if machine() == FACTS["machine"]:
        assert finished["sha256"] == then["sha256"]


def test_nothing_that_is_stored_names_a_place_or_holds_a_private_key() -> None:
    for path in (path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".py"):
        data = path.read_bytes()
        assert b"PRIVATE KEY" not in data, path
        assert b"/home/" not in data, path
        assert str(HERE.parents[1]).encode() not in data, path
    assert run_id(HERE / "run") in {path.name for path in HERE.glob("site/*/state/models/*")}
