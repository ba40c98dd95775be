"""The pages that follow: all studies, and one study. Parts are drawn once for all who look."""

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medfl_common.console.live import Live
from medfl_common.errors import MedflError
from medfl_common.run.folder import RunFolder
from medfl_server.console.attention import needs, rows
from medfl_server.console.long_table import MOST_WHOLE, LongTable
from medfl_server.console.state import Followed, State, mark
from medfl_server.console.svg import N_LOOKS, curve_svg, sample_svg, strip_svg
from medfl_server.console.thinned import ALL, Curves
from medfl_server.console.words import answer
from medfl_server.study.coordinator import studies_below

MOST_ROWS, MOST_STUDIES = 60, 100  # hospitals and studies shown as rows
MOST_NEEDS = 8
MOST_IN_TABLE = 12  # rounds of a curve that its table shows
WORST = ("bad", "", "good")  # looks, as the list of studies has them

Render = Callable[..., str]
Seen = tuple[Followed, Hashable]


class Studies:
    """The studies of some directories, by their names in addresses.

    Args:
        folders: Each a study's directory, or one with studies below.
        render: Fills a template.
    """

    def __init__(self, folders: Iterable[Path], render: Render) -> None:
        self._folders, self._render = [*folders], render
        self._lock = threading.Lock()  # pages, events and forms ask at once
        self._known: dict[str, Followed] = {}  # replaced whole, never changed
        self._live: dict[str, Live] = {}
        self._looked: dict[str, Seen] = {}  # by the last stamp
        self._summed: dict[str, tuple[Seen, dict[str, Any]]] = {}  # rows, and what they are of
        self._table = LongTable("studies")
        self.live = Live(self._stamp, self._list)

    def names(self) -> list[str]:
        """List the studies that are there now."""
        return sorted(self._now())

    def _now(self) -> dict[str, Followed]:
        with self._lock:
            there = self._there()
            known = {name: one for name, one in self._known.items() if one.folder in there}
            taken = {one.folder for one in known.values()}
            for folder in there:
                if folder not in taken:
                    known[_free(folder.resolve().name, known)] = Followed(folder)
            self._known = known
            return known

    def followed(self, name: str) -> Followed:
        """Give a study; KeyError where there is none of this name."""
        known = self._known
        return known[name] if name in known else self._now()[name]

    def live_of(self, name: str) -> Live:
        """Give the parts of a study's page."""
        one = self.followed(name)
        with self._lock:
            if name not in self._live:
                self._live[name] = Live(one.stamp, StudyParts(name, one, self._render))
            return self._live[name]

    def _there(self) -> dict[Path, None]:
        found = dict.fromkeys(
            path for folder in self._folders for path in [folder, *studies_below(folder)]
        )
        is_study = (path for path in found if mark(RunFolder(path).facts) is not None)
        return dict.fromkeys(is_study)

    def _stamp(self) -> Hashable:
        self._looked = {name: (one, one.stamp()) for name, one in sorted(self._now().items())}
        return tuple(self._looked.items())

    def _list(self) -> dict[str, str]:
        """Draw the list; a study whose files stand still is not counted again."""
        known, unseen = self._summed, (None, None)
        self._summed = {
            name: (seen, row if before == seen and row else _summary(name, seen[0]))
            for name, seen in self._looked.items()
            for before, row in [known.get(name, unseen)]
        }
        found = [row for _, row in self._summed.values()]
        found.sort(key=lambda row: (WORST.index(row["look"]), -row["n_needs"], row["name"]))
        cells = [self._render("study_row_part.html.j2", row=row) for row in found[:MOST_STUDIES]]
        more = sorted(row["name"] for row in found[MOST_STUDIES:])

        def frame(drawn: Sequence[str]) -> str:
            return self._render("studies_part.html.j2", rows=drawn, more=more)

        return self._table.parts(cells, len(found) > MOST_WHOLE, frame)


def _free(name: str, taken: dict[str, Followed]) -> str:
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name}-{n}"
    return free


def _summary(name: str, one: Followed) -> dict[str, Any]:
    with one.lock:  # its facts are counted in place
        try:
            state = one.state()
        except (MedflError, OSError) as error:
            told = error if isinstance(error, MedflError) else None
            what = one.placed(told.what) if told else "its files cannot be read"
            head = "Cannot be opened."
            return {"name": name, "head": head, "rest": what, "look": "bad", "n_needs": 1}
        said, n_needs = answer(state), len(needs(state, one.name))
        made, n_rounds = state.facts.n_made, state.n_rounds
    return {
        "name": name, "head": said.head, "rest": said.rest, "look": said.look, "n_needs": n_needs,
        "made": made, "n_rounds": n_rounds,
    }  # fmt: skip


@dataclass
class StudyParts:
    """Draws the parts of one study's page.

    Args:
        name: The study's in addresses.
        followed: Its files.
        render: Fills a template.
    """

    name: str
    followed: Followed
    render: Render
    table: LongTable = field(default_factory=lambda: LongTable("hospitals"))

    def __call__(self) -> dict[str, str]:
        """Draw all parts; a study that cannot be opened says why."""
        with self.followed.lock:
            try:
                state = self.followed.state()
            except (MedflError, OSError) as error:
                told = error if isinstance(error, MedflError) else None
                placed = self.followed.placed
                html = self.render("broken_part.html.j2", error=told, placed=placed)
                return {"answer": html, "needs": "", "hospitals": "", "curves": "", "log": ""}
            return self._drawn(state)

    def _drawn(self, state: State) -> dict[str, str]:
        facts, wanted = state.facts, needs(state, self.followed.name)
        parts = {
            "answer": self.render("answer_part.html.j2", said=answer(state), state=state),
            "needs": self.render(
                "needs_part.html.j2", needs=wanted[:MOST_NEEDS], n_more=len(wanted) - MOST_NEEDS,
                study=self.name,
            ),
            "curves": self.render("curves_part.html.j2", figures=_figures(state), facts=facts),
            "log": self.render("log_part.html.j2", events=facts.events),
        }  # fmt: skip
        return parts | self._hospitals(state)

    def _hospitals(self, state: State) -> dict[str, str]:
        """Draw the table of hospitals."""
        found = rows(state)
        shown, title = found[:MOST_ROWS], state.facts.title
        cells = [
            self.render("row_part.html.j2", row=row, strip=Markup(strip_svg(row.facts.rounds)))  # noqa: S704
            for row in shown
        ]
        values = {"title": title, "n": len(shown), "n_more": len(found) - len(shown)}

        def frame(drawn: Sequence[str]) -> str:
            return self.render("hospitals_part.html.j2", rows=drawn, **values)

        return self.table.parts(cells, len(found) > MOST_WHOLE, frame)


def _figures(state: State) -> list[dict[str, Any]]:
    facts, n = state.facts, state.n_rounds
    noise = ", with noise" if state.plan.privacy.noise is not None else ""
    is_auc = facts.key == "auc"
    best = "1 is perfect, 0.5 is a coin" if is_auc else "1 is perfect"
    told = [
        (facts.title, best, facts.value, 0.5 if is_auc else 0.0, 1.0),
        ("Loss", "lower is better", facts.loss, None, None),
    ]
    return [
        {
            "title": title, "hint": f"{hint}{noise}",
            "svg": Markup(curve_svg(curves, n, title, low, high)),  # noqa: S704
            "rows": _table(curves),
            "names": [(name, _sample(f"l{i % N_LOOKS}")) for i, name in enumerate(curves.sites)],
            "all": _sample("bold"),
            "n_many": curves.n_sites if curves.is_many else 0,
        }
        for title, hint, curves, low, high in told
    ]  # fmt: skip


def _sample(look: str) -> Markup:
    return Markup(sample_svg(look))  # noqa: S704


def _table(curves: Curves) -> list[tuple[int, str, str, str]]:
    """Give rounds, evenly over the study, with the value of all, the lowest and the highest."""
    points, quantiles = curves.all.points, dict(curves.quantiles.points)
    step = max(1, -(-len(points) // MOST_IN_TABLE))
    chosen = points[::-step][::-1]
    rows = []
    for x, y in chosen:
        edges = quantiles.get(x)
        low, high = ("", "") if edges is None else (curves.edge(edges[0]), curves.edge(edges[-1]))
        rows.append((x, curves.written(y, ALL), low, high))
    return rows
