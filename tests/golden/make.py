"""Makes the golden files: what plans, commands, messages and directories are, as the code has it.

    python -m tests.golden.make WHAT        # help | hashes | wire | weights | directories | all

A golden test that fails says that hospitals or coordinators would notice. Run this again only
where that is meant: what was written before must still open, so `hashes`, `wire`, `weights` and
`directories` go with a migration and a line in CHANGELOG.md; `help` goes with a new wording.
`weights` adds this kind of machine to those known, and keeps the weights that are there;
`directories` starts a coordinator and two hospitals on loopback.

The golden tests import of medfl what commands, studies, messages and directories here do, and the
decoders of messages in test_wire.py.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from safetensors.torch import save_file
from tests.golden.commands import APPS, HERE, call, help_of, plan_hashes
from tests.golden.directories import (
    FOREIGN,
    PRIVATE,
    SITES,
    ask_with_another_plan,
    prepare,
    readiness,
    restore,
)
from tests.golden.messages import messages, to_bytes
from tests.golden.studies import STUDIES, events, machine, run_study, sampled, write_phantoms

from medfl_client.egress.ledger import append, read_lines
from medfl_sim.local.deployment import Deployment


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
            prepare(hospitals / name)
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
    for name in ("log.jsonl", "tallies.jsonl"):  # in this order: the log names counts
        shutil.copy(study / name, copy)
    if len(events(copy, "round")) != rounds or events(copy, "finished"):
        raise RuntimeError("the study was faster than the copy; try again")


def _ask_what_is_not_approved(site: Path, folder: Path) -> None:
    """Have a plan refused, for an incident and a proposal; name no place of this machine."""
    ask_with_another_plan(site)
    path = site / "state" / "incidents.jsonl"
    lines = read_lines(path)
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
