"""What the run log and the checkpoint keep of a round, and the line that tells of it."""

from collections.abc import Iterable, Mapping, Sequence

from medfl_common.files import Json
from medfl_common.metrics.counts import auc, merge
from medfl_common.metrics.curves import auc_bound
from medfl_common.metrics.dense_counts import (
    dense_scores,
    fewest_in,
    main_dense_score,
    merge_dense,
)
from medfl_common.metrics.mask_estimates import of_cases
from medfl_common.run.events import Asked, RoundMade
from medfl_common.run.pooled_reply import PooledReply
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.pooled import Pooled
from medfl_common.wire.results import TrainResult
from medfl_common.wire.versions import named
from medfl_server.reports.line_scores import with_scores
from medfl_server.reports.sections.numbers import case_number, number
from medfl_server.rounds.outcome import Answered, Replies


def facts_of_round(
    round_: int, replies: Replies, compared: Mapping[str, Mapping[str, Json]] | None = None
) -> Asked:
    """Give all about a round that the log keeps; scores are those of the weights before it.

    Args:
        round_: The round.
        replies: Who answered what, who did not and why.
        compared: What is known of each site's update beside the others'; see outliers.
    """
    seconds, missing = round(replies.seconds, 3), replies.missing
    if replies.is_masked:
        masked = {site: _masked(answered) for site, answered in replies.answered.items()}
        pooled = None if replies.pooled is None else _pooled(replies.pooled, compared or {})
        asked = with_scores(Asked.of_replies(round_, seconds, masked, missing, pooled))
        return Asked({**asked.facts, "void": replies.void}) if replies.void else asked
    sites = {
        site: _reply(answered, round_, (compared or {}).get(site, {}))
        for site, answered in replies.answered.items()
    }
    return with_scores(Asked.of_replies(round_, seconds, sites, missing))


def norms_of(made: Iterable[RoundMade]) -> list[float]:
    """List the norms of the updates that were admitted in some rounds."""
    norms = [reply.norm for event in made for reply in (*event.sites.values(), event.pooled)
             if reply is not None]  # fmt: skip
    return [norm for norm in norms if norm is not None]


def _masked(answered: Answered) -> SiteReply:
    result = answered.result
    return SiteReply.of_masked(
        result.seconds, answered.bytes_received, answered.bytes_sent, answered.sha256,
        answered.waited_s, None if result.versions is None else named(result.versions),
        result.device,
    )  # fmt: skip


def _pooled(pooled: Pooled, compared: Mapping[str, Mapping[str, Json]]) -> PooledReply:
    """Give what the log keeps of a sum; `compared` has the norm of the mean update, alone."""
    seen = next((float(str(one["norm"])) for one in compared.values()), None)
    return PooledReply.of(
        n_sites=pooled.n_sites, n_images=pooled.n_images, n_steps=pooled.n_steps,
        train_loss=pooled.train_loss, n_clipped=pooled.n_clipped, norms=pooled.norms, norm=seen,
        n_scoring=pooled.n_scoring, score_counts=pooled.score_counts,
    )  # fmt: skip


def _reply(answered: Answered, round_: int, compared: Mapping[str, Json]) -> SiteReply:
    result = answered.result
    return SiteReply.of_work(
        n_images=result.n_images,
        n_steps=result.n_steps,
        train_loss=result.train_loss,
        seconds=result.seconds,
        bytes_received=answered.bytes_received,
        bytes_sent=answered.bytes_sent,
        sha256=answered.sha256,
        for_round=result.round if result.round != round_ else None,  # asynchronous
        score_counts=result.score_counts,
        mask_counts=result.mask_counts,
        box_counts=result.box_counts,
        exact_auc=result.exact_auc,
        groups=result.groups,
        compared=compared,
        features=result.features,
        membership=result.membership,
        waited=answered.waited_s,
        versions=None if result.versions is None else named(result.versions),
        device=result.device,
    )


def summary(replies: Replies, part: str = "validation") -> str:
    """Say in one line what a round gave; the scored images are of a part of the data."""
    if not replies.answered and not replies.missing:
        return "no site had to be asked"
    parts = [f"{len(replies.answered)} sites in {replies.seconds:.1f} s"]
    told = told_by(replies)
    trained = [one for one in told if one.n_images]
    if trained:
        n = sum(one.n_images for one in trained)
        loss = sum(one.train_loss * one.n_images for one in trained) / n
        is_told = any(one.train_loss for one in trained)
        parts.append(f"training loss {number(loss, n)} over {n} images" if is_told else "trained")
    if scored := _scores(told, part):
        parts.append(f"{'model before it: ' if trained else ''}{scored}")
    if replies.missing:
        parts.append(f"missing: {', '.join(replies.missing)}")
    return "; ".join(parts)


def told_by(replies: Replies) -> list[TrainResult]:
    """List what the sites said, or what they said together."""
    pooled = replies.pooled
    if pooled is None:
        return [answered.result for answered in replies.answered.values()]
    return [
        TrainResult(
            0, 0, 0, n_images=pooled.n_images, n_steps=pooled.n_steps,
            train_loss=pooled.train_loss, score_counts=pooled.score_counts,
        )
    ]  # fmt: skip


def _scores(results: Sequence[TrainResult], part: str) -> str:
    """Give loss and AUC, Dice or FROC over all sites that share them; empty: none does."""
    found = [one.mask_counts or one.box_counts for one in results]
    dense = [one for one in found if one is not None]
    if dense:
        joined = merge_dense(dense)
        n, n_with, (name, word) = joined.n, fewest_in(joined), main_dense_score(joined)
        score, loss = case_number(dense_scores(joined)[name], n_with), case_number(joined.loss, n)
        return f"loss {loss}, {word} {score} on {of_cases(n, n_with, f'{part} cases')}"
    counts = [one.score_counts for one in results if one.score_counts is not None]
    if not counts:
        return ""
    merged = merge(counts)
    area = number(auc(merged), merged.n, auc_bound(merged))
    return f"loss {number(merged.loss, merged.n)}, AUC {area} on {merged.n} {part} images"
