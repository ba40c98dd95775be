"""A site's directory and a study's, restored from what is stored, and asked."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from flwr.app import RecordDict
from safetensors.torch import load_file
from tests.golden.commands import HERE, call

from medfl_client.config.site_file import load_site_file
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import load_plan
from medfl_common.run.model_file import WEIGHTS
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.study.run_directory import open_study

SITES = ("site-1", "site-2")
WRITTEN = 1_600_000_000  # seconds; git keeps no times, and the index knows files by theirs
SECRETS = {"site-1": "11" * 32, "site-2": "22" * 32}  # of pseudonyms of nobody
PRIVATE = ("identity.key", "signing.key", "executor.key", "patients.key", "server.key", "ca.key",
           "study.key")  # fmt: skip
FOREIGN = ("flwr", ".flwr", "lock", "flower.log", "supernode.log", "superlink.log")


def restore(folder: Path) -> Path:
    """Copy sites and study into a folder, with the times and secrets that are not stored."""
    for name in SITES:
        site = Path(shutil.copytree(HERE / "site" / name, folder / "hospitals" / name))
        prepare(site)
    shutil.copytree(HERE / "run", folder / "run")
    (model,) = (HERE / "site" / "site-1" / "state" / "models").glob("*")
    for name in SITES:  # every site keeps the study's own weights, which are stored once
        kept = folder / "hospitals" / name / "state" / "models" / model.name
        shutil.copy(HERE / "run" / "model.safetensors", kept)
    return folder


def restore_stopped(folder: Path) -> Path:
    """Turn the restored study into what it was after two of its three rounds."""
    run = folder / "run"
    for name in ("model.safetensors", "plan.json", "reading.json"):
        (run / name).unlink()
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(HERE / "stopped", run, dirs_exist_ok=True)
    (memory,) = (folder / "hospitals" / "site-1" / "state" / "local").glob("*")
    for name in SITES:  # a simulation keeps in the study's directory what stays at a site
        kept = folder / "hospitals" / name / "state" / "local"
        shutil.copytree(kept, run / "local" / name)
    assert memory.name == run_id(run)
    return run


def run_id(run: Path) -> str:
    """Give the id of a run directory."""
    return str(json.loads((run / "study.json").read_text())["run"])


def prepare(site: Path) -> None:
    key = site / "state" / "patients.key"
    key.parent.mkdir(exist_ok=True)
    key.write_text(SECRETS[site.name])
    key.chmod(0o600)
    for path in (site / "dicom").rglob("*.dcm"):
        os.utime(path, ns=(WRITTEN * 10**9, WRITTEN * 10**9))


def last_request(folder: Path, round_: int) -> tuple[RecordDict, list[str]]:
    """Ask site-1 again for the last thing that the study asked it; give reply and words."""
    study = open_study(folder / "run")
    model, every = build_model(study.plan), load_file(folder / "run" / WEIGHTS)
    shared = {name: every[name] for name in shared_weights(model)}
    rest = {name: tensor for name, tensor in every.items() if name not in shared}
    task = TrainTask("evaluate", study.run, round_, study.nonce("evaluate", round_, "site-1"),
                     "site-1", study.plan, shared, start=rest or None)  # fmt: skip
    return _ask(folder / "hospitals" / "site-1", task)


def ask_with_another_plan(site: Path) -> None:
    """Ask a site to train by a plan that it has not approved."""
    plan = load_plan(HERE / "run-plan.yaml").model_copy(update={"seed": 9})
    _ask(site, TrainTask("train", "cd" * 16, 1, 5, "site-1", plan, {}))


def _ask(site: Path, task: TrainTask) -> tuple[RecordDict, list[str]]:
    said: list[str] = []
    unsigned = replace(open_site(site, load_site_file(site)), study_key=None)  # no key is stored
    reply = handle_task(encode_task(task), unsigned, Session(), said.append)
    return reply, said


def readiness(site: Path) -> dict[str, Any]:
    """Index a site and give the counts that it prints for a script."""
    said = call("client", "index", site, "--plan", HERE / "run" / "plan.yaml", "--json")
    found: dict[str, Any] = json.loads(said)
    del found["findings"]  # sentences, whose words may get better
    return found


def index_rows(site: Path) -> list[tuple[Any, ...]]:
    """List all of a site's index, with the number of each row: a row written anew has another."""
    with closing(sqlite3.connect(site / "state" / "index.sqlite")) as connection:
        rows = connection.execute("SELECT rowid, * FROM images ORDER BY path, item").fetchall()
        return [*connection.execute("PRAGMA user_version").fetchall(), *rows]


def cache_bytes(site: Path) -> dict[str, bytes]:
    """Give the pixels of each of a site's caches."""
    caches = (site / "state" / "cache").glob("*/pixels.raw")
    return {path.parent.name: path.read_bytes() for path in caches}
