"""One spelling for paths that a list and a disk may write in two."""

import unicodedata


def composed(path: str) -> str:
    """Give a path with each accent in its letter (NFC): some disks and archives keep them apart."""
    return unicodedata.normalize("NFC", path)
