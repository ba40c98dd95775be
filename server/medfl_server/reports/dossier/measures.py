"""Measures that hold in this run, each with its test, and what bounds what can be told."""

from collections.abc import Sequence

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Event, site_names
from medfl_server.reports.dossier.line import Line, always, yours
from medfl_server.reports.sections.privacy import (
    NOT_COVERED,
    NOTHING,
    SUMS,
    bounded_sites,
    noise_in_words,
    sums_in_words,
)

CLIENT = "tests/unit/client"
# What medfl does in every run: the measure, and the test that holds it.
IN_EVERY_RUN = (
    (
        "one way out; what is not listed stays",
        "test_inspection.py",
        "test_no_reply_with_something_unlisted_leaves",
    ),
    (
        "policy beats plan, before data are read",
        "test_guard.py",
        "test_policy_beats_plan_before_any_data_is_read",
    ),
    (
        "no small cell",
        "test_guard.py",
        "test_no_bin_tells_of_a_few_images_rounds_have_32_bins_and_losses_three_digits",
    ),
    (
        "no more questions than the plan needs",
        "test_questions.py",
        "test_of_580_crafted_scorings_a_few_are_answered_and_no_other_round_or_name",
    ),
    (
        "the start is the plan's, to the bit",
        "test_questions.py",
        "test_round_one_starts_from_the_weights_of_the_plan",
    ),
    (
        "updates are tried for pictures",
        "test_self_test.py",
        "test_the_imprint_attack_is_found_and_gives_pictures_away",
    ),
    (
        "errors cross as numbers",
        "test_answer.py",
        "test_no_word_of_an_exception_leaves_and_all_of_it_is_kept_here",
    ),
    (
        "no patient is trained on and scored",
        "test_ingest.py",
        "test_no_patient_is_trained_on_and_scored",
    ),
)
AUDIT = ("test_one_run_audit.py", "test_the_told_epsilon_holds")


def measures(plan: Plan, events: Sequence[Event]) -> list[Line]:
    """List the measures of this run, and epsilon by hospital or that there is no bound."""
    noise, sums = plan.privacy.noise, plan.privacy.secure_sum
    held = [always(what, _named(file, test)) for what, file, test in IN_EVERY_RUN]
    found = [*held]
    if noise is not None:
        texts = noise_in_words(noise, plan.federation.rounds)
        found += [Line("noise", " ".join(texts)), always("the noise is tested", _named(*AUDIT))]
        found += [
            Line(
                f"epsilon of {'a patient' if noise.per == 'patient' else 'an image'} at {site}",
                f"{one.epsilon:.2f} at delta {noise.delta:g}, "
                f"{one.n_patients} declared patients, {one.n_steps} steps",
            )
            for site, one in bounded_sites(noise, events).items()
        ]
        most = noise.found_at_most
        found.append(
            Line("found at 1 % false alarms", f"{most:.0%} at the most, whatever the attack")
        )
    else:
        found.append(Line("epsilon of a patient", "no bound: the plan has no noise"))
    if sums is not None:
        found.append(Line("secure sums", sums_in_words(sums, len(site_names(events)))))
    if noise is None and sums is None:
        found.append(Line("noise, sums", NOTHING))
    return [
        *found,
        *([Line("not covered by noise", NOT_COVERED)] if noise else []),
        *([Line("not covered by sums", SUMS)] if sums else []),
        yours(
            "policies",
            "The policy of each hospital, from its audit page: protection, budget, self_test.",
        ),
        yours(
            "access",
            "Who can read the coordinator's machine, the runs and the hospitals' state folders.",
        ),
        yours(
            "agreements",
            "What hospitals and coordinator have agreed on: no attempt to identify, "
            "deletion, audits.",
        ),
    ]


def _named(file: str, test: str) -> str:
    """Name a test as the sentence that it is, which a page can break into lines."""
    return f"{CLIENT}/{file}: {test.removeprefix('test_').replace('_', ' ')}"
