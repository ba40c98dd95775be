import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from medfl_client.audit.prometheus import LedgerMonitor
from medfl_client.commands.run import free_port
from medfl_client.egress import ledger
from medfl_common.ops.prometheus import serve_metrics


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {s.name.removeprefix("medfl_client_"): s.value for f in families for s in f.samples}


def test_the_ledgers_messages_bytes_and_refusals_are_counted_as_they_come(tmp_path: Path) -> None:
    def add(kind: str, round_: int, n_bytes: int, update: bool, **decision: str) -> None:
        arrays = {"0.weight": [3, 3]} if update else {}
        entry = {"kind": kind, "round": round_, "bytes": n_bytes, "arrays": arrays, "numbers": []}
        ledger.append(tmp_path / "ledger.jsonl", {**entry, **decision})  # type: ignore[dict-item]

    port = free_port()
    serve_metrics(LedgerMonitor(tmp_path), port)
    assert scrape(port)["messages_total"] == 0

    add("train", 1, 1000, update=True)
    add("train", 2, 60, update=False)
    add("train", 3, 60, update=False, decision="refused: P4")
    first = scrape(port)
    add("train", 4, 60, update=False, decision="failed: MEDFL-E300")
    add("evaluate", 4, 200, update=False, decision="released")
    second = scrape(port)

    assert (first["messages_total"], first["bytes_total"], first["refused_total"]) == (3, 1120, 2)
    assert (second["messages_total"], second["bytes_total"]) == (5, 1380)
    assert (second["refused_total"], second["failed_total"], second["round"]) == (2, 1, 4)
    assert second["last_reply_timestamp_seconds"] > 1.7e9


def test_after_a_cut_or_with_another_ledger_the_figures_are_those_of_the_ledger(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"

    def add(n_bytes: int) -> None:
        entry = {"kind": "train", "round": 1, "bytes": n_bytes, "arrays": {}, "numbers": []}
        ledger.append(path, {**entry, "decision": "released"})  # type: ignore[dict-item]

    port = free_port()
    serve_metrics(LedgerMonitor(tmp_path), port)
    for n_bytes in (1000, 2000, 3000):
        add(n_bytes)
    assert scrape(port)["bytes_total"] == 6000

    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole[0])  # in place: the same inode
    cut = scrape(port)
    path.write_bytes(b"".join(whole))
    back = scrape(port)
    path.unlink()
    path.with_suffix(".head").unlink()
    none = scrape(port)
    add(40)
    anew = scrape(port)

    assert [seen["bytes_total"] for seen in (cut, back, none, anew)] == [1000, 6000, 0, 40]
    assert [seen["messages_total"] for seen in (cut, back, none, anew)] == [1, 3, 0, 1]
