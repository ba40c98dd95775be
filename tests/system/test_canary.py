"""Names, numbers, dates and paths of patients everywhere, and failures at eight places.

One hospital succeeds, eight fail, each elsewhere. Whatever the coordinator wrote, and every byte
that it was sent inside TLS, is then searched for what only the hospitals know.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import yaml
from tests.conftest import MakePlan
from tests.system.wiretap import Wiretap

from medfl_client.commands.run import free_port
from medfl_common.run.log import read_lines
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

NAME, DATE, UID = "CANARYBIRD", "19031231", "1.2.826.0.1.3680043.8.498.777000777"
SECRETS = [NAME.encode(), DATE.encode(), b"777000777"]
TEXTS = [
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "PatientAddress",
    "PatientComments",
    "ReferringPhysicianName",
    "InstitutionName",
    "InstitutionAddress",
    "StationName",
    "OperatorsName",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "AccessionNumber",
    "StudyID",
    "DeviceSerialNumber",
    "ImageComments",
    "PerformingPhysicianName",
    "RequestedProcedureDescription",
    "Manufacturer",
    "ManufacturerModelName",
]
DATES = ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")


def mark(site: Path) -> None:
    """Put the canaries into every file, file name and label of a phantom hospital."""
    new_uid = {}
    for number, path in enumerate(sorted(site.glob("dicom/*/*.dcm"))):
        image = pydicom.dcmread(path)
        uid = f"{UID}.{number}"
        new_uid[str(image.SOPInstanceUID)] = uid
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
        for keyword in TEXTS:
            setattr(image, keyword, f"{NAME}{number:03}"[:16])
        for keyword in DATES:
            setattr(image, keyword, DATE)
        image.private_block(0x0009, NAME, create=True).add_new(0x01, "LO", f"{NAME}^PRIVATE")
        image.preamble = NAME.encode().ljust(128, b"\0")
        image.save_as(path.with_name(f"{NAME}_MRN{number:06}_{DATE}.dcm"))
        path.unlink()
    with (site / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (site / "labels.csv").unlink()
    with (site / f"{NAME}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", "patient", f"finding of {NAME}"])
        for row in rows:
            words = f"{NAME} {row['finding']}"
            writer.writerow([new_uid[row["sop_instance_uid"]], f"{NAME}^PATIENT", words])
    data = {
        "folder": "dicom", "labels": f"{NAME}.csv", "join_column": "uid",
        "label_column": f"finding of {NAME}",
        "values": {f"{NAME} {word}": word for word in ("normal", "opacity")},
    }  # fmt: skip
    write_site_file(site, data=data, policy={"min_images": 5, "min_cell": 1})


def write_site_file(site: Path, **sections: dict[str, object]) -> None:
    """Change sections of site.yaml."""
    path = site / "site.yaml"
    values = yaml.safe_load(path.read_text())
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    path.write_text(yaml.safe_dump(values))


def lose_labels(site: Path, run: str) -> None:
    (site / f"{NAME}.csv").unlink()


def add_an_unknown_class(site: Path, run: str) -> None:
    write_site_file(site, data={"values": {}})


def corrupt_the_encoding(site: Path, run: str) -> None:
    with (site / f"{NAME}.csv").open("ab") as file:
        file.write(f"1,{NAME}^J\xfcrgen,{NAME} normal\n".encode("latin-1"))


def damage_files(site: Path, run: str) -> None:
    for path in sorted(site.glob("dicom/*/*.dcm"))[:20]:
        path.write_bytes(path.read_bytes()[:3000])


def block_the_cache(site: Path, run: str) -> None:
    (site / "state").mkdir(exist_ok=True)
    (site / "state" / "cache").write_text(NAME)


def damage_the_kept_reply(site: Path, run: str) -> None:
    (site / "state" / "replies").mkdir(parents=True)
    (site / "state" / "replies" / f"{run}.safetensors").write_text(NAME * 100)


def lose_the_images(site: Path, run: str) -> None:
    write_site_file(site, data={"folder": f"/data/{NAME}/{DATE}"})


def hold_back_by_policy(site: Path, run: str) -> None:
    write_site_file(site, policy={"max_message_mb": 0.001})


FAILURES: tuple[Callable[[Path, str], None], ...] = (
    lose_labels, add_an_unknown_class, corrupt_the_encoding, damage_files, block_the_cache,
    damage_the_kept_reply, lose_the_images, hold_back_by_policy,
)  # fmt: skip


def test_nothing_that_only_a_hospital_knows_reaches_the_coordinator(
    deployment: Deployment, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={
            "rounds": 2,
            "min_sites": 1,
            "deadline_s": 120,
            "statistics": True,
            "participants": True,
        },
        evaluation={"subgroups": ["sex", "manufacturer"], "manufacturers": ["SIEMENS"]},
    )
    folders = write_hospitals(tmp_path / f"{NAME}-hospitals", 1 + len(FAILURES), 40, seed=1)
    for site in folders:
        mark(site)
    (folders[0] / "dicom" / f".{NAME}.bak").write_text(NAME)
    deployment.create(plan, {site.name: site for site in folders})
    run = json.loads((deployment.study / "study.json").read_text())["run"]
    for site, fail in zip(folders[1:], FAILURES, strict=True):
        fail(site, run)
    tapped, deployment.port = deployment.port, free_port()
    tap = Wiretap(tapped, deployment.port, deployment.study / "tls")

    server = deployment.start_server()
    for site in folders:
        deployment.start_client(site)
    log = deployment.study / "log.jsonl"
    wait_until(lambda: server.poll() is not None, 400, "the end of the study")
    deployment.stop()
    tap.close()

    made = [event for event in read_lines(log) if event["event"] == "round"]
    assert [[*event["sites"]] for event in made] == [["site-1"]] * 2, made  # type: ignore[misc]
    for event in made:
        missing = dict(event["missing"])  # type: ignore[call-overload]
        assert missing.keys() == {site.name for site in folders[1:]}
        assert all("MEDFL-E" in reason for reason in missing.values()), missing
    incidents = [(site / "state" / "incidents.jsonl").read_text() for site in folders[1:]]
    assert sum(NAME in text for text in incidents) >= 5  # the failures did have something to tell
    assert b"train_loss" in tap.heard, "the wiretap heard no reply"
    written = [p for p in deployment.study.rglob("*") if p.is_file()]
    assert search([*written, deployment.folder / "server.log"]) == {}
    assert [secret for secret in SECRETS if secret in tap.heard] == []
    (told,) = (e for e in read_lines(log) if e["event"] == "statistics" and "site-1" in e["sites"])  # type: ignore[operator]
    flow = told["sites"]["site-1"]["participants"]  # type: ignore[index,call-overload]
    assert flow["reasons"]["no_image"] == 1  # NAME.bak, and nothing of its name  # type: ignore[index,call-overload]
    assert b"flow_reasons" in tap.heard


def search(paths: list[Path]) -> dict[str, bytes]:
    """Find the files that hold a canary."""
    return {p.name: s for p in paths for s in SECRETS if s in p.read_bytes()}
