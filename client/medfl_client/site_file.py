"""The site file: what the hospital says of its own folders, device and policy. It never leaves."""

import hmac
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medfl_common.files import write_private
from medfl_common.plan import Number
from medfl_common.schema import Name, Settings, load, matching

Join = Literal["SOPInstanceUID", "StudyInstanceUID", "PatientID", "path"]


class DataFiles(Settings):
    """Where the images and labels are; paths are relative to the site file."""

    folder: str  # DICOM files, sub-folders included
    labels: str  # CSV, UTF-8, first line names the columns
    join: Join = "SOPInstanceUID"  # what the join column holds; path: relative to the folder
    join_column: str  # column that says which image, study or patient a label belongs to
    label_column: str  # column that holds the label
    values: dict[str, str] = Field(default={})  # what the CSV writes -> the plan's class


class Server(Settings):
    """The coordinator, as it told the hospital."""

    address: Annotated[
        str, matching(r"[A-Za-z0-9.\-]+:[0-9]{1,5}", "host:port, such as fl.example.org:8443")
    ]
    ca: str = "ca.crt"  # certificate of the study's authority


class Compute(Settings):
    """What trains here."""

    device: Annotated[
        str, matching(r"auto|cpu|cuda(:[0-9]+)?|mps", "auto, cpu, cuda, cuda:NUMBER or mps")
    ] = "auto"


class Policy(Settings):
    """What the hospital allows. Policy beats plan, always."""

    min_images: int = Field(default=20, ge=1)  # fewer training images: nothing leaves
    min_cell: int = Field(default=10, ge=1)  # a class with fewer scored images: no scores leave
    models: list[str] | Literal["all"] = "all"  # networks that may be trained here
    max_rounds: int = Field(default=1000, ge=1)  # a plan with more is refused
    max_message_mb: Annotated[Number, Field(gt=0)] = 1024.0  # a larger reply is not sent


class SiteFile(Settings):
    """One hospital, whole."""

    site: Name  # as the coordinator sees it
    data: DataFiles
    server: Server | None = None
    compute: Compute = Compute()
    policy: Policy = Policy()


def load_site_file(folder: Path) -> SiteFile:
    """Read `site.yaml` of a site folder."""
    return load(SiteFile, folder / "site.yaml")


def site_secret(state: Path) -> bytes:
    """Read the key of the patient pseudonyms, 32 bytes, made at first need; it never leaves."""
    path = state / "patients.key"
    if not path.exists():
        write_private(path, secrets.token_hex(32).encode())
    return bytes.fromhex(path.read_text())


def pseudonym(secret: bytes, patient_id: str) -> str:
    """HMAC of a normalised PatientID: blanks around it and letter case do not matter."""
    return hmac.new(secret, patient_id.strip().upper().encode(), sha256).hexdigest()
