"""What segmentations take of a disk: as it is foretold, and where it is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.client.masks.outlined_site import PATCHES, small_plan, write_site

from medfl_client.config.folder import CacheFolder, StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.data import records
from medfl_client.data.ingest import Collection, collect
from medfl_client.doctor.files import Files
from medfl_client.doctor.plan import check_room
from medfl_common.errors import DiskFullError
from medfl_common.plan.plan import Plan

GIANTS = {**PATCHES, "size": 1024, "depth": 512}  # 0.5 GB each at most, and 2 KB at least


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path / "site")


def read(site: Path, plan: Plan) -> Collection:
    return collect(site, site / "state", load_site_file(site).data, plan)


def needed(site: Path, plan: Plan) -> int:
    found = check_room(site, load_site_file(site).data, plan, Files(0, 1000, True))
    return round(float(found.seen.split("about ")[1].split(" MB")[0]))


def test_the_doctor_counts_masks_and_of_patches_what_volumes_take_at_the_least(
    site: Path,
) -> None:
    whole, patches = small_plan(size=32, depth=16), small_plan(**PATCHES)

    spared = needed(site, whole) - needed(site, patches)

    # 1000 volumes: a byte of an image, a byte of a mask; the network is the same
    assert spared == pytest.approx(2 * (32 * 32 * 16 - 16 * 16 * 8) / 1000, abs=1)


def test_volumes_with_patches_are_refused_only_where_the_least_finds_no_room(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(n_bytes: int) -> None:
        monkeypatch.setattr(records.shutil, "disk_usage", lambda _: SimpleNamespace(free=n_bytes))

    give(5_000)
    with pytest.raises(DiskFullError, match="needs at least 0 MB more"):
        read(site, small_plan(**GIANTS))
    give(100_000)
    assert len(read(site, small_plan(**GIANTS)).samples) == 4


@contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """Let no file grow further: EFBIG, as of a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_keeps_whole_records_and_holds_nothing_else(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "COMMIT_S", -1.0)
    plan, size = small_plan(size=128, depth=32), 128 * 128 * 32

    with files_up_to(5 * size // 2), pytest.raises(OSError, match="too large"):
        read(site, plan)

    (pixels,) = StateFolder.of(site).cache.glob("*/" + CacheFolder(Path()).pixels.name)
    assert pixels.stat().st_size == 2 * size
    assert len(read(site, plan).samples) == 4
