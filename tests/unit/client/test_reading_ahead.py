"""Images are read as soon as their plan is approved, and never without that."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from tests.conftest import MakePlan

from medfl_client.config.folder import StateFolder
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import collect
from medfl_client.egress.approvals import approve, write_record
from medfl_client.task import reading_ahead
from medfl_client.task.reading_ahead import ReadingAhead
from medfl_common.plan.plan import Plan, load_plan


class Hospital:
    """A site, and what reads ahead there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.said: list[str] = []
        self.ahead = ReadingAhead(folder, load_site_file(folder), None, self.said.append)

    def reads(self, plan: Plan) -> bool:
        """Look, as an idle client does, until the images of a plan are read or nothing begins."""
        self.ahead.look()
        self.ahead.wait(plan)
        return StateFolder(self.state).cache.exists()


@pytest.fixture
def site(hospitals: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    monkeypatch.setattr(reading_ahead, "LOOK_S", 0.0)
    return Hospital(hospitals / "site-1")


def test_nothing_is_read_before_a_plan_is_approved_or_after_a_withdrawal(
    site: Hospital, plan: Plan
) -> None:
    site.state.mkdir()
    assert not site.reads(plan)
    approve(site.state, plan)
    write_record(site.state, "withdraw", plan.hash(), plan.study, plan.canonical())

    assert not site.reads(plan)
    assert not StateFolder(site.state).index.exists()
    assert site.said == []


def test_the_images_of_an_approved_plan_are_decoded_before_the_first_task(
    site: Hospital, plan: Plan
) -> None:
    site.state.mkdir()
    approve(site.state, plan)

    assert site.reads(plan)

    assert site.said == [
        "reading the images for small, whose plan is approved",
        "40 images are ready for the first round of small",
    ]
    for picture in (site.folder / "dicom").rglob("*.dcm"):  # whoever reads one now finds nothing
        facts = picture.stat()
        picture.write_bytes(bytes(facts.st_size))
        os.utime(picture, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    found = collect(site.folder, site.state, load_site_file(site.folder).data, plan)
    assert len(found.samples) == 40


def test_a_plan_that_the_policy_refuses_is_not_read_for(
    site: Hospital, make_plan: MakePlan
) -> None:
    plan = load_plan(make_plan(federation={"rounds": 5000}))
    site.state.mkdir()
    approve(site.state, plan)

    assert not site.reads(plan)

    assert "(policy P3, max_rounds)" in site.said[0]


def test_who_reads_first_at_the_same_moment_has_the_secret_that_stays(tmp_path: Path) -> None:
    for i in range(20):
        state, start = tmp_path / f"{i}" / "state", Barrier(8)

        def secret(place: Path = state, start: Barrier = start) -> bytes:
            start.wait()
            return site_secret(place)

        with ThreadPoolExecutor(8) as pool:
            found = {one.result() for one in [pool.submit(secret) for _ in range(8)]}
        assert found == {site_secret(state)}
