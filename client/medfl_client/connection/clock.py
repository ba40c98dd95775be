"""Does this computer's clock agree with the coordinator's? One rule, for `run` and `doctor`.

Flower refuses a request with a signature 5 s or more in its future, or 305 s or more in its past.
medfl measures the difference from the Date header, which has whole seconds only.
"""

MAX_AHEAD_S, MAX_BEHIND_S = 4.5, 300.0
NOTICEABLE_S = 2.0  # below it, the difference may be the measurement's


def is_accepted(ahead_s: float) -> bool:
    """Say whether Flower accepts requests from a clock this far ahead of the coordinator's."""
    return -MAX_BEHIND_S < ahead_s < MAX_AHEAD_S


def is_close_to_limit(ahead_s: float) -> bool:
    """Say whether Flower may soon refuse a clock that it accepts now."""
    return not -MAX_BEHIND_S / 5 < ahead_s < MAX_AHEAD_S / 2


def difference_in_words(ahead_s: float) -> str:
    """Say how this clock differs from the coordinator's, and how far it may differ."""
    if abs(ahead_s) <= NOTICEABLE_S:
        return f"the same time as the coordinator's, within {NOTICEABLE_S:g} s"
    way = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"{abs(ahead_s):,.0f} s {way} the coordinator's; 5 s ahead or {MAX_BEHIND_S / 60:.0f} min "
        "behind is too much"
    )
