"""What protects single patients and hospitals, what it does not cover, and what an attack found.

Epsilon is computed from the answers that the run log knows of. What counts is the hospital's own
record of its budget, which also holds answers that were lost on their way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medfl_common.metrics.membership import Membership, attack_of, merge_membership
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise, SecureSum
from medfl_common.privacy.accountant import epsilon_of, rdp_of_step
from medfl_common.privacy.thresholds import fewest_summed, threshold
from medfl_common.run.events import (
    Asked,
    Event,
    LateReply,
    RoundMade,
    RoundWithoutQuorum,
    site_names,
)
from medfl_common.ui.page import Section, Table

HEADING = "What protects single patients?"
NOTHING = (
    "Neither noise nor secure sums: the coordinator saw each site's update, and whoever has the "
    "model can try what it tells. Nothing bounds what either tells of one patient."
)
UNIT = {
    "patient": "one patient's images, all together",
    "image": "one image; a patient with several is protected less",
}
NOT_COVERED = (
    "The bound does not cover: the declared numbers of patients, who takes part and when, how the "
    "settings were chosen, wrong labels, and what a hospital publishes itself. A patient seen at "
    "two hospitals pays twice. That floating-point noise does no harm is not proved."
)
SUMS = (
    "The coordinator read sums of hospitals only. That holds as long as fewer than a third of them "
    "help it, and against no hospital that it invents: compare the fingerprints by telephone. Sums "
    "do not hide what the sum tells. The protocol has had no outside review."
)
WEAKEST = "It is the weakest of attacks: that it fails says little."


@dataclass(frozen=True)
class Bounded:
    """What a study with noise told of one patient of a hospital, by the run log."""

    n_patients: int  # declared
    n_steps: int
    epsilon: float


def privacy_section(
    plan: Plan, events: Sequence[Event], names: Mapping[str, str] | None = None
) -> Section:
    """Say what protected patients, and what membership inference found; `names` hides sites'."""
    noise, sums = plan.privacy.noise, plan.privacy.secure_sum
    texts, tables = [], []
    if noise is not None:
        texts += [*noise_in_words(noise, plan.federation.rounds), NOT_COVERED]
        rows = [
            [(names or {}).get(site, site), str(one.n_patients), str(one.n_steps),
             f"{one.epsilon:.2f}"]
            for site, one in bounded_sites(noise, events).items()
        ]  # fmt: skip
        header = ["site", "declared patients", "steps", f"epsilon at delta {noise.delta:g}"]
        tables.append(Table(header, rows))
    if sums is not None:
        texts += [sums_in_words(sums, len(site_names(events))), SUMS]
    if noise is None and sums is None:
        texts.append(NOTHING)
    return Section(HEADING, [*texts, *membership_in_words(plan, events)], tables=tables)


def noise_in_words(noise: Noise, rounds: int) -> list[str]:
    """Say what the plan's noise is, and what its bound means."""
    found = noise.found_at_most
    promise = (
        f"An adversary who knows all else, and gives a false alarm for 1 % of others, finds a "
        f"given {noise.per} with a chance of {found:.0%} at the most."
    )
    if found >= 1:
        promise = "An epsilon of this size is an accounting figure rather than a promise."
    scores = (
        f"The last scoring costs a held-out patient epsilon {noise.scores:g}."
        if noise.scores
        else "No scores left."
    )
    return [
        f"Differential privacy by noise at each hospital: epsilon {noise.epsilon:g} at the most, "
        f"delta {noise.delta:g}, for {UNIT[noise.per]}, added or removed. {promise} {scores}",
        f"Noise multiplier {noise.multiplier:g}, clip {noise.clip:g}, {noise.draw} drawn a step "
        f"by coins of their own, {noise.steps} steps in each of {rounds} rounds; accountant: Renyi "
        "differential privacy of whole orders 2 to 64 of the Poisson-subsampled Gaussian.",
    ]


def sums_in_words(sums: SecureSum, n_sites: int) -> str:
    """Say how many hospitals a sum has, and how few a coordinator that cheats reaches."""
    needed = threshold(n_sites, sums.may_lose) if n_sites > 1 else n_sites
    floor = fewest_summed(n_sites, needed) if n_sites > 1 else n_sites
    return (
        f"Secure sums: masked updates of {n_sites} hospitals, opened by {needed} of them, "
        f"{sums.at_least} in a sum at least. A coordinator that shows hospitals different lists "
        f"can open a sum of {floor}, not of fewer."
    )


def bounded_sites(noise: Noise, events: Sequence[Event]) -> dict[str, Bounded]:
    """Give what each hospital's answers cost one of its patients, refused and late ones too."""
    answers: dict[str, int] = {}
    declared: dict[str, int] = {}
    for event in events:
        if isinstance(event, LateReply):
            answers[event.site] = answers.get(event.site, 0) + 1
        if isinstance(event, RoundMade | RoundWithoutQuorum):
            for site in (*event.sites, *event.quarantined):
                answers[site] = answers.get(site, 0) + 1
            declared |= {site: reply.n_images for site, reply in event.sites.items()}
    found = {}
    for site, n in answers.items():
        n_patients = max(declared.get(site, 0), noise.least_patients)
        cost = rdp_of_step(noise.draw / n_patients, noise.multiplier) * n * noise.steps
        found[site] = Bounded(n_patients, n * noise.steps, epsilon_of(cost, noise.delta)[0])
    return found


def membership_in(events: Sequence[Event]) -> Membership | None:
    """Add up what hospitals told of the final model, by each one's newest answer; None: nobody."""
    told: dict[str, Membership] = {}
    for event in events:
        for site, reply in event.sites.items() if isinstance(event, Asked) else ():
            if reply.membership is not None:
                told[site] = reply.membership
    return merge_membership([*told.values()]) if told else None


def membership_in_words(plan: Plan, events: Sequence[Event]) -> list[str]:
    """Say how well trained images can be told from others, or why nobody knows."""
    if plan.task.is_dense:
        return [f"Membership inference: not tried for a {plan.task.type}."]
    counts = membership_in(events)
    attack = attack_of(counts) if counts is not None else None
    if attack is None:
        where = "each hospital has its own figures in scores.txt"
        asked = plan.evaluation.membership
        why = "no hospital shared its counts" if asked else "the plan does not ask for the counts"
        return [f"Membership inference: {why}; {where}."]
    low, high = attack.interval or (0.0, 1.0)
    text = (
        "Membership inference (can an image that was trained on be told from one that was not?): "
        f"AUC of the attack {attack.auc:.2f} ({low:.2f} to {high:.2f}), where 0.50 is guessing, on "
        f"{attack.n_trained} trained and {attack.n_held_out} other images of the hospitals."
    )
    if attack.found is None or attack.found_interval is None:
        return [text, f"Too few others to say how many it finds. {WEAKEST}"]
    low, high = attack.found_interval
    return [
        text,
        f"With false alarms for 1 % of others it finds {attack.found:.1%} of the trained images "
        f"({low:.1%} to {high:.1%}), by whole bins of counts. {WEAKEST}",
    ]
