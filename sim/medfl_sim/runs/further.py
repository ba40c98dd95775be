"""What a simulation may be asked beyond its study: other hospitals' models, other splits."""

from collections.abc import Callable
from dataclasses import dataclass

from medfl_common.errors import ConfigError
from medfl_server.reports.sections.shared import main_score
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce
from medfl_sim.data.fold import Fold
from medfl_sim.runs import cross_site_page, folds_page, leave_one_out_page
from medfl_sim.runs.cross_site import score_everywhere
from medfl_sim.runs.folds import Sites, run_folds, score_folds
from medfl_sim.runs.inner_runs import Way, members
from medfl_sim.runs.leave_one_out import check_without, run_leave_one_out, score_left_out


@dataclass(frozen=True)
class Further:
    """The further questions.

    cross_site: score every model at every hospital; leave_one_out: make a federation without each
    hospital, and score it there; n_folds: test every patient once, in so many studies.
    """

    cross_site: bool = False
    leave_one_out: bool = False
    n_folds: int | None = None


NOTHING = Further()


@dataclass(frozen=True)
class Reading:
    """How the hospitals are read again: of a fold or as the plan splits them."""

    trained: Callable[[Fold | None], Sites]  # with the scenario's faults
    scored: Callable[[Fold | None], Sites]  # with the true labels


def refuse_unfit(
    further: Further, study: Study, read: Reading, n_hospitals: int, has_baselines: bool
) -> None:
    """Raise ConfigError for what cannot be asked of so many hospitals, before any is trained."""
    if further != NOTHING and study.plan.task.is_dense:
        raise ConfigError(
            f"cross-site, leave-one-out and folds compare AUCs, and a {study.plan.task.type} has "
            "none",
            todo="leave them out: the report and compare.html speak of "
            f"{main_score(study.plan)[1]}",
        )
    if further.cross_site and not has_baselines:
        raise ConfigError(
            "cross-site scores the models of each hospital alone, which are baselines",
            todo="leave out --no-baselines",
        )
    if (further.cross_site or further.leave_one_out) and n_hospitals < 2:
        asked = "cross-site" if further.cross_site else "leave-one-out"
        raise ConfigError(f"{asked} takes two hospitals or more; there is {n_hospitals}")
    if further.leave_one_out:
        check_without(study, n_hospitals)
    if further.n_folds is not None:
        if further.n_folds < 2:
            raise ConfigError(f"there must be two folds or more, not {further.n_folds}")
        for site in members(read.trained(Fold(1, further.n_folds))).values():
            site.data(study.plan)


def answer_further(
    further: Further, study: Study, read: Reading, way: Way, announce: Announce
) -> None:
    """Answer the further questions of a finished study: run directories and a page for each."""
    if further.cross_site:
        matrix = score_everywhere(study, read.scored(None))
        announce(cross_site_page.answer(matrix))
        page = cross_site_page.write_cross_site(study, matrix)
        announce(f"every model at every hospital: {page}")
    if further.leave_one_out:
        runs = run_leave_one_out(study, members(read.trained(None)), way, announce)
        left_out = score_left_out(study, runs, members(read.scored(None)))
        announce(leave_one_out_page.answer(left_out))
        page = leave_one_out_page.write_leave_one_out(study, left_out)
        announce(f"a federation without each hospital: {page}")
    if further.n_folds is not None:
        runs = run_folds(
            study, further.n_folds, lambda fold: members(read.trained(fold)), way, announce
        )
        folds = score_folds(study, runs, lambda fold: members(read.scored(fold)))
        announce(folds_page.answer(folds))
        announce(f"every patient tested once: {folds_page.write_folds(study, folds)}")
