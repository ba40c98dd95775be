"""Makes the golden files: what plans, commands, messages and directories are, as the code has it.

    python tests/golden/make.py WHAT        # help | hashes | wire | weights | directories | all

A golden test that fails says that hospitals or coordinators would notice. Run this again only
where that is meant: what was written before must still open, so `hashes`, `wire`, `weights` and
`directories` go with a migration and a line in CHANGELOG.md; `help` goes with a new wording.
`weights` adds this kind of machine to those known, and keeps the weights that are there;
`directories` starts a coordinator and two hospitals on loopback.

The golden tests import of medfl what is here, and the decoders of messages in test_wire.py.
"""

import hashlib
import json
import math
import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import torch
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import RecordDict
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from medfl_client.cli import app as client_app
from medfl_client.config.site_file import load_site_file
from medfl_client.egress.ledger import append, entries
from medfl_client.task.handler import answer
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.plan.plan import load_plan
from medfl_common.wire.results import TrainResult, encode_result
from medfl_common.wire.signature import seal
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.cli import app as server_app
from medfl_server.study.run_directory import open_study
from medfl_sim.cli import app as sim_app
from medfl_sim.local.deployment import Deployment

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"
APPS = {"client": client_app, "server": server_app, "sim": sim_app}
TERMINAL = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "FORCE_COLOR": None}


# --- commands


def call(side: str, *arguments: object) -> str:
    """Run one command in this process and return what it printed; RuntimeError where it failed."""
    done = CliRunner().invoke(APPS[side], [*map(str, arguments)], env=TERMINAL)
    if done.exit_code != 0:
        said = f"{done.output}\n{done.exception!r}"
        raise RuntimeError(f"medfl-{side} {arguments[0]} ended with {done.exit_code}:\n{said}")
    return done.output


def help_of(side: str) -> str:
    """Say what a command and all below it take: names, kinds, defaults and help.

    Not as `--help` prints it, which differs between versions of typer, click and rich.
    """
    return "\n".join(_pages(typer.main.get_command(APPS[side]), f"medfl-{side}"))


def _pages(command: Any, path: str) -> Iterator[str]:
    about = " ".join((command.help or "").split())
    yield "\n".join([f"=== {path}", about, *(f"  {_parameter(p)}" for p in command.params)]) + "\n"
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _pages(below, f"{path} {name}")


def _parameter(parameter: Any) -> str:
    kind = parameter.type
    ends = f" {kind.min}..{kind.max}" if hasattr(kind, "min") else ""
    facts = [f"{kind.name}{ends}"]
    facts += ["required"] if parameter.required else []
    facts += (
        ["repeatable"] if getattr(parameter, "multiple", False) or parameter.nargs == -1 else []
    )
    if isinstance(parameter.default, bool | int | float | str | Path):
        facts.append(f"default {parameter.default}")
    names = " ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":  # click and typer do not agree whose its help is
        return f"{names.upper()} ({', '.join(facts)})"
    return f"{names} ({', '.join(facts)}): {parameter.help}"


def plan_hashes(folder: Path) -> dict[str, str]:
    """Give the hash of each plan in configs/ and here, as a new study's directory names it."""
    found = {}
    for plan in sorted([*CONFIGS.glob("*.yaml"), *HERE.glob("*/plan.yaml")]):
        if not plan.name.endswith(".site.yaml"):
            name = f"{plan.parent.name}/{plan.name}"
            call("server", "init", folder / name, "--plan", plan, "--host", "localhost")
            found[name] = json.loads((folder / name / "study.json").read_text())["plan_sha256"]
    return found


# --- final weights

STUDIES = {  # plan in weights/ -> the kind of its phantoms
    "fedavg": "chest",
    "scaffold-int8": "chest",
    "fedper-volumes": "brain-mr",
}
ENGINES = ("inprocess", "processes")
WHOLE = 256  # numbers of a tensor that are stored all; of a larger one about so many


def machine() -> str:
    """Name what decides the last bits of a sum: torch, the processor's kind and instructions."""
    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    vendor = re.search(r"vendor_id\s*: (\S+)", facts)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {vendor[1] if vendor else platform.machine()}, {capability}"


def write_phantoms(folder: Path, kind: str) -> Path:
    """Write three hospitals of thirty synthetic pictures, or sixteen volumes."""
    n = 16 if kind == "brain-mr" else 30
    call("sim", "phantom", folder, "--sites", 3, "--images", n, "--seed", 1, "--kind", kind)
    for site in folder.iterdir():
        text = (site / "site.yaml").read_text()
        if "policy:" not in text:
            (site / "site.yaml").write_text(text + "policy: {min_images: 5, min_cell: 1}\n")
    return folder


def run_study(name: str, hospitals: Path, out: Path, engine: str) -> tuple[str, Path]:
    """Run one of STUDIES; give the digest of the shared weights, and the file of all weights."""
    plan = HERE / "weights" / f"{name}.yaml"
    arguments = ["--data", hospitals, "--out", out, "--engine", engine, "--no-baselines"]
    call("sim", "run", plan, *arguments, *(["--workers", 2] if engine == "processes" else []))
    (finished,) = events(out, "finished")
    return finished["sha256"], out / "model.safetensors"


def events(study: Path, kind: str) -> list[dict[str, Any]]:
    """Read the run log's events of a kind."""
    lines = map(json.loads, (study / "log.jsonl").read_text().splitlines())
    return [event for event in lines if event["event"] == kind]


def sampled(path: Path) -> dict[str, torch.Tensor]:
    """Give some numbers of each tensor, evenly over it, and the norm of them all."""
    found = {}
    for name, tensor in load_file(path).items():
        flat = tensor.reshape(-1)
        found[name] = flat[:: max(1, math.ceil(flat.numel() / WHOLE))].clone()
        found[f"{name} (norm)"] = flat.double().norm().float()
    return found


# --- messages

NAMES = {"body.weight": (3, 4), "body.bias": (3,), "head.weight": (1, 3), "head.bias": (1,)}
FROZEN = {"frozen.weight": (2, 2)}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # for these tests, of no site


def numbers(shapes: dict[str, tuple[int, ...]], first: int) -> dict[str, torch.Tensor]:
    """Give eighths that neither bfloat16 nor int8 rounds."""
    found = {}
    for name, shape in shapes.items():
        n = math.prod(shape)
        found[name] = (torch.arange(first, first + n, dtype=torch.float32) / 8).reshape(shape)
        first += n
    return found


def fixed_task() -> TrainTask:
    """Give a task whose every number is written here."""
    plan = load_plan(HERE / "wire" / "plan.yaml")
    weights, told = numbers(NAMES, -5), numbers(NAMES, 40)
    start = numbers(FROZEN, 100)
    return TrainTask("train", "ab" * 16, 4, 2**61 + 1, "north", plan, weights, start, told)


def fixed_result() -> TrainResult:
    """Give a reply to it: an update, counts of scores, groups and statistics."""
    task = fixed_task()

    def tally(first: int) -> ScoreCounts:
        confusion = np.array([[first, 2], [3, 4]], dtype=np.int64)
        positive = (np.arange(128, dtype=np.int64) + first) % 5
        return ScoreCounts(first + 9, 0.625, confusion, positive[None], positive[None, ::-1].copy())

    counts = SiteStatistics(
        40, 30, 3, (25, 15), (1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 5, 6),
        (6, 5, 4, 3, 2, 1), (20, 15, 5), tuple(range(64)),
    )  # fmt: skip
    return TrainResult(
        plan=int(task.plan.hash()[:16], 16) >> 2, round=4, nonce=task.nonce,
        n_images=30, n_steps=12,
        train_loss=0.5, start_loss=0.75, seconds=1.5, score_counts=tally(7), exact_auc=0.875,
        update=numbers(NAMES, 3), statistics=counts, groups={"sex": [tally(1), tally(2), tally(3)]},
    )  # fmt: skip


def messages() -> dict[str, RecordDict]:
    """Give the task and the sealed reply as records."""
    task, result = fixed_task(), fixed_result()
    reply = seal(encode_result(result, task.plan), task, KEY)
    return {"task": encode_task(task), "reply": reply}


def to_bytes(message: Any) -> bytes:
    """Write a message as Flower's objects, each after its length, what it holds before it."""
    below = b"".join(to_bytes(part) for part in (message.children or {}).values())
    own = message.deflate()
    return below + len(own).to_bytes(4, "big") + own


# --- directories

SITES = ("site-1", "site-2")
WRITTEN = 1_600_000_000  # seconds; git keeps no times, and the index knows files by theirs
SECRETS = {"site-1": "11" * 32, "site-2": "22" * 32}  # of pseudonyms of nobody
PRIVATE = ("identity.key", "signing.key", "executor.key", "patients.key", "server.key", "ca.key")
FOREIGN = ("flwr", ".flwr", "lock", "flower.log", "supernode.log", "superlink.log")


def restore(folder: Path) -> Path:
    """Copy sites and study into a folder, with the times and secrets that are not stored."""
    for name in SITES:
        site = Path(shutil.copytree(HERE / "site" / name, folder / "hospitals" / name))
        _prepare(site)
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


def _prepare(site: Path) -> None:
    key = site / "state" / "patients.key"
    key.parent.mkdir(exist_ok=True)
    key.write_text(SECRETS[site.name])
    key.chmod(0o600)
    for path in (site / "dicom").rglob("*.dcm"):
        os.utime(path, ns=(WRITTEN * 10**9, WRITTEN * 10**9))


def last_request(folder: Path, round_: int) -> tuple[RecordDict, list[str]]:
    """Ask site-1 again for the last thing that the study asked it; give reply and words."""
    study = open_study(folder / "run")
    return _ask(folder / "hospitals" / "site-1", study.plan, study.run, "evaluate", round_,
                study.nonce("evaluate", round_, "site-1"))  # fmt: skip


def ask_with_another_plan(site: Path) -> None:
    """Ask a site to train by a plan that it has not approved."""
    plan = load_plan(HERE / "run-plan.yaml").model_copy(update={"seed": 9})
    _ask(site, plan, "cd" * 16, "train", 1, 5)


def _ask(
    site: Path, plan: Any, run: str, kind: Any, round_: int, nonce: int
) -> tuple[RecordDict, list[str]]:
    said: list[str] = []
    task = TrainTask(kind, run, round_, nonce, "site-1", plan, {})
    reply = answer(encode_task(task), open_site(site, load_site_file(site)), Session(), said.append)
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


# --- making


def make_help() -> None:
    """Write the help texts."""
    (HERE / "help").mkdir(exist_ok=True)
    for side in APPS:
        (HERE / "help" / f"medfl-{side}.txt").write_text(help_of(side))


def make_hashes() -> None:
    """Write the hashes of plans."""
    with _scratch() as folder:
        _write_json(HERE / "plan-hashes.json", plan_hashes(folder))


def make_wire() -> None:
    """Write the messages, and their digests."""
    digests = {}
    for name, message in messages().items():
        data = to_bytes(message)
        (HERE / "wire" / f"{name}.bin").write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    _write_json(HERE / "wire" / "sha256.json", digests)


def make_weights() -> None:
    """Add this kind of machine's digests; write weights only where there are none."""
    path = HERE / "weights" / "sha256.json"
    digests = json.loads(path.read_text()) if path.exists() else {}
    digests[machine()] = {}
    with _scratch() as folder:
        for name, kind in STUDIES.items():
            hospitals = folder / kind
            if not hospitals.exists():
                write_phantoms(hospitals, kind)
            sha256, model = run_study(name, hospitals, folder / name, "inprocess")
            digests[machine()][name] = sha256
            stored = HERE / "weights" / f"{name}.safetensors"
            if not stored.exists():
                save_file(sampled(model), stored)
    _write_json(path, digests)


def make_directories() -> None:
    """Run a coordinator and two hospitals; keep their directories, without what is private."""
    with _scratch() as folder:
        hospitals, plan = folder / "hospitals", HERE / "run-plan.yaml"
        call("sim", "phantom", hospitals, "--sites", 2, "--images", 24, "--seed", 7)
        for name in SITES:
            _make_small(hospitals / name)
            _prepare(hospitals / name)
        deployment = Deployment(folder)
        deployment.create(plan, {name: hospitals / name for name in SITES})
        server = deployment.start_server()
        try:
            for name in SITES:
                deployment.start_client(hospitals / name)
            _copy_after(2, deployment.study, folder / "stopped")
            if server.wait(120) != 0:
                raise RuntimeError((folder / "server.log").read_text())
        finally:
            deployment.stop()
        _ask_what_is_not_approved(hospitals / "site-1", folder)
        _store(folder)
        site = restore(folder / "restored") / "hospitals" / "site-1"
        facts = {"machine": machine(), "index": readiness(site)}
        _write_json(HERE / "directories.json", facts)


def _make_small(site: Path) -> None:
    """Shrink a site's pictures to 16 x 16; let it take part with few."""
    for path in sorted((site / "dicom").rglob("*.dcm")):
        image = pydicom.dcmread(path)
        height, width = image.pixel_array.shape
        pixels = image.pixel_array[:: height // 16, :: width // 16][:16, :16].copy()
        if image.file_meta.TransferSyntaxUID.is_compressed:
            image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image.set_pixel_data(
            pixels, image.PhotometricInterpretation, image.BitsStored, generate_instance_uid=False
        )
        image.save_as(path, enforce_file_format=True)
    with (site / "site.yaml").open("a") as file:
        file.write("policy: {min_images: 5, min_cell: 1}\n")


def _copy_after(rounds: int, study: Path, copy: Path) -> None:
    """Copy what a study that goes on from there needs, while it runs."""
    while not (study / "log.jsonl").exists() or len(events(study, "round")) < rounds:
        pass
    copy.mkdir()
    shutil.copytree(study / "checkpoints", copy / "checkpoints")
    shutil.copy(study / "log.jsonl", copy)
    if len(events(copy, "round")) != rounds or events(copy, "finished"):
        raise RuntimeError("the study was faster than the copy; try again")


def _ask_what_is_not_approved(site: Path, folder: Path) -> None:
    """Have a plan refused, for an incident and a proposal; name no place of this machine."""
    ask_with_another_plan(site)
    path = site / "state" / "incidents.jsonl"
    lines = entries(path)
    path.unlink()
    path.with_suffix(".head").unlink()
    for line in lines:
        text = str(line["error"])
        for place in (folder, HERE.parents[1], Path(sys.prefix)):
            text = text.replace(str(place), "/somewhere")
        append(path, {"incident": line["incident"], "error": text})


def _store(folder: Path) -> None:
    for name in ("site", "run", "stopped"):
        kept = HERE / name
        readme = (kept / "README.md").read_bytes() if (kept / "README.md").exists() else None
        shutil.rmtree(kept, ignore_errors=True)
        source = {"site": "hospitals", "run": "study", "stopped": "stopped"}[name]
        shutil.copytree(folder / source, kept, ignore=shutil.ignore_patterns(*PRIVATE, *FOREIGN))
        if readme is not None:
            (kept / "README.md").write_bytes(readme)
    model = (HERE / "run" / "model.safetensors").read_bytes()
    for path in (HERE / "site").glob("*/state/models/*/model.safetensors"):
        if path.read_bytes() != model:
            raise RuntimeError(f"{path} is not the study's model")
        path.unlink()
    for path in {*HERE.glob("run/*.html"), *HERE.glob("run/model-card.*")}:
        path.unlink()  # made anew from the rest
    for path in (HERE / "site").rglob("*-wal"):
        raise RuntimeError(f"{path} is left; the index was not closed")


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


MAKERS = {
    "help": make_help,
    "hashes": make_hashes,
    "wire": make_wire,
    "weights": make_weights,
    "directories": make_directories,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in {*MAKERS, "all"}:
        sys.exit(__doc__)
    for _name, _maker in MAKERS.items():
        if sys.argv[1] in (_name, "all"):
            _maker()
