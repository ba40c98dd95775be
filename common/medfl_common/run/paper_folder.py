"""The folder of what a paper on a study needs: the name of each of its files, once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PaperFolder:
    """What `medfl-server paper` writes of one study."""

    path: Path

    @property
    def readme(self) -> Path:
        """What each file is, and how many lines a person has to write."""
        return self.path / "README.md"

    @property
    def protocol(self) -> Path:
        """The plan in words, its hash, and the dates."""
        return self.path / "protocol.md"

    @property
    def plan_file(self) -> Path:
        """The plan itself."""
        return self.path / "plan.yaml"

    @property
    def participants(self) -> Path:
        """Who took part and who was left out, and table 1."""
        return self.path / "participants.md"

    @property
    def table_one(self) -> Path:
        """Table 1 as numbers."""
        return self.path / "table-1.csv"

    @property
    def results(self) -> Path:
        """Scores with intervals, failures, limits, and what it cost."""
        return self.path / "results.md"

    @property
    def numbers(self) -> Path:
        """Each score as a line."""
        return self.path / "results.csv"

    @property
    def claim(self) -> Path:
        """The CLAIM checklist, filled as far as the run knows."""
        return self.path / "claim-2024.md"

    @property
    def tripod(self) -> Path:
        """The TRIPOD+AI checklist, filled as far as the run knows."""
        return self.path / "tripod-ai.md"

    @property
    def annex_iv(self) -> Path:
        """The points of Annex IV of the AI Act, filled as far as the run knows."""
        return self.path / "ai-act-annex-iv.md"

    @property
    def availability(self) -> Path:
        """What of the study others can get, and from whom."""
        return self.path / "data-availability.md"

    @property
    def citation(self) -> Path:
        """How to cite the study, with places for names."""
        return self.path / "CITATION.cff"

    @property
    def references(self) -> Path:
        """BibTeX entries of what the study used."""
        return self.path / "references.bib"

    def figure(self, name: str, ending: str) -> Path:
        """Name a file of a figure: pdf, svg or csv."""
        return self.figure_folder() / f"{name}.{ending}"

    def figure_folder(self) -> Path:
        """Give where all figures are; a sweep calls its own the same."""
        return self.path / "figures"
