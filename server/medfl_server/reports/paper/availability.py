"""`data-availability.md`: a text for the paper's section on what others can get."""

from medfl_common import __version__
from medfl_common.ui.page import Section
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.words.data import SIMULATED, hidden

YOU = "[YOU WRITE THIS: {}]"


def availability_sections(facts: Facts) -> list[Section]:
    """Write one section each on images, the model, the code and the results."""
    return [
        Section("Images and labels", [
            _images(facts),
            YOU.format(
                "how to ask each hospital, who decides, and under which terms; data sets that are "
                "public, with their DOI"
            ),
        ]),
        Section("Model", [_model(facts), YOU.format("where the model is, and under which terms")]),
        Section("Code", [
            f"The study was made with medfl {__version__} (Apache-2.0) by the plan in plan.yaml, "
            f"SHA-256 {facts.plan.hash()}. The plan fixes every setting and seed.",
            YOU.format("the address of medfl's source and of your own code"),
        ]),
        Section("Results", [
            "Each number of tables and figures is in results.csv, table-1.csv and figures/*.csv. "
            f"They come from counts of hospitals{_withheld(facts)}.",
        ]),
    ]  # fmt: skip


def _images(facts: Facts) -> str:
    if facts.read is not None:
        return SIMULATED
    return (
        f"The images and labels of this study belong to {len(facts.sites) or 'the'} hospitals. "
        f"{hidden(facts)} The authors at the coordinator had no access to them and cannot share "
        "them."
    )


def _withheld(facts: Facts) -> str:
    if facts.read is not None:
        return ""
    return "; counts of few patients were withheld there, so they can not be shared either"


def _model(facts: Facts) -> str:
    if facts.finished is None:
        return "The study is not finished, so there is no final model."
    noise = facts.plan.privacy.noise
    tells = (
        "Its updates had noise that bounds what it tells of a patient"
        if noise is not None
        else "Nothing bounds what it tells of a single patient: weigh that before it is public"
    )
    return f"The final model has the SHA-256 {facts.finished.sha256} (shared weights). {tells}."
