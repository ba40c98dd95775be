"""The audit page's section on privacy: each line of the privacy ledger in words."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfl_client.config.folder import StateFolder
from medfl_client.egress import ledger
from medfl_client.egress.account import Account
from medfl_client.egress.privacy_ledger import why_not_whole
from medfl_common.errors import RunError
from medfl_common.ui.page import Section, Table

TITLE = "What was told of one patient?"
HEADER = ["when", "line", "what", "study", "part of the budget"]
RELEASES = {"finished": "the study has ended", "withdrawn": "the hospital has withdrawn"}


def spending(state: Path) -> list[Section]:
    """Give the section; none where nothing was ever answered with noise."""
    path = StateFolder(state).privacy
    try:
        why, lines = why_not_whole(state), ledger.read_lines(path)
        rows = _rows(lines) if not why else []
    except (RunError, KeyError, TypeError, ValueError) as error:
        return [Section(TITLE, [f"The privacy ledger cannot be read: {error}"])]
    if why:
        return [Section(TITLE, [f"THE PRIVACY LEDGER IS NOT TO BE TRUSTED: {why}."])]
    if not lines:
        return []
    texts = [
        "medfl wrote each answer's cost to disk before it read an image for it. Parts of the "
        "budget add up over all studies of this hospital; a patient is trained on or held out, "
        "and pays the larger of the two sums.",
        "Not covered: how many patients there are, that the hospital takes part, when, and what "
        "it publishes itself. Whoever rules this machine can, together with the coordinator, "
        "deceive the ledger.",
    ]
    return [Section(TITLE, texts, tables=[Table(HEADER, rows, is_text=True)])]


def _rows(lines: list[dict[str, Any]]) -> list[list[str]]:
    account, rows = Account(), []
    for line in lines:
        account.take(line)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(line["time"])))
        told = [_in_words(line), str(line.get("study", "")), _part(account, line)]
        rows.append([when, str(account.n_lines), *told])
    return rows


def _in_words(line: Mapping[str, Any]) -> str:
    if line["what"] in ("budget", "tighten"):
        return _budget_in_words(line)
    if line["what"] == "reserve":
        return f"{line['by']} approved plan {line['plan'][:12]}: its cost is kept"
    if line["what"] == "release":
        return f"what was kept is free again: {RELEASES.get(line['why'], line['why'])}"
    again = "" if line["reserved"] else ", beyond what was kept"
    return (
        f"an answer to run {line['run'][:8]}, {line['kind']} of round {line['round']}{again}: "
        f"{line['steps']} steps, chance {line['q']:.3g}, noise {line['multiplier']:.4g} clips, of "
        f"the patients {line['set']}"
    )


def _budget_in_words(line: Mapping[str, Any]) -> str:
    if line["epsilon"] is None:
        return f"{line['by']} took the budget away"
    how = "set the budget" if line["what"] == "budget" else "lowered or began the budget"
    return f"{line['by']} {how}: epsilon {line['epsilon']:g}, delta {line['delta']:g}"


def _part(account: Account, line: Mapping[str, Any]) -> str:
    budget = account.budget
    if budget is None or line["what"] not in ("charge", "reserve"):
        return ""
    if line["what"] == "charge":
        return f"{budget.share(np.array(line['rdp'])):.3g} of {budget.epsilon:g}"
    more = max(budget.share(np.array(line[one])) for one in ("trained", "held_out"))
    return f"{more:.3g} of {budget.epsilon:g} kept"
