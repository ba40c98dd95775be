"""The images of an approved plan are read before its first task, which then need not wait.

It begins while no task is worked on, and never for a plan that is not approved. A task of the same
plan waits for its end: it would do the same work.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import SiteFile
from medfl_client.data.ingest import Watch, collect
from medfl_client.egress.approvals import approved, approved_plan
from medfl_client.egress.guard import permit
from medfl_client.egress.questions import newest_run
from medfl_common.errors import MedflError
from medfl_common.plan.plan import Plan
from medfl_common.ui.screen import for_people

LOOK_S = 2.0  # between looks for an approval


class ReadingAhead:
    """Reads a site's images for plans that are approved and were never asked about.

    Args:
        folder: The site's.
        site_file: Says where its images are.
        watch: Follows long pieces of work.
        tell: Takes a line for the eyes of the site.
    """

    def __init__(
        self, folder: Path, site_file: SiteFile, watch: Watch | None, tell: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._state = SiteFolder(folder).state
        self._site_file = site_file
        self._watch = watch
        self._tell = tell
        self._stamp = 0  # of the approvals, as last read
        self._looked = 0.0
        self._waiting: list[Plan] = []
        self._begun: set[str] = set()  # hashes
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin to read for a plan that was approved since, one at a time; come back at once."""
        now = time.monotonic()
        if now - self._looked < LOOK_S or (self._thread and self._thread.is_alive()):
            return
        self._looked = now
        self._find_approved()
        if self._waiting:
            plan = self._waiting.pop(0)
            self._begun.add(plan.hash())
            self._thread = threading.Thread(
                target=self._read, args=(plan,), name=plan.hash(), daemon=True
            )
            self._thread.start()

    def wait(self, plan: Plan) -> None:
        """Wait for the end of what is read for a plan."""
        if self._thread is not None and self._thread.name == plan.hash():
            self._thread.join()

    def _find_approved(self) -> None:
        """Read the approvals where they have changed; what is wrong with them, a task tells."""
        approvals = StateFolder(self._state).approvals
        stamp = approvals.stat().st_mtime_ns if approvals.exists() else 0
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            plans = [approved_plan(record) for record in approved(self._state)]
            self._waiting = [plan for plan in plans if self._is_new(plan)]
        except MedflError:
            self._waiting = []

    def _is_new(self, plan: Plan) -> bool:
        return plan.hash() not in self._begun and not newest_run(self._state, plan.hash())

    def _read(self, plan: Plan) -> None:
        policy = self._site_file.policy
        try:
            permit(plan, policy, "test" if policy.role == "evaluate" else "train")
            self._tell(f"reading the images for {plan.study}, whose plan is approved")
            data = self._site_file.data
            found = collect(self._folder, self._state, data, plan, self._watch)
            self._tell(f"{len(found.samples)} images are ready for the first round of {plan.study}")
        except (MedflError, OSError, sqlite3.Error) as error:
            why = for_people(error) or "its first task says why"
            self._tell(f"no images are ready for {plan.study}: {why}")
