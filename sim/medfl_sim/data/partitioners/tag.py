"""One virtual hospital per value of a DICOM element: the scanner, the station, the institution."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator
from pydicom.datadict import dictionary_VR, tag_for_keyword

from medfl_client.data.dicom.reading import read_header
from medfl_common.errors import ConfigError, DataError
from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, by_value

PATIENT = 0x0010  # the group of elements about the patient
HARMLESS = ("PatientSex", "PatientAge")  # of that group
# Outside it: numbers of a visit or an order; names, unique numbers, days and times, free text.
OF_A_VISIT = (
    "AccessionNumber", "StudyID", "AdmissionID", "ServiceEpisodeID", "RequestedProcedureID",
    "ScheduledProcedureStepID", "PerformedProcedureStepID",
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
)  # fmt: skip
TELLING = ("PN", "UI", "DA", "TM", "DT", "LT", "ST", "UT")


def _usable(keyword: str) -> str:
    """Refuse an unknown element, and one that could make a person's name a site's name."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError("write the keyword of a DICOM element, such as Manufacturer (PS3.6)")
    tells_who = tag >> 16 == PATIENT and keyword not in HARMLESS
    if tells_who or keyword in OF_A_VISIT or dictionary_VR(tag) in TELLING:
        raise ValueError(
            "it may say who a person is, and a site's name stands in logs and pages; take "
            "one such as Manufacturer or StationName"
        )
    return keyword


@PARTITIONERS.register("tag")
class ByTag(Settings):
    """Group images by an element of their header, such as StationName or KVP.

    A patient with several values goes, whole, to the most frequent one.
    """

    tag: Annotated[str, AfterValidator(_usable)]
    """The keyword of a DICOM element (PS3.6), such as Manufacturer."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = False

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Read the element from every image's file; a file without it counts as `empty`."""
        read = dict.fromkeys(table.files, "")
        for path in read:
            try:
                found = read_header(path, self.tag).get(self.tag)
            except DataError:
                raise ConfigError(
                    f"the partition by {self.tag} reads DICOM headers; these images are not DICOM"
                ) from None
            read[path] = "" if found is None else str(found).strip()
        return by_value(table, [read[path] for path in table.files], self.tag)
