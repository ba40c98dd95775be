"""Letters stand for sites where a page may be published."""

from collections.abc import Sequence


def letters_of(names: Sequence[str]) -> dict[str, str]:
    """Assign each site a letter, or a number from the 27th on, in the roster's order."""
    return {n: f"site {chr(65 + i) if i < 26 else i + 1}" for i, n in enumerate(names)}
