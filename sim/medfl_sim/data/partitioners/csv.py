"""Sites from a file: for partitions that a paper or another program gives."""

import csv
from pathlib import Path
from typing import ClassVar

import numpy as np

from medfl_common.errors import ConfigError, reason_of
from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, by_value, refuse_two_values


@PARTITIONERS.register("csv")
class Csv(Settings):
    """Read a CSV with a column `site`, and `file` or `patient`.

    `file` is an image's path below the data folder (with several data folders: SITE/path), as
    `medfl-client index` shows it; `patient` is its PatientID. Images that are not in the file, and
    patients at two sites, are errors.
    """

    file: str
    """The CSV with the columns `site`, and `file` or `patient`."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = False

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Assign each image to the site of its file or patient."""
        kind, homes = self._read()
        keys = table.names if kind == "file" else table.patients
        if kind == "patient":
            homes = {
                key: site
                for patient, site in homes.items()
                for key in (table.pseudonym(patient), f"column {patient.upper()}")
            }
        missing = sum(key not in homes for key in keys)
        if missing:
            raise ConfigError(
                f"{self.file} names no site for {missing} of {len(keys)} images",
                todo=f"name every one in its column {kind}",
            )
        values = [homes[key] for key in keys]
        refuse_two_values(table, values, self.file)
        return by_value(table, values, "")

    def _read(self) -> tuple[str, dict[str, str]]:
        """Return what the file names, and name -> site."""
        try:
            with Path(self.file).open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                columns = reader.fieldnames or []
                rows = list(reader)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = reason_of(error, "it is no CSV in UTF-8")
            raise ConfigError(f"{Path(self.file).resolve()} cannot be read: {why}") from None
        kind = next((name for name in ("file", "patient") if name in columns), None)
        if kind is None or "site" not in columns:
            raise ConfigError(
                f"{self.file} has the columns {', '.join(columns)}",
                todo="name its columns site, and file or patient",
            )
        homes: dict[str, str] = {}
        for row in rows:
            if homes.setdefault(row[kind], row["site"]) != row["site"]:
                raise ConfigError(f"{self.file} gives {row[kind]!r} two sites")
        return kind, homes
