"""DICOM files, as a hospital has them."""

from medfl_client.data.reader import DicomReader
from medfl_sim.data.sources import SOURCES

SOURCES.register("dicom")(DicomReader)
