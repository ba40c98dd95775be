"""The errors of medfl, and the codes under which they cross to the coordinator.

    MedflError              E900  anything not foreseen
     |- ConfigError         E100  a plan, a site file or a command line is wrong
     |- DataError           E200  the site's images or labels cannot serve this plan
     |- TrainingError       E300  training or scoring failed
     |- DisclosureError     E400  the guard or the policy held something back
     |- NotApprovedError    E410  the hospital has not approved this plan
     |- WithdrawnError      E420  the hospital has withdrawn from this study
     |- SecondRunError      E430  a plan that ran here asks for a second run
     |- QuestionError       E440  the coordinator asks what the plan does not need
     |- BudgetError         E450  an answer would cost more privacy than is left
     |- SumError            E460  what is asked would show less than a sum of hospitals
     |- LinkError           E500  the connection, a key or a certificate is wrong
     |- NoStartError        E510  the site lacks the weights that are sent once
     |- SimulatedAbsenceError E520  a simulation keeps the site away from a round
     |- ForeignTaskError    E530  a task does not carry the signature of this study's coordinator
     |- RunError            E600  a run directory, checkpoint or log is wrong
     '- DiskFullError       E610  a disk takes no more

An error has fields: what is wrong, what to do, who does it, what became of the data. Nobody
parses its sentence. Only `cli.py` catches errors: it prints the fields and exits with `status`.

The fields are for the eyes at their own end. What crosses from a hospital is the number of the
code and an incident number, and the coordinator reads the fixed sentence in `CODES`.
"""

import secrets
from dataclasses import dataclass
from typing import Literal

Who = Literal["", "you", "your IT department", "the coordinator", "the hospital"]  # acts


class MedflError(Exception):
    """Something a person can act on.

    Args:
        what: What is wrong, with the value seen.
        todo: What to do about it; empty where nothing can be done, or `what` says enough.
        who: Who does it; "you", who reads this, if not given.
        data: What became of the data, such as "nothing was sent".
    """

    code = 900
    rule = ""  # of the hospital's policy that refused, such as P3; it stays at the hospital
    status = 1  # with which a command ends

    def __init__(self, what: str, *, todo: str = "", who: Who = "", data: str = "") -> None:
        super().__init__(what)
        self.what, self.todo, self.data = what, todo, data
        self.who: Who = who or ("you" if todo else "")

    def __str__(self) -> str:
        """Join the fields into one line, for screens and logs."""
        return "; ".join(filter(None, (self.what, self.data, self.todo)))


class ConfigError(MedflError):
    """A plan, a site file or a command line is wrong."""

    code = 100


class DataError(MedflError):
    """The site's images or labels cannot serve this plan."""

    code = 200


class TrainingError(MedflError):
    """Training or scoring failed."""

    code = 300


class DisclosureError(MedflError):
    """The guard or the site's policy held something back."""

    code = 400


class NotApprovedError(MedflError):
    """The hospital has not approved this plan; asked again later, it may have."""

    code = 410


class WithdrawnError(MedflError):
    """The hospital has withdrawn from this study."""

    code = 420


class SecondRunError(MedflError):
    """The plan ran at the hospital before; a second run needs a second approval."""

    code = 430


class QuestionError(MedflError):
    """The coordinator asks more often than the plan needs, or something else than it says."""

    code = 440


class BudgetError(MedflError):
    """An answer would cost more privacy than the hospital's budget has left."""

    code = 450


class SumError(MedflError):
    """What is asked would show less than a sum of hospitals, or goes against the protocol."""

    code = 460


class LinkError(MedflError):
    """The connection, a key or a certificate is wrong."""

    code = 500


class NoStartError(MedflError):
    """The site lacks the weights that are sent once; the coordinator sends them again."""

    code = 510


class SimulatedAbsenceError(MedflError):
    """A simulation keeps the site away from a round, as its scenario asks."""

    code = 520


class ForeignTaskError(MedflError):
    """A task does not carry the signature of this study's coordinator."""

    code = 530


class RunError(MedflError):
    """A run directory, a checkpoint or a log is wrong."""

    code = 600


class DiskFullError(MedflError):
    """A disk, or this user's part of it, takes no more."""

    code = 610


@dataclass(frozen=True)
class Code:
    """What the coordinator reads where a hospital's task ended with this code."""

    meaning: str
    who: Who
    todo: str


CODES = {
    100: Code(
        "its site file does not fit this plan",
        "the hospital",
        "correct site.yaml, or agree on another plan",
    ),
    200: Code(
        "its images or labels are not ready for this plan",
        "the hospital",
        "run medfl-client index and correct what it lists",
    ),
    300: Code(
        "training or scoring failed there",
        "the hospital",
        "look the incident up; a smaller batch or another compute.device may help",
    ),
    400: Code(
        "its policy or its guard held the reply back",
        "the hospital",
        "change the policy if the hospital agrees, or agree on another plan",
    ),
    410: Code(
        "the plan is not approved there yet (medfl-client approve)",
        "the hospital",
        "read the plan and run medfl-client approve",
    ),
    420: Code(
        "the site has withdrawn from this study",
        "the hospital",
        "run medfl-client approve if it wants to come back",
    ),
    430: Code(
        "the plan ran there before; a second run needs a second approval (medfl-client approve)",
        "the hospital",
        "run medfl-client approve again, or let the coordinator go on with the first run",
    ),
    440: Code(
        "it was asked for more than the plan needs, for something else than the plan says, or "
        "under another name than its own",
        "the coordinator",
        "ask the hospital what its client says; its name here is to be the one in its site.yaml; "
        "if the run was put back from a copy, it may approve the plan again",
    ),
    450: Code(
        "its privacy budget is spent",
        "the hospital",
        "the study goes on without it; the hospital alone may raise its budget",
    ),
    460: Code(
        "it refused its part of a secure sum: what was asked would show less than a sum",
        "the coordinator",
        "ask the hospital what its client says; the group of hospitals or a list may have changed",
    ),
    500: Code(
        "its connection, key or certificate is wrong",
        "the hospital",
        "run medfl-client doctor",
    ),
    510: Code("it lacks the study's initial weights", "", "the coordinator sends them again"),
    520: Code("the scenario kept it away", "", "it is part of the simulation"),
    530: Code(
        "the task that arrived there does not carry this study's signature",
        "you",
        "compare the study key's fingerprint with the hospital by telephone: somebody on the way "
        "may change messages",
    ),
    600: Code(
        "its local records of this run are damaged",
        "the hospital",
        "run medfl-client audit verify, and put the damaged file aside as evidence",
    ),
    610: Code(
        "a disk there is full",
        "the hospital",
        "make room in the folder that medfl-client names; it goes on by itself",
    ),
    900: Code(
        "something unforeseen happened there",
        "the hospital",
        "look the incident up in state/incidents.jsonl and report it",
    ),
}
MEANING = {number: code.meaning for number, code in CODES.items()}


def code_of(error: BaseException) -> int:
    """Give the number under which an error may cross to the coordinator."""
    return error.code if isinstance(error, MedflError) else MedflError.code


def kind_of(code: int) -> str:
    """Say in one sentence what kind of error has a code, quoting nothing."""
    kinds = {kind.code: kind.__doc__ or "" for kind in MedflError.__subclasses__()}
    return kinds.get(code, "Something unforeseen happened.").splitlines()[0]


ASK = "; ask the site to look up incident "


def explain_code(code: int, incident: int) -> str:
    """Say at the coordinator what a code means and whom to ask."""
    meaning = MEANING.get(code, MEANING[900])
    return f"{meaning} (MEDFL-E{code}){ASK}{incident}"


def new_incident() -> int:
    """Draw the number that joins a code at the coordinator to a local log line, 1e8..1e9-1."""
    return 100_000_000 + secrets.randbelow(900_000_000)


def reason_of(error: Exception, otherwise: str) -> str:
    """Say why: in our words, in the system's, or `otherwise`; never in Python's."""
    if isinstance(error, MedflError):
        return error.what
    return system_reason(error) if isinstance(error, OSError) else otherwise


def system_reason(error: OSError) -> str:
    """Give the system's own words for what it refused, without the file's name."""
    timed_out = "no answer in time" if isinstance(error, TimeoutError) else "no reason given"
    return error.strerror or timed_out
