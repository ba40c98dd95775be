"""A reason why a file takes no part: its sentence stays here, its code may be counted elsewhere."""

from typing import Self

from medfl_common.metrics.participants import Reason


class CodedReason(str):
    """A sentence for the people of the site, with the code of what it says."""

    __slots__ = ("code",)
    code: Reason

    def __new__(cls, sentence: str, code: Reason = "other") -> Self:
        """Join sentence and code."""
        own = super().__new__(cls, sentence)
        own.code = code
        return own


def code_of(reason: str) -> Reason:
    """Give the code of a reason; one that has none is another reason."""
    return reason.code if isinstance(reason, CodedReason) else "other"
