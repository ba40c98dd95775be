"""The index over very many files: files a second and peak memory, first scan and second.

    index.py FOLDER [N]      N headers-only DICOM files, 100,000 if not given; about 1.5 kB each

The first scan reads every header, the second finds that nothing changed, the third that 1 % did.
"""

import os
import resource
import sys
import time
from pathlib import Path

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from medfl_client.data.dicom.header import Rules
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.reader import DicomReader

PER_FOLDER = 500


def write_files(folder: Path, n: int) -> None:
    """Write one header, then again with other numbers of the same length: quick, and each valid."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.10000000"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.4.10000000", "1.2.5.10000000"
    dataset.PatientID, dataset.PatientName = "P00000000", "SYNTHETIC"
    dataset.Modality, dataset.Manufacturer = "CT", "PHANTOM"
    dataset.StudyDate, dataset.PatientSex, dataset.PatientAge = "20200101", "F", "050Y"
    dataset.ImagePositionPatient, dataset.PixelSpacing = [0, 0, 0], [1, 1]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.Rows = dataset.Columns = 512
    dataset.BitsAllocated, dataset.BitsStored, dataset.SamplesPerPixel = 16, 12, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    for element in range(0x1001, 0x1030):  # as many private tags as a scanner writes
        dataset.add_new((0x0009, element), "LO", "private text of a scanner")
    dataset.add_new((0x0009, 0x0010), "LO", "PHANTOM")
    folder.mkdir(parents=True)
    dataset.save_as(folder / "template", enforce_file_format=True)
    template = (folder / "template").read_bytes()
    (folder / "template").unlink()
    for i in range(n):
        place = folder / f"{i // PER_FOLDER:05d}"
        if i % PER_FOLDER == 0:
            place.mkdir()
        number = f"{10**7 + i}".encode()
        patient = f"{i // 50:08d}".encode()
        content = template.replace(b"1.2.3.10000000", b"1.2.3." + number)
        (place / f"{i}.dcm").write_bytes(content.replace(b"P00000000", b"P" + patient))


def main() -> None:
    folder, n = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    if not (folder / "dicom").exists():
        write_files(folder / "dicom", n)
    database = folder / "index.sqlite"
    database.unlink(missing_ok=True)
    for name in ("first scan", "nothing changed", "1 % changed"):
        if name == "1 % changed":
            for i in range(0, n, 100):
                os.utime(folder / "dicom" / f"{i // PER_FOLDER:05d}" / f"{i}.dcm")
        started, cpu = time.monotonic(), time.process_time()
        scan(folder / "dicom", database, DicomReader(), Rules(b"secret"))
        wall, cpu = time.monotonic() - started, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{name:16} {wall:6.1f} s, {n / wall:8,.0f} files a second; this process {cpu:.1f} s "
            f"CPU, peak {peak:.0f} MB"
        )
    started = time.monotonic()
    n_used = sum(not row.reason for row in rows(database))
    size = database.stat().st_size / n
    print(
        f"{n_used} usable rows, read in {time.monotonic() - started:.1f} s; {size:.0f} bytes a row"
    )


if __name__ == "__main__":
    main()
