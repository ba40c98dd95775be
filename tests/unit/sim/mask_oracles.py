"""Masks of files read by other programs than medfl, and by the standard's own equations."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

Mask = NDArray[np.bool_]
Places = set[tuple[float, ...]]  # x, y, z of voxels' centres, mm


def fill(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, ...]) -> Mask:
    """Fill polygons of (row, column) by matplotlib at the centres of pixels, even-odd."""
    from matplotlib.path import Path as Polygon

    centres = np.indices(shape).reshape(2, -1).T
    mask = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        mask ^= Polygon(polygon).contains_points(centres).reshape(shape)
    return mask


def fill_structures(file: Dataset, images: Sequence[Dataset]) -> dict[str, Mask]:
    """Fill each ROI of an RTSTRUCT in the images that its contours name."""
    places = {image.SOPInstanceUID: i for i, image in enumerate(images)}
    names = {roi.ROINumber: str(roi.ROIName) for roi in file.StructureSetROISequence}
    found = {}
    for roi in file.ROIContourSequence:
        polygons: list[list[NDArray[np.float64]]] = [[] for _ in images]
        for contour in roi.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            i = places[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            polygons[i].append(in_pixels(points, images[i]))
        shape = (images[0].Rows, images[0].Columns)
        found[names[roi.ReferencedROINumber]] = np.array([fill(some, shape) for some in polygons])
    return found


def in_pixels(points: NDArray[np.float64], image: Dataset) -> NDArray[np.float64]:
    """Give row and column of points in an image's plane, by PS3.3 C.7.6.2.1.1."""
    right, down = np.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
    offset = points - np.array(image.ImagePositionPatient, dtype=float)
    assert np.abs(offset @ np.cross(right, down)).max() < 0.01  # mm off the plane
    return offset @ np.array([down, right]).T / np.array(image.PixelSpacing, dtype=float)


def places_of(mask: Mask, images: Sequence[Dataset]) -> Places:
    """Give where the voxels of a mask are, by the headers of its images."""
    found: list[NDArray[np.float64]] = []
    for layer, image in zip(mask, images, strict=True):
        right, down = np.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
        steps = np.argwhere(layer) * np.array(image.PixelSpacing, dtype=float)
        corner = np.array(image.ImagePositionPatient, dtype=float)
        found.append(corner + steps @ np.array([down, right]))
    return rounded(np.concatenate(found))


def rounded(places: NDArray[np.float64]) -> Places:
    """Round to a tenth of a millimetre, off the middle between two tenths, where voxels lie."""
    return {tuple(place) for place in np.round(places + 0.013, 1).tolist()}


def read_by_highdicom(path: Path, images: Sequence[Dataset]) -> dict[str, Mask]:
    """Read each segment of a DICOM SEG by highdicom, in the order of the images."""
    import highdicom

    file = highdicom.seg.segread(path)
    voxels = file.get_pixels_by_source_instance(
        [image.SOPInstanceUID for image in images], assert_missing_frames_are_empty=True
    )
    labels = [segment.SegmentLabel for segment in file.SegmentSequence]
    return {label: voxels[..., i] > 0 for i, label in enumerate(labels)}


def read_by_dcmqi(path: Path, folder: Path) -> list[Places]:
    """Read each segment of a DICOM SEG by dcmqi, and say where its voxels are."""
    import dcmqi
    import nibabel

    program = Path(str(dcmqi.__file__)).parent / "bin" / "segimage2itkimage"
    folder.mkdir()
    subprocess.run(
        [program, "--inputDICOM", path, "--outputDirectory", folder, "--outputType", "nii"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    found = []
    for written in sorted(folder.glob("*.nii*")):
        image = nibabel.load(written)
        voxels = np.argwhere(np.asarray(image.dataobj) > 0)
        nifti = nibabel.affines.apply_affine(image.affine, voxels)
        found.append(rounded(nifti * np.array([-1, -1, 1])))  # NIfTI's x and y have another sign
    return found
