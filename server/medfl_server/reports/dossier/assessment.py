"""What is left, and the skeleton of a data protection impact assessment, Art. 35(7) GDPR."""

from medfl_common.plan.plan import Plan
from medfl_server.reports.dossier.line import Line, always, yours

Part = tuple[str, list[Line], str]


def assessment(plan: Plan) -> list[Part]:
    """Give the residual risks, then the four parts of Art. 35(7)."""
    return [
        ("What is left", _risks(plan), ""),
        ("Assessment (a): the processing and its purposes", _processing(), "Art. 35(7)(a) GDPR"),
        ("Assessment (b): necessity and proportionality", _necessity(plan), "Art. 35(7)(b) GDPR"),
        ("Assessment (c): risks to persons", _persons(plan), "Art. 35(7)(c) GDPR"),
        ("Assessment (d): measures, and who agreed", _agreed(), "Art. 35(7)(d), 35(2), 35(9)"),
    ]


def _risks(plan: Plan) -> list[Line]:
    noise, sums = plan.privacy.noise, plan.privacy.secure_sum
    update = "An update may tell of single images to the coordinator, and nothing bounds how much."
    if noise is not None:
        update = "An update tells of one patient what the bound allows, and no more."
    elif sums is not None:
        update = "A sum of updates may tell of single images; whose hospital's they are is hidden."
    return [
        Line("updates", update),
        always(
            "the final model",
            "Whoever has it can try attacks on it for ever, also those not yet known.",
        ),
        always(
            "counts of scores",
            "Larger cells are seen by the coordinator, as far as policies share them.",
        ),
        always(
            "rare patients",
            "Who is unlike all others is found more easily; no figure here is of one group.",
        ),
        always(
            "endpoints",
            "Who has the rights of medfl's user at a hospital reads its images and its records.",
        ),
        always("the software", "Research software without an outside audit."),
        yours("acceptance", "Which of these risks are accepted, by whom, and why."),
    ]


def _processing() -> list[Line]:
    return [
        always(
            "operations",
            "Reading, splitting and training at each hospital; adding up at the "
            "coordinator; see above.",
        ),
        yours("context", "Patients' reasonable expectations, and what they were told."),
        yours(
            "purposes",
            "Purposes and, where Art. 6(1)(f) applies, the legitimate interests pursued.",
        ),
        yours("assets", "Machines, people and paper on which the images and the model depend."),
    ]


def _necessity(plan: Plan) -> list[Line]:
    return [
        Line(
            "minimisation",
            f"Images stay where they are; {plan.images.size} pixels on a side and a label "
            "are used.",
        ),
        yours(
            "necessity",
            "Why the question cannot be answered with fewer patients, or without personal data.",
        ),
        yours(
            "rights", "How access, objection and erasure work, after training too (Art. 15 to 21)."
        ),
        yours("processors", "Processors and their contracts (Art. 28)."),
    ]


def _persons(plan: Plan) -> list[Line]:
    kind = (
        "bounded by epsilon, see Measures"
        if plan.privacy.noise
        else "tested only, see Tests of attacks"
    )
    return [
        always("it becomes known that a person took part", kind),
        always(
            "a person's image or diagnosis is read",
            "out of updates: tried at each hospital; out of the model: not tried",
        ),
        yours(
            "origin and severity",
            "For each risk: who could want it, how likely and how severe it is for a person.",
        ),
        yours(
            "wrong results", "Harm by errors of the model in use, and groups for which it is worse."
        ),
    ]


def _agreed() -> list[Line]:
    return [
        always("measures", "Those above, each with its test."),
        yours("further measures", "Those outside medfl: contracts, training, access, monitoring."),
        yours("data protection officer", "The officer's advice, and the date (Art. 35(2))."),
        yours("data subjects", "Their views, or why they were not sought (Art. 35(9))."),
        yours(
            "review",
            "When this is looked at again: another plan, another recipient, a new attack "
            "(Art. 35(11)).",
        ),
    ]
