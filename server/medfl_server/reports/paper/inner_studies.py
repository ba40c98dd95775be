"""Leave-one-out results, and the comparison with hospitals alone, where a simulation made them."""

import json
from typing import Any

from medfl_common.metrics.estimates import Estimate
from medfl_common.run.simulation_files import SimulationFiles
from medfl_common.ui.page import Section, Table
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.sections.numbers import number, with_interval

ALONE_HEADER = ["site", "images scored", "federated", "alone", "pooled", "federated - alone"]


def left_out(facts: Facts) -> list[tuple[str, Estimate]]:
    """Give each hospital's AUC by the federation without it, then that over all; empty: none."""
    path = SimulationFiles(facts.study.folder).left_out
    if not path.exists():
        return []
    found: dict[str, Any] = json.loads(path.read_text())
    rows = [(_name(row["name"], facts), Estimate(**row["outside"])) for row in found["hospitals"]]
    return [*rows, ("all hospitals", Estimate(**found["together"]))]


def left_out_section(facts: Facts) -> list[Section]:
    """Show it; nothing where no such federation was made."""
    rows = [[name, str(one.n), *with_interval(one)] for name, one in left_out(facts)]
    text = (
        "Each hospital's images, of all its patients, scored by a federation of the others, which "
        "has seen none of them."
    )
    header = ["hospital left out", "images", "AUC", "95 % interval"]
    tables = [Table(header, rows, total="all hospitals")]
    return [Section("Leave one hospital out", [text], tables=tables)] if rows else []


def alone_section(facts: Facts) -> list[Section]:
    """Compare with each hospital alone and with all images in one place, where that was made."""
    path = SimulationFiles(facts.study.folder).comparison
    if not path.exists():
        return []
    rows, found = [], json.loads(path.read_text())
    for row in found:
        n, helped = row.get("n_scored", row.get("n_validation", 0)), row["helped"]
        cells = [number(row["auc"][model], n) for model in ("federated", "alone", "pooled")]
        between = [number(helped[key], n) for key in ("value", "low", "high")]
        difference = f"{between[0]} ({between[1]} to {between[2]})"
        rows.append([_name(row["name"], facts), str(n), *cells, difference])
    score, part = found[0].get("score", "AUC"), found[0].get("part", "validation")
    text = f"{score} on the {part} part of each hospital, by three models; in brackets 95 %."
    return [Section("Did joining help?", [text], tables=[Table(ALONE_HEADER, rows)])]


def _name(site: str, facts: Facts) -> str:
    return facts.names.get(site, site)
