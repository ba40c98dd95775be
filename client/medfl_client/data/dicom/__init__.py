"""DICOM files: their headers into an index, their pixels into arrays."""
