"""Pages that stand still, and files: roster, invitations, a change of the plan, reports."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfl_common.console.doors import Visitor
from medfl_common.console.offered import Args, Download, Page
from medfl_common.errors import MedflError, RunError
from medfl_common.ops.invitation import SUFFIX
from medfl_common.plan.differences import differences
from medfl_common.run.folder import RunFolder
from medfl_server.console.acts import COORDINATOR, Acts
from medfl_server.console.pages import Studies
from medfl_server.roster.comparisons import read_comparisons
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.invitations import State, states
from medfl_server.roster.ledgers import in_words, read_ledgers
from medfl_server.roster.study_key import study_fingerprint
from medfl_server.study.run_directory import open_study

WORDS: dict[State, str] = {
    "open": "open until {day}", "asks": "asks to join", "enrolled": "used; enrolled",
    "revoked": "used; its keys are revoked", "withdrawn": "withdrawn",
    "ended": "ended on {day}, unused",
}  # fmt: skip
FILES = {
    "report": ("Report", "report"), "harmony": ("How the hospitals' data differ", "heterogeneity"),
    "card": ("Model card", "model_card_page"),
    "dossier": ("What the study tells of persons", "dossier_page"),
}  # fmt: skip


class Reading:
    """What is read beside the pages that follow.

    Args:
        studies: Which there are.
        acts: What waits for a next step.
    """

    def __init__(self, studies: Studies, acts: Acts) -> None:
        self._studies, self._acts = studies, acts

    @property
    def pages(self) -> Sequence[Page]:
        """List the pages."""
        only = (COORDINATOR,)
        return [
            Page("/study/{study}/roster", "roster.html.j2", self.roster),
            Page("/study/{study}/invitations", "invitations.html.j2", self.invitations),
            Page("/study/{study}/plan/{change}", "change.html.j2", self.change, roles=only),
            Page("/study/{study}/invitation/{file}", "invited.html.j2", self.invited, roles=only),
        ]

    @property
    def downloads(self) -> Sequence[Download]:
        """List the files."""
        shown = [
            Download(f"/study/{{study}}/{name}", self._reader(place), is_shown=True)
            for name, (_, place) in FILES.items()
        ]
        file = "/study/{study}/invitation/{file}/save"
        return [*shown, Download(file, self.invitation, roles=(COORDINATOR,))]

    def files_of(self, study: str) -> list[tuple[str, str]]:
        """List a study's pages that are written: name in addresses, and title."""
        made = self._studies.followed(study).files
        return [(n, title) for n, (title, place) in FILES.items() if getattr(made, place).exists()]

    def roster(self, args: Args, visitor: Visitor) -> Mapping[str, Any]:
        """Show the hospitals, with fingerprints to compare by telephone."""
        folder = self._opened(args["study"])
        compared, heard = read_comparisons(folder), read_ledgers(folder)
        rows = [
            {
                "name": name, "fingerprint": site.fingerprint, "role": site.role,
                "images": site.max_images, "ledger": in_words(heard.get(name)),
                "compared": compared[name].in_words if name in compared else "",
            }
            for name, site in read_roster(folder).items()
        ]  # fmt: skip
        return {**args, "rows": rows, "study_key": study_fingerprint(folder)}

    def invitations(self, args: Args, visitor: Visitor) -> Mapping[str, Any]:
        """Show who was invited; those who ask first."""
        folder = self._opened(args["study"])
        enrolled = read_roster(folder)
        found = sorted(states(folder), key=lambda pair: pair[1] != "asks")
        rows = [
            {
                "name": one.site, "state": state, "role": one.role, "by": one.by,
                "fingerprint": one.fingerprint, "has_place": one.site in enrolled,
                "words": WORDS[state].format(day=time.strftime("%Y-%m-%d", time.gmtime(one.ends))),
            }
            for one, state in found
        ]  # fmt: skip
        return {**args, "rows": rows}

    def change(self, args: Args, visitor: Visitor) -> Mapping[str, Any]:
        """Show a change of the plan before it is made."""
        from medfl_server.study.plan_text import with_settings

        change = self._acts.changes.get(args["change"], visitor.who)
        if change.study != args["study"]:
            raise KeyError(args["change"])
        one = self._studies.followed(args["study"])
        plan = open_study(one.folder).plan
        changes = differences(plan, with_settings(plan, change.settings))
        is_running = one.state().is_running
        return {**args, "rows": changes, "is_running": is_running}

    def invited(self, args: Args, visitor: Visitor) -> Mapping[str, Any]:
        """Show where an invitation's file is saved from."""
        file = self._acts.files.get(args["file"], visitor.who)
        if file.study != args["study"]:
            raise KeyError(args["file"])
        return {**args, "name": file.name, "suffix": SUFFIX}

    def invitation(self, args: Args, visitor: Visitor) -> tuple[bytes, str, str]:
        """Give an invitation's file to who made it, for a quarter of an hour."""
        file = self._acts.files.get(args["file"], visitor.who)
        return file.content, "application/octet-stream", f"{file.name}{SUFFIX}"

    def _opened(self, study: str) -> Path:
        """Give a study's directory; RunError, naming no place of the machine, where it is none."""
        one = self._studies.followed(study)
        try:
            open_study(one.folder)
        except MedflError as error:
            what, todo, data = map(one.placed, (error.what, error.todo, error.data))
            raise RunError(what, todo=todo, data=data) from None
        return one.folder

    def _reader(self, place: str) -> Any:
        def read(args: Args, visitor: Visitor) -> tuple[bytes, str, str]:
            made: RunFolder = self._studies.followed(args["study"]).files
            path = getattr(made, place)
            if not path.exists():
                raise KeyError(place)
            return path.read_bytes(), "text/html; charset=utf-8", path.name

        return read
