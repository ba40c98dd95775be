"""What people have written down: hashes of plans in their approvals, commands in their scripts."""

import json
from pathlib import Path

import pytest
from tests.golden.commands import APPS, HERE, help_of, plan_hashes


def test_every_plan_has_the_hash_that_hospitals_have_approved(tmp_path: Path) -> None:
    known = json.loads((HERE / "plan-hashes.json").read_text())

    assert plan_hashes(tmp_path) == known, (
        "an approval holds for a hash, so every hospital would have to approve anew; if that is "
        "meant: python -m tests.golden.make hashes, and a line in CHANGELOG.md"
    )


@pytest.mark.parametrize("side", APPS)
def test_commands_options_and_defaults_are_as_written_down(side: str) -> None:
    assert help_of(side) == (HERE / "help" / f"medfl-{side}.txt").read_text(), (
        "scripts of hospitals and coordinators name these; if the wording is meant to be another: "
        "python -m tests.golden.make help"
    )
