"""Tests of attacks on the model and its updates, with this run's figures, and those not made."""

from collections.abc import Sequence

from medfl_common.run.events import Event
from medfl_server.reports.dossier.line import Line, always, yours
from medfl_server.reports.sections.privacy import membership_in_words
from medfl_server.study.run_directory import Study

IMPLEMENTATION = (
    "A one-run audit of the noisy step itself (Steinke et al. 2023) runs with medfl's tests, and "
    "finds four planted faults: tests/unit/client/test_one_run_audit.py"
)
SELF_TEST = (
    "Each hospital tries to read its images out of its update in the first round and every tenth "
    "after, where its policy does not turn that off; the result stays there "
    "(state/self-tests.jsonl). An update that was stopped is in the log as a failure."
)


def attacks(study: Study, events: Sequence[Event]) -> list[Line]:
    """Say what each attack gave, and which were not tried."""
    return [
        Line("membership inference", " ".join(membership_in_words(study.plan, events))),
        always("reconstruction from an update", SELF_TEST),
        *([always("the noise", IMPLEMENTATION)] if study.plan.privacy.noise else []),
        always(
            "site inference",
            "not tried in this run; medfl-sim --leave-one-out tries it on data in one place",
        ),
        always(
            "not tried",
            "model inversion, attribute inference, reconstruction by optimisation, shadow models",
        ),
        yours(
            "self-tests",
            "What each hospital's self-tests found; ask them for the last line of that file.",
        ),
        yours(
            "further attacks",
            "What others tried on the final model, with figures, and the state of the art since.",
        ),
        yours(
            "who may query",
            "How the model can be asked in use, how often, and who sees its exact outputs.",
        ),
    ]
