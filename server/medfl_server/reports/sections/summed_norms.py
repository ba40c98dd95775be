"""How long the updates of a secure sum were: a histogram takes the place of a table by site."""

from medfl_common.run.events import RoundMade
from medfl_common.ui.page import Section, Table
from medfl_common.wire.pooled import FIRST_NORM, N_NORM_BINS

APART = 3  # bins: an update more than 4 to 16 times as long as the others
SHOWN = 10  # rounds, the last ones
TEXT = (
    "The coordinator sees no single update, so it cannot say which hospital stands out, nor in "
    "what direction. It sees how many updates of a round had about what norm; the norms of one "
    "column are within a factor of two. A hospital that does harm with care need not show here, "
    "and one that lies in its masked numbers can spoil a round without being seen. Influence by "
    "hospital and leaving one out need single updates, and are not there."
)


def summed_norms_section(rounds: list[RoundMade]) -> Section:
    """Say in words where one update lay far from the others, and list the last rounds."""
    told = [(event.round, event.pooled.norms) for event in rounds if event.pooled]
    told = [(round_, norms) for round_, norms in told if any(norms)]
    used = [i for i in range(N_NORM_BINS) if any(norms[i] for _, norms in told)]
    lines = [f"Round {round_}: {in_words(norms)}." for round_, norms in told if is_apart(norms)]
    rows = [[str(round_), *(str(norms[i]) for i in used)] for round_, norms in told[-SHOWN:]]
    header = ["round", *(_name(i) for i in used)]
    texts = [*(lines[-SHOWN:] or ["In no round was an update far longer than the others."]), TEXT]
    caption = "updates by their norm"
    return Section("Does a site stand out?", texts, tables=[Table(header, rows, caption=caption)])


def is_apart(norms: list[int]) -> bool:
    """Say whether the longest updates are far from most."""
    used = [i for i, n in enumerate(norms) if n]
    middle = next(i for i in used if 2 * sum(norms[: i + 1]) >= sum(norms))
    return bool(used) and used[-1] - middle >= APART


def in_words(norms: list[int]) -> str:
    """Write a histogram: 4 hospitals near 0.2, one near 6."""
    counts = [(n, i) for i, n in enumerate(norms) if n]
    said = [f"{n if n > 1 else 'one'} {_near(i)}" for n, i in counts]
    n, _ = counts[0]
    said[0] = said[0].replace(" ", " hospitals " if n > 1 else " hospital ", 1)
    return ", ".join(said)


def _near(place: int) -> str:
    if place in (0, N_NORM_BINS - 1):
        return _name(place)
    return f"near {_digits(1.4142 * _start(place))}"


def _name(place: int) -> str:
    if place == 0:
        return f"below {_digits(_start(1))}"
    if place == N_NORM_BINS - 1:
        return f"{_digits(_start(place))} or more"
    return f"{_digits(_start(place))} to {_digits(_start(place + 1))}"


def _start(place: int) -> float:
    return float(2.0 ** (FIRST_NORM + place - 1))


def _digits(value: float) -> str:
    return f"{value:.1g}" if value < 1 else f"{value:.0f}"
