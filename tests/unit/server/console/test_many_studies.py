"""Many studies in one console, and many who ask for them at once."""

import shutil
import sys
import threading
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.console.followed_studies import enrolled, made

from medfl_server.console.pages import Studies


@pytest.fixture
def folder(make_plan: MakePlan, tmp_path: Path) -> Path:
    """A directory with 30 studies of a round each."""
    made(enrolled(make_plan, tmp_path / "all" / "s0"), 1, {"site-1": 0.7})
    for i in range(1, 30):
        shutil.copytree(tmp_path / "all" / "s0", tmp_path / "all" / f"s{i}")
    return tmp_path / "all"


def test_who_ask_at_once_for_the_list_get_each_study_once(folder: Path) -> None:
    asked: list[list[str]] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(10):
            studies = Studies([folder], lambda template, **values: "")
            threads = [
                threading.Thread(target=lambda s=studies: asked.append(s.names())) for _ in range(4)
            ]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            asked.append(studies.names())
    finally:
        sys.setswitchinterval(before)

    assert len(asked) == 50
    assert all(names == sorted(f"s{i}" for i in range(30)) for names in asked)
