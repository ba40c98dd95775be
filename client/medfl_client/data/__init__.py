"""From a folder of DICOM files and labels to the batches that training takes."""
