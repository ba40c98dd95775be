"""Small DICOM files, and what a plan makes of a row of their pixels."""

from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medfl_client.data.dicom.pixels import load_image
from medfl_common.plan.images import FixedWindow, Images

RAMP = np.tile(np.arange(16, dtype=np.int16) * 100, (16, 1))  # 0..1500 from left to right
WHOLE = {"WindowCenter": 750.5, "WindowWidth": 1501}


def write(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.PatientID, dataset.StudyInstanceUID, dataset.Modality = "1", generate_uid(), "CT"
    photometric = str(tags.pop("PhotometricInterpretation", "MONOCHROME2"))
    bits = int(str(tags.pop("bits", 12 if pixels.itemsize == 2 else 8)))
    dataset.set_pixel_data(pixels, photometric, bits)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def lut(first: int, bits: int, values: list[int], **tags: object) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values), first, bits])
    item.add_new("LUTData", "US", values)
    for name, value in tags.items():
        setattr(item, name, value)
    return item


def images(**changes: object) -> Images:
    return Images.model_validate({"modality": ["CT"], "size": 16, **changes})


FIXED = images(intensity=FixedWindow(rule="fixed", centre=0, width=1000))


def row_of(path: Path, plan: Images) -> np.ndarray:
    (plane,) = load_image(path, plan)
    return plane[0]


def put(path: Path, **elements: tuple[str, bytes]) -> Path:
    """Put elements into a file as bytes, as no writer would: keyword=(VR, value)."""
    dataset = dcmread(path)
    for keyword, (vr, value) in elements.items():
        tag = Tag(keyword)
        dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    dataset.save_as(path)
    return path
