"""What a coordinator does by buttons: each calls what the command of its name calls."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from medfl_common.console.doors import Visitor
from medfl_common.console.offered import Action, Args, Done
from medfl_common.errors import ConfigError
from medfl_common.files import holder
from medfl_common.plan.bounds import Value
from medfl_server.console.apart import amend_apart
from medfl_server.console.handed_out import HandedOut
from medfl_server.console.pages import Studies
from medfl_server.roster.roles import Role
from medfl_server.steering import course, hospitals
from medfl_server.steering.invitation import invite
from medfl_server.study.run_directory import open_study

COORDINATOR = "coordinator"
MOST_REASON = 200  # characters
MOST_DIGITS = 9  # of a number in a form
Act = Callable[[Args, Args, Visitor], Done]


class Change(NamedTuple):
    """A change of a study's plan that a person looks at before it is made."""

    study: str
    settings: dict[str, Value]
    before: str  # hash of the plan that it was made for


class File(NamedTuple):
    """An invitation that waits to be saved."""

    study: str
    name: str
    content: bytes


def page_of(study: str, *more: str) -> str:
    """Give a study's page, or one below it."""
    return "/".join(["/study", quote(study, safe=""), *(quote(one, safe="") for one in more)])


class Acts:
    """The coordinator's actions.

    Args:
        studies: Which there are.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self.changes: HandedOut[Change] = HandedOut()
        self.files: HandedOut[File] = HandedOut()

    @property
    def offered(self) -> Sequence[Action]:
        """List the actions."""
        of_study = [
            ("pause", self.pause, ("reason", "now")), ("resume", self.resume, ()),
            ("stop", self.stop, ("reason",)), ("look-at-change", self.look, ("settings", "rounds")),
        ]  # fmt: skip
        of_roster = [
            ("enrol", self.enrol, ("name", "role", "images", "replace")),
            ("compare", self.compare, ("name", "fingerprint")),
            ("revoke", self.revoke, ("name", "reason")),
        ]
        of_invitations = [
            ("invite", self.invite, ("name", "role", "days")),
            ("admit", self.admit, ("name", "fingerprint", "replace")),
        ]
        return [
            *(_action(name, act, noted, "") for name, act, noted in of_study),
            *(_action(name, act, noted, "roster") for name, act, noted in of_roster),
            *(_action(name, act, noted, "invitations") for name, act, noted in of_invitations),
            Action(
                "/study/{study}/plan/{change}/make", "amend", self.amend, (COORDINATOR,),
                lambda args: f"{page_of(args['study'])}/",
            ),
        ]  # fmt: skip

    def pause(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Let a study rest."""
        said = course.pause(
            self._folder(args), form.get("reason", ""), form.get("now") == "yes", _by(visitor)
        )
        return Done(sentences(said))

    def resume(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """End a pause; a study that no program runs is started by its command."""
        folder = self._folder(args)
        said, goes_on = course.resume(folder)
        said = said or ["the study was not paused"]
        if not goes_on and not holder(folder):
            said.append(f"no program runs it; this starts it: medfl-server run {folder}")
        return Done(sentences(said))

    def stop(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """End a study with the best model so far."""
        folder = self._folder(args)
        _check_typed(form, open_study(folder).plan.study, "the study's name")
        if not form.get("reason", "").strip():
            raise ConfigError("no reason is given", todo="say why the study ends; hospitals see it")
        return Done(sentences(course.stop(folder, form["reason"], _by(visitor))))

    def look(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Check a change of the plan, and show what it changes; nothing is changed."""
        from medfl_server.study.plan_text import settings_in, with_settings

        plan = open_study(self._folder(args)).plan
        lines = form.get("settings", "").split("\n")
        settings = settings_in([line.strip() for line in lines if line.strip()])
        if form.get("rounds"):
            n_more = _number(form["rounds"], "rounds")
            settings["federation.rounds"] = plan.federation.rounds + (n_more or 0)
        if not settings:
            raise ConfigError("no setting is given", todo="write how many rounds, or a setting")
        with_settings(plan, settings)  # raises where a plan may not say so
        token = self.changes.put(Change(args["study"], settings, plan.hash()), visitor.who)
        todo = "Nothing is changed yet: look at what would be, and confirm it."
        return Done(todo, page_of(args["study"], "plan", token))

    def amend(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Make the change that was looked at."""
        change, folder = self.changes.get(args["change"], visitor.who), self._folder(args)
        if change.study != args["study"]:
            raise KeyError(args["change"])
        said = amend_apart(folder, change.settings, _by(visitor), change.before)
        self.changes.take(args["change"], visitor.who)
        return Done(sentences(said))

    def enrol(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Enrol a hospital by the two public lines that it sent."""
        said = hospitals.enrol(
            self._folder(args), form.get("name", "").strip(), form.get("keys", ""),
            _number(form.get("images", ""), "images"), form.get("replace") == "yes",
            _role(form), _by(visitor),
        )  # fmt: skip
        return Done(sentences(said))

    def compare(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Note that this person has compared a fingerprint by telephone."""
        if form.get("same") != "yes":
            raise ConfigError(
                "the tick is missing", todo="have the hospital read its fingerprint; if it is the "
                "same, tick that it is", data="nothing was noted",
            )  # fmt: skip
        seen = form["fingerprint"]
        if not seen:
            raise KeyError("fingerprint")
        said = hospitals.compare(self._folder(args), form["name"], _by(visitor), seen)
        return Done(sentences(said))

    def revoke(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Put a hospital out."""
        name = form.get("name", "")
        _check_typed(form, name, "the hospital's name")
        why = form.get("reason", "").strip()[:MOST_REASON]
        if not why:
            raise ConfigError("a reason is missing", todo="write one", data="nothing was changed")
        return Done(sentences(hospitals.revoke(self._folder(args), name, _by(visitor), why)))

    def admit(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Enrol a hospital that asks to join, once its fingerprint is compared."""
        if form.get("same") != "yes":
            raise ConfigError(
                "the tick is missing", todo="have the hospital read its fingerprint; if it is the "
                "same, tick that it is", data="the hospital is not admitted",
            )  # fmt: skip
        said = hospitals.admit(
            self._folder(args), form["name"], form["fingerprint"],
            _number(form.get("images", ""), "images"), form.get("replace") == "yes", True,
            _by(visitor),
        )  # fmt: skip
        return Done(sentences(said))

    def invite(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Make an invitation, whose file the same person saves within a quarter of an hour."""
        name, days = form.get("name", "").strip(), _number(form.get("days", ""), "days") or 14
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "invitation"
            invite(
                self._folder(args), name, path, days, form.get("address", "").strip(),
                role=_role(form), by=_by(visitor),
            )  # fmt: skip
            content = path.read_bytes()
        token = self.files.put(File(args["study"], name, content), visitor.who)
        return Done(
            f"The invitation of {name} is made. Save its file now: it is gone after a quarter of "
            f"an hour. Send it to {name} alone, in a way that nobody else reads: who has it can "
            f"join as {name}, once.",
            page_of(args["study"], "invitation", token),
        )

    def _folder(self, args: Args) -> Path:
        return self._studies.followed(args["study"]).folder


def sentences(said: Sequence[str]) -> str:
    """Join a command's lines into sentences; what begins with a command or setting stays so."""
    told = (line[:1].upper() + line[1:] if line.split(" ")[0].isalpha() else line for line in said)
    return " ".join(f"{line.rstrip('.:')}." for line in told if line)


def _action(name: str, act: Act, noted: Sequence[str], page: str) -> Action:
    below = [page] if page else []
    return Action(
        f"/study/{{study}}/{name}", name, act, (COORDINATOR,),
        lambda args: page_of(args["study"], *below) + ("" if page else "/"), noted,
    )  # fmt: skip


def _by(visitor: Visitor) -> str:
    return f"{visitor.who} (console)"


def _check_typed(form: Args, name: str, what: str) -> None:
    if form.get("typed", "").strip() != name or not name:
        raise ConfigError(
            f"what was typed is not {what}", todo=f"type {name} to confirm",
            data="nothing was changed",
        )  # fmt: skip


def _number(text: str, what: str) -> int | None:
    """Read a whole number; None: nothing was written."""
    if not text.strip():
        return None
    is_number = text.strip().isdecimal() and len(text.strip()) <= MOST_DIGITS and int(text) > 0
    if not is_number:
        raise ConfigError(
            f"{what}: {text[:40]!r} is no whole number above 0 of at most {MOST_DIGITS} digits",
            todo="write digits",
        )
    return int(text)


def _role(form: Args) -> Role:
    return "evaluate" if form.get("role") == "evaluate" else "train"
