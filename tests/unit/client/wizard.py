"""A site to describe, and a person who answers what the test says, and else presses Enter."""

import csv
from collections.abc import Mapping
from pathlib import Path

from medfl_client.commands.describe_data import describe_data
from medfl_client.first_look.subject import Given
from medfl_common.ui.asking import Asking
from medfl_common.ui.screen import Screen

Rows = list[dict[str, str]]


class Typist:
    """Answers questions that contain a word; each answer is given once, in its order."""

    def __init__(self, answers: Mapping[str, list[str]]) -> None:
        self._answers = {word: [*texts] for word, texts in answers.items()}
        self.asked: dict[str, str] = {}

    def __call__(self, question: str, proposed: str) -> str:
        self.asked[question] = proposed
        for word, texts in self._answers.items():
            if word in question and texts:
                return texts.pop(0)
        return proposed


def describe(
    site: Path, plan: Path | None = None, **answers: list[str]
) -> tuple[bool, dict[str, str]]:
    """Type the answers; give whether site.yaml was written, and what was asked and proposed."""
    typist = Typist({word.replace("_", " "): texts for word, texts in answers.items()})
    done = describe_data(site, "", plan, Given(), Asking(Screen(), typist))
    return done, typist.asked


def take_all(site: Path, plan: Path | None = None, given: Given | None = None) -> bool:
    """Take what is proposed, as with --yes."""
    return describe_data(site, "", plan, given or Given(), Asking(Screen(), None))


def labels_of(site: Path) -> Rows:
    with (site / "labels.csv").open(newline="") as file:
        return [*csv.DictReader(file)]


def write_labels(
    site: Path, rows: Rows, separator: str = ",", encoding: str = "utf-8", quote: bool = False
) -> None:
    with (site / "labels.csv").open("w", newline="", encoding=encoding) as file:
        names = [*rows[0]]
        writer = csv.DictWriter(file, names, delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
