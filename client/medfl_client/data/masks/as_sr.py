"""Volumes of outlines as DICOM SR, made by highdicom: a measurement report by PS3.16, TID 1500.

A group (TID 1411) for each class of the foreground names the segment that was measured.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.uid import UID

from medfl_client.data.dicom.annotation import MAKER
from medfl_client.data.masks.author import LONGEST, Author, stable_uid
from medfl_common import __version__

if TYPE_CHECKING:
    from highdicom.sr import ObservationContext, VolumetricROIMeasurementsAndQualitativeEvaluations

IMAGING_PROCEDURE = ("363679005", "SCT", "Imaging procedure")
VOLUME = ("118565006", "SCT", "Volume")
MILLILITRE = ("cm3", "UCUM", "cubic centimeter")
SERIES_NUMBER = 9001


def as_sr(
    seg: Dataset,
    sources: Sequence[Dataset],
    classes: Sequence[str],
    ml: Sequence[float],
    author: Author,
) -> bytes:
    """Write the volume of each class of the foreground as a report that references its segment.

    Args:
        seg: The DICOM SEG that was measured.
        sources: The images that it references.
        classes: (K,) of the plan, the background first.
        ml: (K,) volumes, in ml.
        author: The model that outlined.
    """
    from highdicom.sr import Comprehensive3DSR, MeasurementReport
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    report = MeasurementReport(
        observation_context=_observer(author),
        procedure_reported=Code(*IMAGING_PROCEDURE),
        imaging_measurements=[
            _group(seg, number, classes[number], ml[number], author)
            for number in range(1, len(classes))
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    names = [author.digest, str(seg.SOPInstanceUID)]
    found = Comprehensive3DSR(
        evidence=[seg, *sources],
        content=report,
        series_instance_uid=stable_uid(["sr series", *names]),
        series_number=SERIES_NUMBER,
        sop_instance_uid=stable_uid(["sr instance", *names]),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
        is_final=False,  # nobody has looked at it
        is_verified=False,
    )
    found.SeriesDescription = f"{author.study[:40]}, not for diagnosis"
    found.SoftwareVersions = __version__
    content = io.BytesIO()
    found.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _observer(author: Author) -> "ObservationContext":
    """Say that a program measured, PS3.16 TID 1004."""
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(
        uid=UID(stable_uid(["model", author.digest])),
        name=author.name,
        manufacturer_name=MAKER,
        model_name=MAKER,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _group(
    seg: Dataset, number: int, name: str, ml: float, author: Author
) -> "VolumetricROIMeasurementsAndQualitativeEvaluations":
    """Measure a segment; the plan's classes are words, and no codes, so its name is a word."""
    from highdicom.sr import (
        AlgorithmIdentification,
        Measurement,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.sr.coding import Code

    (series,) = seg.ReferencedSeriesSequence
    segment = ReferencedSegment(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        segment_number=number,
        source_series=SourceSeriesForSegmentation(series.SeriesInstanceUID),
    )
    own = UID(stable_uid(["tracking", str(seg.SOPInstanceUID), str(number)]))
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(own, name[:LONGEST]),
        referenced_segment=segment,
        algorithm_id=AlgorithmIdentification(author.name, author.digest),
        measurements=[Measurement(name=Code(*VOLUME), value=round(ml, 3), unit=Code(*MILLILITRE))],
    )
