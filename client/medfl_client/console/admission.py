"""Whether the coordinator knows this site: asked beside the pages, as `doctor` asks."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.folder import PUBLIC, home_of
from medfl_client.config.site_file import SiteFile
from medfl_client.doctor.enrolment import check_enrolment
from medfl_client.doctor.network import health_of
from medfl_common.errors import MedflError
from medfl_common.ops.checks import Finding, fail_for

AGAIN_S, KNOWN_S = 5.0, 300.0  # between two questions: of who is not admitted, and of who is


@dataclass(frozen=True)
class Answer:
    """What the coordinator says of a site, or why it says nothing."""

    finding: Finding
    is_waiting: bool = False  # it has these keys not admitted yet

    @property
    def is_admitted(self) -> bool:
        """Say whether it knows the keys."""
        return self.finding.state == "ok"


class Admission:
    """What the coordinator said last to the sites of a hospital."""

    def __init__(self) -> None:
        self._told: dict[Path, Answer] = {}
        self._asked: dict[Path, float] = {}
        self._lock = threading.Lock()

    def of(self, folder: Path, site: SiteFile | None) -> Answer | None:
        """Give what it said; None: nobody has asked yet, or there is nobody to ask.

        Asks again beside, now and then, while somebody looks.
        """
        if site is None or site.server is None or not (home_of(folder) / PUBLIC).exists():
            return None
        with self._lock:
            told, now = self._told.get(folder), time.monotonic()
            pause = KNOWN_S if told is not None and told.is_admitted else AGAIN_S
            if now - self._asked.get(folder, -KNOWN_S) > pause:
                self._asked[folder] = now
                threading.Thread(target=self._ask, args=(folder, site), daemon=True).start()
        return told

    def _ask(self, folder: Path, site: SiteFile) -> None:
        assert site.server is not None
        try:
            health = health_of(folder, site, site.server.address)
            found = Answer(check_enrolment(folder, health.enrolled), health.enrolled == "")
        except (MedflError, OSError) as error:
            found = Answer(fail_for(error, "ask the coordinator whether its program runs"))
        self._told[folder] = found
        self._asked[folder] = time.monotonic()
