"""What people do in a hospital's console; each action calls what the command of its name calls."""

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medfl_client.audit.records import as_csv, read_ledger
from medfl_client.config.studies import running_state
from medfl_client.connection.running import start_client, stop_client
from medfl_client.console import kept
from medfl_client.console.hospital import OWN, Hospital, Study
from medfl_client.console.pages import APPROVE, subject_of
from medfl_client.console.records import Chains
from medfl_client.console.roles import BOTH, MANAGER, OF_DATA, OF_SECURITY, OFFICER, RESPONSIBLE
from medfl_client.console.waiting import Plans
from medfl_client.console.work import Work, Works
from medfl_common.console.actions import DONE
from medfl_common.console.doors import Visitor
from medfl_common.console.live import LOOK_S
from medfl_common.console.offered import Action, Args, Done, Download, Note
from medfl_common.console.two_persons import TwoPersons
from medfl_common.errors import ConfigError, RunError
from medfl_common.visible import visible

UNCHANGED = "nothing was changed"
File = tuple[bytes, str, str]  # bytes, media type, name
Act = Callable[[Args, Args, Visitor], Done]


class Acts:
    """Gives the actions.

    Args:
        hospital: On what they act.
        works: Long work under way.
        plans: Plans in words, as they were shown.
        words: First words of two persons.
        note: Writes a line of the record of actions.
        chains: Whether records are whole, as the last look said.
    """

    def __init__(
        self, hospital: Hospital, works: Works, plans: Plans, words: TwoPersons, note: Note,
        chains: Chains,
    ) -> None:  # fmt: skip
        self._hospital, self._works, self._plans, self._words = hospital, works, plans, words
        self._note, self._chains = note, chains

    def all(self) -> list[Action]:
        """List them."""
        of = "/study/{study}"
        return [
            Action("/join/begin", "join", self._join, OF_DATA, lambda args: "/join/", ()),
            Action("/join/answer", "answer", self._answer, OF_DATA, lambda args: "/join/", ()),
            Action("/join/stop", "stop work", self._stop, OF_DATA, lambda args: "/join/", ()),
            self._on_data(f"{of}/look", "look at the data", self._begin("look"), ("every",)),
            self._on_data(f"{of}/describe", "describe the data", self._begin("data")),
            self._on_data(f"{of}/doctor", "doctor", self._begin("doctor")),
            self._on_data(f"{of}/answer", "answer", self._answer, ("answer",)),
            self._on_data(f"{of}/stop", "stop work", self._stop),
            Action(f"{of}/approve", "approve", self._approve, (MANAGER, OFFICER, BOTH),
                   lambda args: f"/study/{args['study']}/plan/", ("plan_hash",)),
            Action(f"{of}/budget", "confirm the budget", self._budget, OF_SECURITY,
                   lambda args: f"/study/{args['study']}/plan/", ("shown",)),
            Action(f"{of}/start", "start the client", self._start, OF_DATA, _client),
            Action(f"{of}/pause", "pause the client", self._pause, OF_DATA, _client),
            Action(f"{of}/withdraw", "withdraw", self._withdraw, OF_SECURITY, _client),
            Action(f"{of}/verify", "verify the records", self._verify, OF_SECURITY, _left),
            Action(f"{of}/write-audit", "write the audit page", self._audit, OF_SECURITY, _left),
        ]  # fmt: skip

    def downloads(self) -> list[Download]:
        """List the files that can be read."""
        of = "/study/{study}"
        page = "text/html; charset=utf-8"

        def shown(path_of: Callable[[Study], Path]) -> Callable[[Args, Visitor], Any]:
            return lambda args, visitor: _file(path_of(self._hospital.study(args["study"])), page)

        return [
            Download(f"{of}/ledger.csv", self._ledger),
            Download(f"{of}/readiness", shown(lambda s: s.files.readiness), True, RESPONSIBLE),
            Download(f"{of}/audit", shown(lambda s: s.files.audit), True, OF_SECURITY),
            Download(f"{of}/explain", shown(lambda s: s.files.explanations), True, RESPONSIBLE),
            Download(f"{of}/predictions", self._predictions, roles=RESPONSIBLE),
            Download(f"{of}/picture/{{name:path}}", self._picture, True, RESPONSIBLE),
        ]

    @staticmethod
    def _on_data(path: str, what: str, act: Act, noted: tuple[str, ...] = ()) -> Action:
        return Action(path, what, act, OF_DATA, lambda args: f"/study/{args['study']}/work/", noted)

    # Long work.

    def _join(self, args: Args, form: Args, visitor: Visitor) -> Done:
        text = form.get("invitation", "").strip()
        if not text:
            raise ConfigError("there is no invitation in the form", todo="paste the whole file")
        folder = self._hospital.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _on(self._works.begin("join", folder, _by(visitor), {"invitation": text}))

    def _begin(self, what: str) -> Act:
        def begin(args: Args, form: Args, visitor: Visitor) -> Done:
            folder = self._hospital.study(args["study"]).folder
            more = {"every": form.get("every", "") == "yes"}
            return _on(self._works.begin(what, folder, _by(visitor), more))

        return begin

    def _answer(self, args: Args, form: Args, visitor: Visitor) -> Done:
        text = form.get("answer", "").strip()
        work = self._work(args)
        work.answer(number_of(form.get("n", "")), text)
        return _on(work)

    def _stop(self, args: Args, form: Args, visitor: Visitor) -> Done:
        self._work(args).stop()
        return Done("It was stopped; what it has written is whole.")

    def _work(self, args: Args) -> Work:
        folder = self._hospital.study(args.get("study", OWN)).folder
        work = self._works.newest(folder)
        if work is None or work.is_over:
            raise RunError("no work is under way", data=UNCHANGED)
        return work

    # What a person decides.

    def _approve(self, args: Args, form: Args, visitor: Visitor) -> Done:
        study = self._hospital.study(args["study"])
        seen = self._plans.of(study)
        if seen is None or seen.facts is None:
            raise ConfigError("the plan is not read yet", todo="wait until the page shows it")
        facts = seen.facts
        _check_typed(form, str(facts["study"]))
        if (form.get("plan_hash"), form.get("group", "")) != (facts["plan_hash"], facts["group"]):
            raise ConfigError(
                "another plan, or another group of hospitals, came while you read",
                todo="read it, and approve that one", data=UNCHANGED,
            )  # fmt: skip
        by = self._who_approves(study, facts, visitor)
        if not by:
            other = OFFICER if visitor.role == MANAGER else MANAGER
            return Done(f"Your word is noted. The plan is approved once the {other} has agreed.")
        more = {"plan_hash": facts["plan_hash"], "group": facts["group"]}
        self._works.do("approve", study.folder, by, **more)
        what = f"{facts['study']}, plan {str(facts['plan_hash'])[:12]}"
        return Done(f"Approved: {what}. Withdraw, on the page Client, takes it back.")

    def _who_approves(self, study: Study, facts: Mapping[str, Any], visitor: Visitor) -> str:
        """Name who approves; empty: a second person has to agree."""
        site = study.site
        if site is None:
            raise ConfigError(
                "site.yaml cannot be read, so nobody knows whether one person approves or two",
                todo="put it right; medfl-client doctor says what is wrong in it", data=UNCHANGED,
            )  # fmt: skip
        if not site.policy.two_persons:
            if visitor.role not in OF_SECURITY:
                raise ConfigError(
                    f"the {OFFICER} approves plans here", todo="ask that person", data=UNCHANGED
                )
            return _by(visitor)
        both = self._words.agree(APPROVE, subject_of(facts), visitor)
        return "" if both is None else " and ".join(f"{w.who} ({w.role})" for w in both)

    def _budget(self, args: Args, form: Args, visitor: Visitor) -> Done:
        """Raise the budget to what the person read, and to nothing else."""
        shown = form.get("shown", "")
        if not shown:
            raise ConfigError(
                "the form does not say which budget was shown", todo="press the button of the page",
                data=UNCHANGED,
            )  # fmt: skip
        folder = self._hospital.study(args["study"]).folder
        return Done(str(self._works.do("budget", folder, _by(visitor), shown=shown)["said"]))

    def _start(self, args: Args, form: Args, visitor: Visitor) -> Done:
        process = start_client(self._hospital.folder)
        return Done(f"The client runs now, process {process}. It goes on when this page is closed.")

    def _pause(self, args: Args, form: Args, visitor: Visitor) -> Done:
        if not self._hospital.process:
            raise RunError("no client runs here", data=UNCHANGED)
        stop_client(running_state(self._hospital.folder), lambda line: None)
        return Done("The client has ended. Studies go on without this hospital until it starts.")

    def _withdraw(self, args: Args, form: Args, visitor: Visitor) -> Done:
        study = self._hospital.study(args["study"])
        _check_typed(form, study.name)
        return Done(str(self._works.do("withdraw", study.folder, _by(visitor))["said"]))

    def _verify(self, args: Args, form: Args, visitor: Visitor) -> Done:
        study = self._hospital.study(args["study"])
        self._chains.forget(study)  # the page looks again, too
        return Done(str(self._works.do("verify", study.folder)["said"]))

    def _audit(self, args: Args, form: Args, visitor: Visitor) -> Done:
        return Done(
            str(self._works.do("audit", self._hospital.study(args["study"]).folder)["said"])
        )

    # Files.

    def _ledger(self, args: Args, visitor: Visitor) -> File:
        entries = read_ledger(self._hospital.study(args["study"]).folder)
        found = as_csv(entries).encode(), "text/csv; charset=utf-8", "ledger.csv"
        return self._saved("save the ledger", found, args, visitor)

    def _predictions(self, args: Args, visitor: Visitor) -> File:
        path = self._hospital.study(args["study"]).files.predictions
        found = _file(path, "text/csv; charset=utf-8")
        return self._saved("save the predictions", found, args, visitor)

    def _saved(self, what: str, found: File, args: Args, visitor: Visitor) -> File:
        """Give a file once the record has a line of it; raises RunError where it takes none."""
        facts = {"study": args["study"], "action": secrets.token_hex(8), "result": DONE}
        self._note(visitor, what, facts)
        return found

    def _picture(self, args: Args, visitor: Visitor) -> File:
        path = kept.picture(self._hospital.study(args["study"]), args["name"])
        return _file(path, "image/png")


def _file(path: Path, kind: str) -> File:
    try:
        return path.read_bytes(), kind, path.name
    except FileNotFoundError:
        raise KeyError(path.name) from None


def number_of(text: str) -> int:
    """Read a question's number; 0: it is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _on(work: Work) -> Done:
    """Go on at once to where the work is followed, when it asks, or has been at it for a moment."""
    work.settle()
    time.sleep(LOOK_S)  # so that the page looks again, and shows what is asked now
    return Done("")


def _by(visitor: Visitor) -> str:
    """Name a person as records do."""
    return f"{visitor.who} (console)"


def _check_typed(form: Args, name: str) -> None:
    if form.get("typed", "").strip() != name:
        raise ConfigError(
            f"what was typed is not the study's name, {visible(name)}",
            todo="type it as it stands there", data=UNCHANGED,
        )  # fmt: skip


def _client(args: Args) -> str:
    return f"/study/{args['study']}/client/"


def _left(args: Args) -> str:
    return f"/study/{args['study']}/left/"
