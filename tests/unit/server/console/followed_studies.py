"""A study whose log grows under a console, and a browser of text that is signed in."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import MakePlan
from tests.consoles import Browser, come_in

from medfl_common.files import Json
from medfl_common.run.folder import RunFolder
from medfl_server.console.room import build
from medfl_server.study.run_directory import Study, create_study


def enrolled(
    make_plan: MakePlan, folder: Path, n_sites: int = 3, rounds: int = 14, **sections: Any
) -> Study:
    """Make a study with site-1, site-2, ... on its roster, and its first log line."""
    plan = make_plan(f"{folder.name}.yaml", federation={"rounds": rounds}, **sections)
    study = create_study(folder, plan)
    names = [f"site-{i + 1}" for i in range(n_sites)]
    keys = {name: {"transport": f"ecdsa {name}", "signing": f"ed {name}"} for name in names}
    RunFolder(folder).roster.write_text(json.dumps(keys))
    study.log.write("started", sites=[*names], sha256="ab")
    return study


def made(study: Study, round_: int, aucs: Mapping[str, float], **missing: str) -> None:
    """Add a round in which these sites answered and told an AUC, of 50 images each."""
    sites: dict[str, Json] = {name: {"n_images": 200, "waited": 5.0} for name in aucs}
    told: dict[str, Json] = {name: {"n": 50, "loss": 0.6, "auc": auc} for name, auc in aucs.items()}
    mean = sum(aucs.values()) / len(aucs)
    whole: Json = {"n": 50 * len(aucs), "loss": 0.6, "auc": mean}
    study.log.write(
        "round", round=round_, seconds=8.0, sites=sites,
        missing={name.replace("_", "-"): why for name, why in missing.items()},
        sha256="cd", scores={"all": whole, "sites": told},
    )  # fmt: skip


def say_live(study: Study, kind: str, round_: int, ago: float, **states: str) -> None:
    """Write what `run` would, of a question that was asked so many seconds ago."""
    since = time.time() - ago
    sites = {
        name.replace("_", "-"): {"state": state, "since": since, "why": ""}
        for name, state in states.items()
    }
    told = {"run": study.run, "kind": kind, "round": round_, "since": since, "sites": sites}
    study.files.live.write_text(json.dumps({**told, "deadline": since + 900, "quorum": 2}))


def browser(*folders: Path, role: str = "coordinator") -> Browser:
    """Sign in to a console of these directories."""
    return come_in(build(folders), role)
