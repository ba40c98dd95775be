"""The ledger as a security officer sees it: a table, a CSV, a page, a verdict."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.client.test_approvals import Said

from medfl_client.audit.page import write_audit
from medfl_client.audit.records import export, read_ledger, rows_of, totals_of
from medfl_client.audit.verify import verify
from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, ledger
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.errors import ConfigError, RunError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.wire.tasks import TrainTask, encode_task

RUNS = ("ab" * 16, "cd" * 16)


@pytest.fixture
def folder(hospitals: Path, plan: Plan) -> Path:
    """A site that answered three rounds of two runs, and refused an unapproved plan."""
    folder = hospitals / "site-1"
    with (folder / "site.yaml").open("a") as file:
        file.write("server: {address: 'fl.example.org:8443'}\n")
    # These tasks are not signed: the study's key is not there.
    site, session = replace(open_site(folder, load_site_file(folder)), study_key=None), Session()
    for _ in RUNS:  # an approval is good for one run
        approvals.approve(folder / "state", plan)
    other = plan.model_copy(update={"seed": 9})
    for run, round_, asked in (
        (RUNS[0], 1, plan),
        (RUNS[0], 2, plan),
        (RUNS[1], 1, plan),
        (RUNS[1], 1, other),
    ):
        weights = shared_weights(build_model(asked))
        task = TrainTask("train", run, round_, 5, "site-1", asked, weights)
        handle_task(encode_task(task), site, session, lambda line: None)
    return folder


def test_the_table_says_what_left_how_much_to_whom_and_why(folder: Path) -> None:
    rows = rows_of(read_ledger(folder))

    assert [row[-1] for row in rows[:-1]] == ["released"] * 3 + ["refused: P1"]
    assert {row[-2] for row in rows} == {"fl.example.org:8443"}
    assert rows[0][3].startswith("an update of ")
    assert rows[3][3] == "a code"
    assert rows[-1][-1] == "3 released, 1 refused or failed"
    totals = totals_of(read_ledger(folder))
    assert (totals.messages, totals.rounds, totals.released) == (4, 3, 3)
    assert [len(read_ledger(folder, run)) for run in ("last", "abab", RUNS[1])] == [2, 2, 2]
    with pytest.raises(ConfigError, match="0 runs in the ledger; name one of: abababab, cdcdcdcd"):
        read_ledger(folder, "ef")


def test_verify_names_the_line_and_what_became_of_it(folder: Path) -> None:
    said, path = Said(), folder / "state" / "ledger.jsonl"
    verify(folder, said)
    assert (
        f"ledger.jsonl is whole: 4 lines, the last has hash {ledger.last(path).hash}" in said.text
    )

    path.write_text(path.read_text().replace('"round": 2', '"round": 9'))

    with pytest.raises(RunError, match=r"ledger\.jsonl, line 2: it was changed"):
        verify(folder, Said())


def test_no_cell_of_the_csv_is_a_formula_and_no_incident_text_is_in_it(folder: Path) -> None:
    state = folder / "state"
    for study in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1"):
        entry = ledger.read_lines(state / "ledger.jsonl")[0]
        ledger.append(state / "ledger.jsonl", {**_without_chain(entry), "study": study})
    ledger.append(state / "incidents.jsonl", {"incident": 1, "error": "DOE^JOHN"})

    assert export(folder, folder / "out.csv") == 9

    text = (folder / "out.csv").read_text()
    rows = list(csv.reader(text.splitlines()))
    begins = [c for row in rows for c in row if c.startswith(("=", "+", "-", "@", "\t"))]
    assert all(cell.lstrip("+-").isdigit() for cell in begins)
    assert "'=1+1" in text
    assert "DOE" not in text


def test_the_page_answers_with_the_figure_and_shows_policy_approvals_and_damage(
    folder: Path,
) -> None:
    write_audit(folder, folder / "audit.html")
    page = (folder / "audit.html").read_text()
    for words in (
        "What left this hospital?", "4 messages left, total", "The ledger is whole.", "P12",
        "refused: P1", "fl.example.org:8443", "approve",
    ):  # fmt: skip
        assert words in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert (folder / "audit.html").stat().st_mode & 0o077 == 0

    path = folder / "state" / "ledger.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    write_audit(folder, folder / "audit.html")

    assert "SOMEBODY CHANGED THE LEDGER" in (folder / "audit.html").read_text()
    assert "line 4: 1 lines are missing at the end" in (folder / "audit.html").read_text()


def test_each_message_has_its_numbers_its_digest_and_the_policy_that_held(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text(path.read_text().replace("min_images: 5", "min_images: 7"))
    write_audit(folder, folder / "audit.html")
    page = (folder / "audit.html").read_text()

    for entry in read_ledger(folder):
        assert entry.sha256 in page
    assert "n_images, n_steps" in page
    assert "train_loss" in page
    assert re.search(r"\d\d:\d\d:\d\d [+-]\d{4}", page)
    assert "lines 1 to 4" in page
    row = re.search(r"<tr>(?:(?!</tr>).)*min_images.*?</tr>", page, re.DOTALL)
    assert row is not None
    assert re.findall(r">(\d+)<", row[0]) == ["5", "7"]
    assert "Somebody changed the policy after the last message." in page


def test_lines_of_an_earlier_version_do_not_claim_todays_policy(folder: Path) -> None:
    path = folder / "state" / "ledger.jsonl"
    entries = [_without_chain(line) for line in ledger.read_lines(path)]
    path.unlink()
    (folder / "state" / "ledger.head").unlink()
    for entry in entries:
        ledger.append(path, {k: v for k, v in entry.items() if k != "policy"})
    write_audit(folder, folder / "audit.html")

    page = (folder / "audit.html").read_text()
    assert "wrote lines 1 to 4 and did not keep the policy that held" in page
    assert "The ledger is whole." in page


def _without_chain(entry: ledger.Line) -> ledger.Line:
    return {k: v for k, v in entry.items() if k not in ("line", "time", "previous", "hash")}


def test_no_other_file_reads_a_key_of_a_ledger_line() -> None:
    root = Path(__file__).parents[3] / "client"
    for path in root.rglob("*.py"):
        if path.name not in ("message_entry.py", "ledger.py", "approvals.py"):
            assert not re.search(r"\bentry\[[\"']", path.read_text()), path
