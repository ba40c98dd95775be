"""The hours in which a site takes up tasks: policy rule P11."""

from collections.abc import Callable
from datetime import datetime, time

from medfl_client.config.rules import RULES


def is_within(hours: str, now: time) -> bool:
    """Say whether a time of day is in `any` or in hours such as 20:00-06:00, the end left out."""
    if hours == "any":
        return True
    start, end = (time.fromisoformat(part) for part in hours.split("-"))
    return start <= now < end if start < end else now >= start or now < end


class OpenHours:
    """Says whether the site takes up tasks now, and tells a person when that changes.

    Args:
        hours: As in the policy.
        tell: Takes a line for the eyes of the site.
        clock: Gives the local time.
    """

    def __init__(
        self, hours: str, tell: Callable[[str], None], clock: Callable[[], datetime] = datetime.now
    ) -> None:
        self._hours, self._tell, self._clock = hours, tell, clock
        self._was_open = True

    def __call__(self) -> bool:
        """Say whether tasks are taken up now."""
        is_open = is_within(self._hours, self._clock().time())
        if is_open != self._was_open:
            self._was_open = is_open
            words = f"policy.hours {self._hours} ({RULES['hours'][0]})"
            until = self._hours.split("-")[0]
            if is_open:
                self._tell(f"within {words} again; tasks are taken up")
            else:
                self._tell(f"outside {words}; tasks wait until {until}")
        return is_open
