"""A data folder in the event of a simulation that read its data."""

from dataclasses import dataclass

from medfl_common.run.site_reply import Facts


@dataclass(frozen=True)
class DataSource:
    """What is used of one data folder, what is left out, and why."""

    facts: Facts

    @property
    def n_images(self) -> int:
        """Samples that are used."""
        return int(self.facts["images"])

    @property
    def n_patients(self) -> int | None:
        """Patients that they are of; None where an earlier version wrote the log."""
        return self.facts.get("patients")

    @property
    def left_out(self) -> dict[str, int]:
        """Reason -> files that are left out."""
        return dict(self.facts["left_out"])

    @property
    def left_out_parts(self) -> dict[str, int]:
        """Reason -> frames or candidates left out of files that are used."""
        return dict(self.facts["left_out_parts"])

    @property
    def n_own_patients(self) -> int:
        """Samples of which nothing says whose they are, so each counts as a patient."""
        return int(self.facts["own_patients"])
