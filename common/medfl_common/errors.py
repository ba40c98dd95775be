"""The errors of medfl, and the codes under which they cross to the coordinator.

    MedflError              E900  anything not foreseen
     |- ConfigError         E100  a plan, a site file or a command line is wrong
     |- DataError           E200  the site's images or labels cannot serve this plan
     |- TrainingError       E300  training or scoring failed
     |- DisclosureError     E400  the guard or the policy held something back
     |- NotApprovedError    E410  the hospital has not approved this plan
     |- WithdrawnError      E420  the hospital has withdrawn from this study
     |- LinkError           E500  the connection, a key or a certificate is wrong
     |- NoStartError        E510  the site lacks the weights that are sent once
     |- SimulatedAbsenceError E520  a simulation keeps the site away from a round
     '- RunError            E600  a run directory, checkpoint or log is wrong

Only `cli.py` catches them: it prints the message and exits 1. A message is for the eyes at its
own end. What crosses from a hospital is the number of the code and an incident number, and the
coordinator reads the fixed sentence in `MEANING`.
"""

import secrets


class MedflError(Exception):
    """Something a person can act on; the message says what, the value seen, and what to do."""

    code = 900
    rule = ""  # of the hospital's policy that refused, such as P3; it stays at the hospital


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


class LinkError(MedflError):
    """The connection, a key or a certificate is wrong."""

    code = 500


class NoStartError(MedflError):
    """The site lacks the weights that are sent once; the coordinator sends them again."""

    code = 510


class SimulatedAbsenceError(MedflError):
    """A simulation keeps the site away from a round, as its scenario asks."""

    code = 520


class RunError(MedflError):
    """A run directory, a checkpoint or a log is wrong."""

    code = 600


MEANING = {
    100: "its site file does not fit this plan",
    200: "its images or labels are not ready for this plan",
    300: "training or scoring failed there",
    400: "its policy or its guard held the reply back",
    410: "the plan is not approved there yet (medfl-client approve)",
    420: "the site has withdrawn from this study",
    500: "its connection, key or certificate is wrong",
    510: "it lacks the study's initial weights",
    520: "the scenario kept it away",
    600: "its local records of this run are damaged",
    900: "something unforeseen happened there",
}


def code_of(error: BaseException) -> int:
    """Give the number under which an error may cross to the coordinator."""
    return error.code if isinstance(error, MedflError) else MedflError.code


def explain_code(code: int, incident: int) -> str:
    """Say at the coordinator what a code means and whom to ask."""
    meaning = MEANING.get(code, MEANING[900])
    return f"{meaning} (MEDFL-E{code}); ask the site to look up incident {incident}"


def new_incident() -> int:
    """Draw the number that joins a code at the coordinator to a local log line, 1e8..1e9-1."""
    return 100_000_000 + secrets.randbelow(900_000_000)
