"""The privacy ledger cannot be set back: what is new is charged, or nothing is answered."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.unit.client.spending import Hospital, is_close, noisy_plan, one_shot

from medfl_client.egress import ledger
from medfl_client.egress.privacy_ledger import check_statements, why_not_whole
from medfl_common.errors import BudgetError, RunError
from medfl_common.wire.ledger_statement import Statement

PLAN = noisy_plan()


@pytest.fixture
def here(tmp_path: Path) -> Hospital:
    """A hospital that answered three rounds of a study, each with a receipt."""
    hospital = Hospital(tmp_path / "site-1")
    hospital.approve(PLAN)
    for round_ in (1, 2, 3):
        hospital.ask(PLAN, round_)
        hospital.receipt()
    return hospital


def _earlier(here: Hospital, *names: str) -> None:
    """Put some files back as they were after the first round, from a copy made by hand."""
    n = len(here.file.read_bytes().splitlines())
    lines = here.file.read_bytes().splitlines(keepends=True)[: n - 2]
    if "privacy.jsonl" in names:
        here.file.write_bytes(b"".join(lines))
    entry = json.loads(lines[-1])
    head = json.dumps({"lines": entry["line"], "hash": entry["hash"]})
    for name in {"state/privacy.head", "privacy.head"} & {*names}:
        (here.folder / name).write_text(head)


def _cut(here: Hospital) -> None:
    here.file.write_bytes(b"".join(here.file.read_bytes().splitlines(keepends=True)[:-1]))


def _edit(here: Hospital) -> None:
    text = here.file.read_text()
    here.file.write_text(text.replace('"multiplier": 3.6', '"multiplier": 9.9', 1))


def _delete(here: Hospital, *names: str) -> None:
    for name in names:
        (here.folder / name).unlink()


def _damage(path: Path) -> None:
    path.write_text("?")


HARMS: dict[str, Callable[[Hospital], None]] = {
    "deleted": lambda here: _delete(here, "state/privacy.jsonl"),
    "deleted with its head": lambda here: _delete(
        here, "state/privacy.jsonl", "state/privacy.head"
    ),
    "deleted with all heads": lambda here: _delete(
        here, "state/privacy.jsonl", "state/privacy.head", "privacy.head"
    ),
    "cut": _cut,
    "edited": _edit,
    "put back": lambda here: _earlier(here, "privacy.jsonl"),
    "put back with its head": lambda here: _earlier(here, "privacy.jsonl", "state/privacy.head"),
    "put back with all heads": lambda here: _earlier(
        here, "privacy.jsonl", "state/privacy.head", "privacy.head"
    ),
    "an older head": lambda here: _earlier(here, "state/privacy.head"),
    "a damaged copy of the head": lambda here: (
        (here.folder / "privacy.head").write_text("?") and None
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_that_was_harmed_answers_nothing_old_or_new(harm: str, here: Hospital) -> None:
    HARMS[harm](here)
    before = here.file.read_bytes() if here.file.exists() else b""

    for round_ in (1, 4):
        with pytest.raises(RunError, match="Nothing is answered") as told:
            here.ask(PLAN, round_)
        assert told.value.code == 600
    assert (here.file.read_bytes() if here.file.exists() else b"") == before


def test_an_older_copy_of_the_head_by_the_keys_alone_is_no_harm(here: Hospital) -> None:
    _earlier(here, "privacy.head")

    here.ask(PLAN, 4)

    assert here.n_charges == 4
    assert json.loads((here.folder / "privacy.head").read_text())["lines"] == 6


def test_a_whole_folder_put_back_is_contradicted_by_the_coordinators_statement(
    here: Hospital, tmp_path: Path
) -> None:
    backup = here.copied(tmp_path / "backup")
    here.ask(PLAN, 4)
    here.receipt()
    newest = ledger.last(here.state / "ledger.jsonl")
    stated = Statement(newest.n_lines, newest.hash, time.time(), "", "")

    shutil.rmtree(here.folder)
    shutil.copytree(backup.folder, here.folder)
    here.ask(PLAN, 3, is_stated=False)  # charged before: the same bits
    with pytest.raises(RunError, match="nobody vouches that this folder is not an older copy"):
        here.ask(PLAN, 4, question="other weights", is_stated=False)
    with pytest.raises(RunError, match="nobody vouches"):  # a run id does not begin anew
        here.ask(PLAN, 4, run="ef" * 16, is_stated=False)
    text = json.dumps({"newest": None, "missing": [vars(stated)]})
    (here.state / "statements.json").write_text(text)

    for ask in (lambda: here.ask(PLAN, 3), lambda: check_statements(here.state)):
        with pytest.raises(RunError, match="the ledger here lacks its line 4") as told:
            ask()
        assert told.value.code == 600


def test_two_copies_of_a_folder_cannot_both_go_on(here: Hospital, tmp_path: Path) -> None:
    """Their files part at the next charge: one copy's line is not in the other's."""
    clone = here.copied(tmp_path / "clone")
    here.ask(PLAN, 4)
    clone.ask(PLAN, 5)

    shutil.copy(here.folder / "privacy.head", clone.folder)
    assert "line 6 is another than privacy.head beside the keys names" in why_not_whole(clone.state)
    with pytest.raises(RunError, match="a copy of the folder ran too"):
        clone.ask(PLAN, 6)


def test_a_clock_set_back_changes_nothing(here: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 86_400.0)

    here.ask(PLAN, 3)
    here.ask(PLAN, 4)

    assert here.n_charges == 4
    assert why_not_whole(here.state) == ""


@pytest.mark.parametrize("n_kills", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_a_hospital_that_is_killed_at_any_moment_answers_nothing_uncharged_and_pays_once(
    n_kills: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.unit.client.killed_spending"]
    done = subprocess.run(
        [*command, str(tmp_path), str(n_kills), "21"], cwd=ROOT, check=True, capture_output=True,
        text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert int(done.stdout) >= n_kills

    plan = noisy_plan(rounds=10)
    for folder in tmp_path.iterdir():
        here, lines = Hospital(folder), ledger.read_lines(folder / "state" / "privacy.jsonl")
        charged = {line["question"] for line in lines if line["what"] == "charge"}
        answered = (folder / "answers").read_text().splitlines()
        assert [*dict.fromkeys(answered)] == [f"{plan.hash()} round {r + 1}" for r in range(10)]
        assert {*answered} == charged
        assert here.n_charges == 10
        assert is_close(here.account().epsilon(1e-5), one_shot(plan, 10))
        assert why_not_whole(here.state) == ""


def test_two_studies_in_two_processes_at_once_never_spend_more_than_there_is(
    tmp_path: Path,
) -> None:
    home = Hospital(tmp_path / "site-1")
    study = Hospital(home.folder / "studies" / "other")
    assert study.file == home.file
    script = (
        "import sys; from pathlib import Path; "
        "from tests.unit.client.spending import Hospital, noisy_plan; "
        "print(Hospital(Path(sys.argv[1])).spend_all(noisy_plan(sys.argv[2])))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(one.folder), name], cwd=ROOT, text=True,
            stdout=subprocess.PIPE,
        )
        for one, name in ((home, "one"), (study, "two"))
    ]  # fmt: skip
    counts = [int(process.communicate(timeout=120)[0]) for process in running]

    assert home.n_charges == sum(counts)
    assert home.shares()[0] <= 8
    with pytest.raises(BudgetError):
        study.ask(noisy_plan("two"), 1, "one more")
    alone = Hospital(tmp_path / "alone").spend_all(noisy_plan("one"))
    assert sum(counts) == alone
