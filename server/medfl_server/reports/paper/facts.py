"""What a run knows that a paper asks for; each fact is read once, or is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from medfl_common.metrics.counts import ScoreCounts, merge
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.plan.plan import Plan
from medfl_common.run.events import (
    Asked,
    DataRead,
    Event,
    Finished,
    RoundMade,
    ScoredOnTest,
    ScoredOutside,
    Statistics,
    site_names,
)
from medfl_server.reports.heterogeneity import statistics_in
from medfl_server.reports.letters import letters_of
from medfl_server.reports.paper.hidden_names import with_names
from medfl_server.reports.scores import SUMMED, once_each, score_counts_in
from medfl_server.study.run_directory import Study

Kind = TypeVar("Kind", bound=Event)


@dataclass(frozen=True)
class Facts:
    """A study's plan and log, with hospitals under the names that its paper gives them.

    names: What each hospital of the roster is called.
    """

    study: Study
    plan: Plan
    events: Sequence[Event]
    names: Mapping[str, str]

    def of_kind(self, kind: type[Kind]) -> list[Kind]:
        """List the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def finished(self) -> Finished | None:
        """The end; None: the study is not finished."""
        found = self.of_kind(Finished)
        return found[-1] if found else None

    @cached_property
    def rounds(self) -> list[RoundMade]:
        """The rounds that changed the model."""
        return self.of_kind(RoundMade)

    @cached_property
    def shown(self) -> Asked | None:
        """Whose scores a reader sees first: the test part's, else the validation part's."""
        return self.tested or self.finished

    @cached_property
    def tested(self) -> ScoredOnTest | None:
        """What the sites said of the final model on their test parts; None: none did."""
        return once_each(self.events, ScoredOnTest, self.finished) if self.finished else None

    @cached_property
    def outside(self) -> ScoredOutside | None:
        """What outside hospitals said of the final model; None: none did."""
        return once_each(self.events, ScoredOutside, self.finished) if self.finished else None

    @cached_property
    def outside_sites(self) -> list[str]:
        """Hospitals that only score."""
        asked = self.of_kind(ScoredOutside)
        return [*dict.fromkeys(site for e in asked for site in (*e.sites, *e.missing))]

    @cached_property
    def sites(self) -> list[str]:
        """Hospitals that train."""
        return [name for name in site_names(self.events) if name not in self.outside_sites]

    @cached_property
    def n_trained(self) -> int:
        """Count the hospitals whose updates made a round; of secure sums, the most in one."""
        alone = {site for event in self.rounds if event.pooled is None for site in event.sites}
        return max([len(alone), *(e.pooled.n_sites for e in self.rounds if e.pooled is not None)])

    @cached_property
    def trained(self) -> dict[str, int]:
        """Training images of each site as it told them last; under SUMMED where only a sum is."""
        found: dict[str, int] = {}
        for event in self.rounds:
            if event.pooled is not None:
                found[SUMMED] = event.pooled.n_images
            else:
                found |= {site: reply.n_images for site, reply in event.sites.items()}
        return found

    @cached_property
    def statistics(self) -> dict[str, SiteStatistics]:
        """What sites told of their data before the first round; empty: nothing."""
        return statistics_in(self.of_kind(Statistics))[0]

    @cached_property
    def read(self) -> DataRead | None:
        """What a simulation read; None at a coordinator, which reads no image."""
        found = self.of_kind(DataRead)
        return found[-1] if found else None

    @cached_property
    def counts(self) -> ScoreCounts | None:
        """The shown scores' counts over all sites; None of masks, boxes, or where none is told."""
        counted = score_counts_in(self.shown) if self.shown else {}
        return merge([*counted.values()]) if counted else None


def facts_of(study: Study, has_names: bool = False) -> Facts:
    """Read a study's log; hospitals get letters unless their own names are wished."""
    events = study.log.read(Event)
    found = site_names(events)
    names = {name: name for name in found} if has_names else letters_of(found)
    return Facts(study, study.plan, with_names(events, names), names)
