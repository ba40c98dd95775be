"""The measured runs of one job as a table: medians, lowest and highest, ratios to the plain loop.

table.py RESULTS.jsonl JOB
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any


def middle(runs: list[dict[str, Any]], key: str) -> float:
    """Give the median of a figure."""
    return statistics.median(run[key] for run in runs if run[key] is not None)


def shown(runs: list[dict[str, Any]], key: str) -> str:
    """Write a figure with its lowest and highest."""
    values = [run[key] for run in runs if run[key] is not None]
    if not values:
        return "n/a"
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main(path: Path, job: str) -> None:
    """Print the table; runs that failed or were cut off are left out and counted."""
    engines: dict[str, list[dict[str, Any]]] = {}
    n_failed = 0
    for line in path.read_text().splitlines():
        run = json.loads(line)
        if run["job"] != job:
            continue
        if run["rc"] or run["killed"]:
            n_failed += 1
            continue
        engines.setdefault(run["tag"], []).append(run)
    floor = engines["floor"]
    print(
        "| engine | n | CPU s | wall s | start, s | round, s | peak memory, MB | steps | accuracy "
        "| CPU ratio | wall ratio | round ratio |\n|" + "---|" * 12
    )
    for name, runs in engines.items():
        ratios = [f"{middle(runs, k) / middle(floor, k):.2f}" for k in ("cpu", "wall", "round_med")]
        cells = [
            name, str(len(runs)), shown(runs, "cpu"), shown(runs, "wall"),
            f"{middle(runs, 'startup'):.1f}", f"{middle(runs, 'round_med'):.2f}",
            f"{middle(runs, 'peak_rss_mb'):.0f}", str(runs[0]["steps"]),
            f"{middle(runs, 'acc'):.3f}", *ratios,
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |")
    if n_failed:
        print(f"\n{n_failed} runs failed or were cut off")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
