"""Compare the rounds' models by the plan's metric: on the images of the same sites, or not at all.

The compared sites are those that scored in most rounds: the largest group by number of rounds that
scored more than half of the rounds together. A value is that of all their images, added up. In a
detection true boxes weigh: a site that tells more than twice, or less than half, of those or the
images of its first round, is not compared. The comparison follows from the log alone, so a study
that stopped goes on with the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.counts import ScoreCounts, merge, scores
from medfl_common.metrics.dense_counts import (
    DenseCounts,
    dense_scores,
    fewest_in,
    merge_dense,
)
from medfl_common.metrics.enough import FEWEST_IMAGES, is_enough
from medfl_common.metrics.mask_estimates import FEWEST_CASES
from medfl_common.plan.dense import LOWER_IS_BETTER
from medfl_common.plan.plan import Plan
from medfl_common.run.best import Best
from medfl_common.run.choice import Choice

MOST_GROUPS = 4  # of sites, for each of which the best round's weights are kept
MOST_CHANGE = 2  # times the true boxes and images of a class that a site told first
LEAST_SHARE = 0.5  # of the images that any site scored: fewer say too little of the model

SiteCounts = Mapping[str, ScoreCounts | DenseCounts] | Mapping[str, ScoreCounts]
Sites = frozenset[str]


@dataclass
class Group:
    """Sites that scored rounds together, and the best of these rounds."""

    best: Best | None = None
    n_rounds: int = 0
    n_since: int = 0  # rounds after the best one

    def offer(self, round_: int, value: float | None) -> None:
        """Take one more round of these sites; of equals the earlier is the best."""
        self.n_rounds += 1
        self.n_since += 1
        if value is not None and (self.best is None or value > self.best.value):
            self.best, self.n_since = Best(round_, value), 0


class Comparison:
    """What is known of all rounds' models so far."""

    def __init__(self, plan: Plan) -> None:
        self._metric = plan.evaluation.metric
        self._fewest = FEWEST_CASES if plan.task.is_dense else FEWEST_IMAGES
        self._quadratic = plan.task.type == "ordinal"
        self._scored: list[Sites] = []  # by round
        self._images: dict[str, int] = {}  # by site, as it scored last
        self._first: dict[str, BoxCounts] = {}  # by site, as it scored first
        self._changed: set[str] = set()  # sites that told of other true boxes since
        self._groups: dict[Sites, Group] = {}
        self._kept: dict[int, SiteCounts] = {}  # of the rounds that are some group's best
        self._lost: set[Sites] = set()  # groups whose best round's weights are gone

    def add(self, round_: int, counts: SiteCounts) -> None:
        """Take in how the sites scored a round's model."""
        if not counts:
            return
        scored = frozenset(counts)
        self._scored.append(scored)
        self._images |= {site: own.n for site, own in counts.items()}
        self._note_change(counts)
        compared = self.sites()
        for sites in {scored, compared} - {Sites()} - self._groups.keys():
            if self._share(sites) >= LEAST_SHARE:
                self._groups[sites] = self._from_kept(sites)
        self._kept[round_] = counts
        for sites, group in self._groups.items():
            if sites <= scored:
                group.offer(round_, self._value(sites, counts))
        self._forget(compared)

    def sites(self) -> Sites:
        """Give the sites that scored in most rounds; empty where there are none."""
        all_sites = sorted(self._images.keys() - self._changed)
        bits = {site: 1 << i for i, site in enumerate(all_sites)}
        rounds = [sum(bits.get(site, 0) for site in scored) for scored in self._scored]
        often = {site: sum(bool(r & bit) for r in rounds) for site, bit in bits.items()}
        for least in sorted(set(often.values())):
            group = [site for site in all_sites if often[site] >= least]
            mask = sum(bits[site] for site in group)
            if 2 * sum(r & mask == mask for r in rounds) > len(rounds):
                return Sites(group)
        return Sites()

    @property
    def best_rounds(self) -> set[int]:
        """List the rounds whose weights are needed."""
        return {group.best.round for group in self._groups.values() if group.best is not None}

    def forget_lost(self, at_hand: set[int]) -> None:
        """Begin anew for the groups whose best round's weights a damaged checkpoint has cost."""
        self._lost = {s for s, g in self._groups.items() if g.best and g.best.round not in at_hand}
        self._groups |= {sites: Group() for sites in self._lost}

    def best(self) -> Best | None:
        """Give the best round of those compared; None where they say too little."""
        return self._group().best if self.choice().is_best else None

    def n_since_best(self) -> int:
        """Count the compared rounds after the best one."""
        return self._group().n_since

    def choice(self) -> Choice:
        """Say whether the rounds can be compared, on whose images, or why not."""
        sites, group = self.sites(), self._group()
        facts = (sorted(sites), self._n_images(sites), group.n_rounds, len(self._scored))
        if not self._scored:
            return Choice("no_scores")
        if self._share(sites) < LEAST_SHARE:
            return Choice("other_sites", *facts)
        if self._n_images(sites) < self._fewest:
            return Choice("few_images", *facts)
        if group.best is None:
            return Choice("weights_gone" if sites in self._lost else "no_value", *facts)
        if not self._are_enough(sites, self._kept[group.best.round]):
            return Choice("few_images", *facts)
        return Choice("best" if group.n_rounds > 1 else "few_rounds", *facts)

    def _group(self) -> Group:
        return self._groups.get(self.sites(), Group())

    def _n_images(self, sites: Sites) -> int:
        return sum(self._images[site] for site in sites)

    def _share(self, sites: Sites) -> float:
        return self._n_images(sites) / max(sum(self._images.values()), 1)

    def _are_enough(self, sites: Sites, counts: SiteCounts) -> bool:
        """Say whether both kinds of images, or each class, are there, where the metric asks it."""
        whole = _of(sites, counts)
        if self._metric in ("loss", "accuracy"):
            return True
        if isinstance(whole, ScoreCounts):
            return is_enough(whole)
        return fewest_in(whole) >= self._fewest

    def _from_kept(self, sites: Sites) -> Group:
        """Compare the rounds whose weights are at hand, on the images of these sites."""
        group = Group()
        for round_, counts in sorted(self._kept.items()):
            if sites <= counts.keys():
                group.offer(round_, self._value(sites, counts))
        return group

    def _note_change(self, counts: SiteCounts) -> None:
        for site, own in counts.items():
            if isinstance(own, BoxCounts) and _differ(self._first.setdefault(site, own), own):
                self._changed.add(site)

    def _forget(self, compared: Sites) -> None:
        """Keep the compared group, and of the others those that scored most rounds."""
        order = sorted(
            self._groups,
            key=lambda sites: (sites != compared, -self._groups[sites].n_rounds, sorted(sites)),
        )
        self._groups = {sites: self._groups[sites] for sites in order[:MOST_GROUPS]}
        self._kept = {r: c for r, c in self._kept.items() if r in self.best_rounds}

    def _value(self, sites: Sites, counts: SiteCounts) -> float | None:
        whole = _of(sites, counts)
        if self._metric == "loss":
            return -whole.loss
        found = (
            scores(whole, quadratic=self._quadratic)
            if isinstance(whole, ScoreCounts)
            else dense_scores(whole)
        )
        value = found[self._metric]
        return -value if value is not None and self._metric in LOWER_IS_BETTER else value


def _differ(first: BoxCounts, now: BoxCounts) -> bool:
    """Say whether a class has many more true boxes or images in one of two rounds."""
    pairs = ((first.truths, now.truths), (first.images, now.images))
    return any(((a > MOST_CHANGE * b) | (b > MOST_CHANGE * a)).any() for a, b in pairs)


def _of(sites: Sites, counts: SiteCounts) -> ScoreCounts | DenseCounts:
    chosen = [own for site, own in counts.items() if site in sites]
    dense = [own for own in chosen if not isinstance(own, ScoreCounts)]
    return merge_dense(dense) if dense else merge([o for o in chosen if isinstance(o, ScoreCounts)])
