"""Mutated plans, plans in messages, and site files: what becomes of each, and what crashes.

    fuzz_plans.py FOLDER [N] [SEED]      N of each kind; 3000 if not given

Anything but a value or an error with its own sentence is a crash. Ends with status 1 after one.
"""

import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from medfl_client.commands.plan_summary import summarise
from medfl_client.config.site_file import load_site_file
from medfl_common.errors import MedflError
from medfl_common.plan.plan import load_plan, plan_from_json
from medfl_common.visible import visible

CONFIGS = Path(__file__).parents[1] / "configs"
SITE_FILE = """\
site: north
data:
  folder: dicom
  labels: labels.csv
  join: SOPInstanceUID
  join_column: sop_instance_uid
  label_column: finding
compute: {device: auto}
policy: {approval: required, models: all, max_rounds: 1000, min_cell: 10, hours: any}
server: {address: "fl.example.org:8443", ca: ca.crt}
network: {proxy: {url: "http://127.0.0.1:3128", user: a, password_file: pw}}
"""
WORDS = (
    "&a", "*a", "!!python/object:os.system", "{" * 60, "[" * 60, "nan", ".inf", "1e999", "-1",
    "0x1f", "9" * 400, "1_000", "null", "~", "true", "\0", "\x1b[2J", "\u202e", "\ufeff", "\ud7ff",
    "'", '"', "? ", ": ", "- ", "|", ">", "%YAML 9", "---", "...", "<<: *a", "2026-11-29", "0777",
    "1:30:00", "\t", "\r", "\n", "#", ",", "}", "]", '"\\ud800"', "a" * 5000, "1" * 5000, "é",
    "🫁", "\x85", "\u2028",
)  # fmt: skip


UNASSIGNED = "\ud7ff"  # Python does not call it printable, and no terminal acts on it


def mutate(text: str, rng: random.Random) -> bytes:
    """Insert, repeat, drop and exchange lines, words and bytes."""
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        lines, at = text.splitlines(keepends=True), rng.randrange(len(text) + 1)
        kind = rng.random()
        if kind < 0.4:
            text = text[:at] + rng.choice(WORDS) + text[at:]
        elif kind < 0.55:
            text = text[:at] + text[at + rng.randrange(40) :]
        elif kind < 0.7 and lines:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            text = "".join(lines)
        elif kind < 0.85 and lines:
            one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            text = "".join(lines)
        else:
            words = text.split(" ")
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            text = " ".join(words)
    content = bytearray(text.encode(errors="surrogatepass"))
    if content and rng.random() < 0.2:
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def attempt(read: Callable[[], object]) -> str:
    """Say what became of it; print the traceback of a crash."""
    try:
        read()
    except MedflError as error:
        shown = visible(str(error)).replace("\n", "")
        return "refused" if shown.isprintable() or UNASSIGNED in shown else "unprintable"
    except Exception:
        traceback.print_exc()
        return "crashed"
    return "read"


def main(folder: Path, n: int = 3000, seed: int = 7) -> int:
    """Try all kinds; print a line for each."""
    folder.mkdir(parents=True)
    rng, is_right = random.Random(seed), True
    paths = [path for path in sorted(CONFIGS.glob("*.yaml")) if ".site." not in path.name]
    plans = [path.read_text() for path in paths]
    asked = [load_plan(path).canonical() for path in paths]
    summarise(load_plan(paths[0]))  # imports PyTorch
    site_file, plan_file = folder / "site.yaml", folder / "plan.yaml"
    kinds: dict[str, tuple[list[str], Path, Callable[[], object]]] = {
        "plans": (plans, plan_file, lambda: summarise(load_plan(plan_file))),
        "plans in messages": (
            asked, plan_file,
            lambda: plan_from_json(plan_file.read_bytes().decode("utf-8", "surrogateescape")),
        ),
        "site files": ([SITE_FILE], site_file, lambda: load_site_file(folder)),
    }  # fmt: skip
    for name, (originals, path, read) in kinds.items():
        found, longest = Counter[str](), 0.0
        for _ in range(n):
            path.write_bytes(mutate(rng.choice(originals), rng))
            started = time.monotonic()
            found[attempt(read)] += 1
            longest = max(longest, time.monotonic() - started)
        print(f"{n} {name}, seed {seed}: {dict(found)}; the longest took {longest:.2f} s")
        is_right = is_right and not found["crashed"] + found["unprintable"]
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
