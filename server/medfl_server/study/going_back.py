"""`without`: a study goes back before a hospital's first update, and makes its rounds again.

The rounds belong to a new run, so what hospitals keep of the old one between rounds is not used.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from medfl_common.errors import RunError
from medfl_common.files import locked
from medfl_common.ops.user import user_name
from medfl_common.plan.halves import at_coordinator, at_sites, own_layers
from medfl_common.plan.plan import Plan
from medfl_common.run.checkpoint import Checkpoint, forget_after, kept_rounds, load_kept, save
from medfl_common.run.decisions import TakenBack
from medfl_common.run.events import RoundMade
from medfl_common.run.model_file import READING, WEIGHTS
from medfl_server.roster.enrolment import leave_out
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study, open_study, write_facts
from medfl_server.study.stop_wish import forget_stop


@dataclass(frozen=True)
class Cost:
    """What it costs to take a hospital's updates out of the model."""

    site: str
    to: int  # the round to go back to; 0 is the start
    first: int  # the first round with an update of the site
    made: int  # the last round that was made
    why_start: str  # why no kept round serves; empty: one does, or none is there

    @property
    def in_words(self) -> list[str]:
        """Say it to a person."""
        n = self.made - self.to
        where = f"the model of round {self.to}, which is kept" if self.to else "the start"
        why = f", because {self.why_start}" if self.why_start else ""
        again = "1 round is made again" if n == 1 else f"{n} rounds are made again"
        return [
            f"{again}; the models of rounds {self.first} to {self.made} hold {self.site}'s updates",
            f"the study goes back to {where}{why}",
            "each hospital approves the plan once more, and answers these rounds anew",
            f"models that were exported or kept at a hospital before hold {self.site}'s updates on",
        ]


def cost_of(study: Study, site: str) -> Cost:
    """Say what it would cost; raises RunError where no round holds the site's update."""
    made = study.log.read(RoundMade)
    rounds = [event.round for event in made if site in event.sites]
    if not rounds:
        raise RunError(
            f"no round holds an update of {site}",
            todo="medfl-server revoke takes a hospital off the roster",
            data="nothing was changed",
        )
    if study.plan.privacy.secure_sum is not None:
        raise RunError(
            f"this study has privacy.secure_sum: the same rounds without {site} would tell its "
            "updates, which are what the new sums lack",
            todo="begin another study without it, from other initial weights",
            data="nothing was changed",
        )
    why = _why_start(study.plan)
    kept = [] if why else [r for r in kept_rounds(study.checkpoints) if r < min(rounds)]
    return Cost(site, max(kept, default=0), min(rounds), made[-1].round, why)


def go_back(folder: Path, site: str) -> Study:
    """Take the rounds with a site's updates back, and the site off the roster."""
    with locked(folder):
        study = open_study(folder)
        cost = cost_of(study, site)
        checkpoint = _checkpoint(study, cost.to)
        leave_out(folder, site)
        forget_stop(folder)
        again = Study(folder, study.plan, secrets.token_hex(16))
        write_facts(folder, again.run, again.plan)
        forget_after(study.checkpoints, cost.to)
        save(study.checkpoints, checkpoint)
        for name in (WEIGHTS, READING):  # of the end, where there was one
            (folder / name).unlink(missing_ok=True)
        n_rounds = cost.made - cost.to
        event = TakenBack.without(cost.to, site, n_rounds, study.run, user_name())
        study.log.go_on(event, cost.to)
    return again


def _checkpoint(study: Study, round_: int) -> Checkpoint:
    if round_ in kept_rounds(study.checkpoints):
        return load_kept(study.checkpoints, round_)
    model, start = initial_weights(study)
    return Checkpoint(0, {name: start[name] for name in model.names("shared")}, {})


def _why_start(plan: Plan) -> str:
    """Say why only the start is free of a site, whose updates other sites keep something of."""
    if own := own_layers(plan):
        return f"the {' and '.join(sorted(own))} layers at each site followed its updates"
    if kept := at_sites(plan).kept_at_site:
        return f"each site keeps {kept}, which followed its updates"
    if at_coordinator(plan.federation).buffer is not None:
        return "rounds without a barrier mix updates of several rounds"
    return ""
