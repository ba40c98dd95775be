"""The names of the files that only a simulation writes into a run directory, once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SimulationFiles:
    """What is in a run directory only where hospitals are simulated."""

    path: Path

    @property
    def scenario(self) -> Path:
        """Partition, scanner shift and faults; only in a simulation."""
        return self.path / "scenario.json"

    @property
    def partition_page(self) -> Path:
        """Which hospital has what; only in a simulation."""
        return self.path / "partition.html"

    @property
    def partition_table(self) -> Path:
        """The same, a line per hospital."""
        return self.path / "partition.csv"

    @property
    def not_sent_log(self) -> Path:
        """What hospitals did not send, and why; only in a simulation."""
        return self.path / "not-sent.log"

    @property
    def comparison(self) -> Path:
        """The numbers of the comparison with the baselines."""
        return self.path / "comparison.json"

    @property
    def comparison_page(self) -> Path:
        """Whether joining helped each hospital, as a page."""
        return self.path / "compare.html"

    @property
    def baseline_plan(self) -> Path:
        """The plan of the baselines."""
        return self.path / "baseline.yaml"

    @property
    def baselines(self) -> Path:
        """Run directories of each hospital alone, and of all images in one place."""
        return self.path / "baselines"

    @property
    def cross_site(self) -> Path:
        """The numbers of every model at every hospital."""
        return self.path / "cross-site.json"

    @property
    def cross_site_page(self) -> Path:
        """The same, as a page."""
        return self.path / "cross-site.html"

    @property
    def without_plan(self) -> Path:
        """The plan of a federation that lacks one hospital."""
        return self.path / "leave-one-out.yaml"

    @property
    def leave_one_out(self) -> Path:
        """Run directories of the federations without each hospital."""
        return self.path / "leave-one-out"

    @property
    def left_out(self) -> Path:
        """The numbers of each federation at the hospital that it lacks."""
        return self.path / "leave-one-out.json"

    @property
    def left_out_page(self) -> Path:
        """The same, as a page."""
        return self.path / "leave-one-out.html"

    @property
    def folds(self) -> Path:
        """Run directories of each fold."""
        return self.path / "folds"

    @property
    def tested(self) -> Path:
        """A hash of who is tested in each fold."""
        return self.path / "tested.json"

    @property
    def fold_scores(self) -> Path:
        """The numbers of the folds."""
        return self.path / "folds.json"

    @property
    def folds_page(self) -> Path:
        """The same, as a page."""
        return self.path / "folds.html"

    @property
    def mlflow(self) -> Path:
        """The run in MLflow, where a simulation logs to it."""
        return self.path / "mlflow.json"
