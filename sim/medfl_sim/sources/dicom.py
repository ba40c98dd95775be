"""DICOM files, as a hospital has them."""

from medfl_client.dicom.reader import DicomReader
from medfl_sim.sources import SOURCES

SOURCES.register("dicom")(DicomReader)
