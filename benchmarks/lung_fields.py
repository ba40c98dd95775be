"""Lung fields of two hospitals on real chest X-rays, simulated and as real processes.

    lung_fields.py make DATA FOLDER           a folder for each hospital: DICOM, masks, site.yaml
    medfl-sim run configs/lung-fields.yaml --data FOLDER --out RUN    the study, pooled, alone
    lung_fields.py deploy FOLDER OUT          the study as real hospitals; the weights are compared

DATA holds images/ and masks/, PNG files of 512 pixels of the Shenzhen and Montgomery sets (Jaeger
et al., Quant Imaging Med Surg 4:475, 2014), and list.csv with the columns file and site. Of four
patients of Shenzhen one is tested on; the eight of Montgomery are too few for a test part.
"""

import csv
import sys
from pathlib import Path

import ct_deployment
import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import Scenario
from medfl_sim.engine.simulation import run_study

CONFIG = Path(__file__).parents[1] / "configs" / "lung-fields.yaml"
SITE = """\
site: {site}
data:
  folder: dicom
  labels_from: masks
  masks:
    folder: masks
    names: {{"0": background, "255": lung}}
policy:
  min_images: 5                       # eight pictures at one hospital; 20 in a real study
  min_cell: 2                         # 10 in a real study
"""


def make(data: Path, folder: Path) -> None:
    """Write the pictures as DICOM, the masks beside them."""
    with (data / "list.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for site in sorted({row["site"] for row in rows}):
        for part in ("dicom", "masks"):
            (folder / site / part).mkdir(parents=True)
        (folder / site / "site.yaml").write_text(SITE.format(site=site))
        for row in (row for row in rows if row["site"] == site):
            stem = Path(row["file"]).stem
            write_dicom(data / "images" / row["file"], folder / site / "dicom" / f"{stem}.dcm")
            mask = (data / "masks" / row["file"]).read_bytes()
            (folder / site / "masks" / f"{stem}.png").write_bytes(mask)


def write_dicom(picture: Path, path: Path) -> None:
    """Write one picture as a digital X-ray."""
    pixels = np.asarray(Image.open(picture).convert("L"))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[picture.name])
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", picture.name])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", picture.name])
    dataset.PatientID, dataset.Modality = picture.stem, "DX"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def deploy(folder: Path, out: Path) -> None:
    """Run the study as real hospitals, and in the simulator over the same folders."""
    sites = {place.parent.name: place.parent for place in sorted(folder.glob("*/site.yaml"))}
    deployed = ct_deployment.deploy(CONFIG, sites, out)
    study = create_study(out / "simulated", CONFIG)
    run_study(study, virtual_sites(folder, study.plan, Scenario()))
    ct_deployment.same_bits(study.folder, deployed)


if __name__ == "__main__":
    {"make": make, "deploy": deploy}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
