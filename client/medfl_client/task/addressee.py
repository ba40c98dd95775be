"""For which of the hospital's studies a message is: the one whose study key has signed it.

It is answered with that study's site file, approvals, questions, data and ledger, and no other's.
The signature itself, and the whole task, are checked afterwards, against the same key.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flwr.app import Context, RecordDict

from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.config.studies import check_goes_with, study_folders
from medfl_client.connection.study_key import check_one_authority, known_study_key
from medfl_client.connection.task_key import signer_of
from medfl_client.data.ingest import Watch
from medfl_client.task.handler import Tell
from medfl_client.task.reading_ahead import ReadingAhead
from medfl_client.task.session import Session
from medfl_client.task.site import Site, open_site
from medfl_common.errors import LinkError, MedflError


@dataclass(frozen=True)
class Addressee:
    """Who answers a message: the hospital in one study."""

    site: Site
    session: Session  # what this process keeps of the study between tasks
    tell: Tell  # takes a line of the study's work for the eyes of the site


Find = Callable[[RecordDict, Context], Addressee]


class OwnStudies:
    """The studies of a hospital's directory; one that it joins meanwhile is found, too.

    Args:
        folder: The hospital's directory.
        watch: Follows the reading of data.
        tell_of: Gives what takes the lines of a study, by its directory.
    """

    def __init__(self, folder: Path, watch: Watch | None, tell_of: Callable[[Path], Tell]) -> None:
        self._folder = folder
        self._watch = watch
        self._tell_of = tell_of
        self._open: dict[Path, Addressee] = {}
        self._ahead: list[ReadingAhead] = []
        self._marks: dict[Path, tuple[int, int]] = {}  # of each site file, as it was read
        self._open_new()

    def find(self, content: RecordDict) -> Addressee:
        """Give who answers a message; where no study has its key, the first, which refuses it."""
        line = signer_of(content)
        found = self._whose(line)
        if found is None and line:
            try:
                self._open_new()
            except MedflError as error:  # what a person is just writing costs no other study
                self.all[0].tell(str(error))
            found = self._whose(line)
        return self._with_policy(found or self.all[0])

    @property
    def all(self) -> list[Addressee]:
        """List them, the hospital's own directory first."""
        return [*self._open.values()]

    def read_ahead(self) -> None:
        """Begin to read the images of plans that were approved since; come back at once."""
        for ahead in self._ahead:
            ahead.look()

    def _whose(self, line: str) -> Addressee | None:
        for one in self._open.values():
            key, state = one.site.study_key, one.site.state
            with suppress(LinkError):  # a damaged ca.crt of one study costs no other
                if line and key and state and known_study_key(key.ca, state) == line:
                    return one
        return None

    def _with_policy(self, one: Addressee) -> Addressee:
        """Give who answers with the policy that its site file has now.

        Data are split by the role, so that stays till the client starts again, as the hours do.
        """
        folder = next(path for path, other in self._open.items() if other is one)
        mark = _mark(folder)
        if mark == self._marks[folder]:
            return one
        self._marks[folder] = mark
        try:
            policy = load_site_file(folder).policy
        except MedflError as error:
            one.tell(f"{error}. Until site.yaml is put right, the policy of before holds")
            return one
        policy = policy.model_copy(update={"role": one.site.policy.role})
        one = replace(one, site=replace(one.site, policy=policy))
        one.tell("site.yaml was changed; its policy holds from this task on")
        self._open[folder] = one
        return one

    def _open_new(self) -> None:
        home = load_site_file(self._folder)
        for folder in study_folders(self._folder):
            if folder in self._open:
                continue
            mark, site_file = _mark(folder), load_site_file(folder)
            if folder != self._folder:
                check_goes_with(folder, site_file, home)
                check_one_authority(folder, site_file, self._folder, home)
            tell = self._tell_of(folder)
            ahead = ReadingAhead(folder, site_file, self._watch, tell)
            site = open_site(folder, site_file, self._watch, ahead.wait)
            self._marks[folder] = mark
            self._open[folder] = Addressee(site, Session(), tell)
            self._ahead.append(ahead)


def _mark(folder: Path) -> tuple[int, int]:
    """Tell one content of a site file from another; zeros: it is not there."""
    try:
        facts = SiteFolder(folder).site_file.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size
