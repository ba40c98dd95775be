"""What a simulation adds to a plan: the partition, scanner shift, and faults.

A scenario is a YAML file with the keys `partition`, `shift` and `faults`, or command-line options.
The plan stays what a real study would run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self, cast

import numpy as np
from pydantic import Field, JsonValue, model_validator

from medfl_common.errors import ConfigError, RunError
from medfl_common.files import write_atomic
from medfl_common.plan.settings import Settings, check, load
from medfl_common.plan.strict_yaml import parse_yaml
from medfl_common.run.folder import RunFolder
from medfl_common.seeds import numpy_generator
from medfl_sim.data.faults import FAULTS, Fault
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, Way
from medfl_sim.data.scanner_shift import Shift

AS_THEY_ARE = "folder"  # each folder with a site file is a hospital
MAX_DRAWS = 1000

Values = dict[str, JsonValue]


class PartitionSettings(Settings):
    """Settings of every partition."""

    kind: str
    """The partitioner."""
    sites: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The number of hospitals, for partitioners that do not take it from the data."""
    min_patients: Annotated[int, Field(ge=1)] | None = None
    """The fewest patients of a site; default: the partitioner's own."""
    min_per_class: Annotated[int, Field(ge=0)] = 0
    """The fewest patients of each class at a site."""


class Scenario(Settings):
    """The origin of the virtual hospitals, and what changes or fails at them."""

    partition: Values = Field(default={"kind": AS_THEY_ARE})
    """The partition: `kind`, and the settings of that kind."""
    partition_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Decides how the hospitals are drawn: the partition and the scanner shift; default: the
    plan's seed. With it, runs of several seeds have the same hospitals."""
    shift: list[Shift] = Field(default=[])
    """Scanner shift of some hospitals' images."""
    faults: list[Values] = Field(default=[])
    """Injected faults: a list of `kind`, and the settings of that kind."""

    def seed_of(self, plan_seed: int) -> int:
        """Give the seed by which the hospitals of a plan are drawn."""
        return plan_seed if self.partition_seed is None else self.partition_seed

    @model_validator(mode="after")
    def _parts_are_known(self) -> Self:
        try:
            read_faults(self)
            if self.partition.get("kind") != AS_THEY_ARE:
                read_way(self.partition)
            elif len(self.partition) > 1:
                raise ConfigError(f"the partition {AS_THEY_ARE} has no settings")
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file."""
    return load(Scenario, path)


def choose_scenario(
    source: Path | Mapping[str, JsonValue] | None,
    partition: str | None,
    n_sites: int | None,
    partition_seed: int | None = None,
) -> Scenario:
    """Read a scenario from a file or settings; a partition or its seed apart replaces its own."""
    if source is None:
        scenario = Scenario()
    elif isinstance(source, Path):
        scenario = load_scenario(source)
    else:
        scenario = check(Scenario, dict(source), "the scenario")
    if partition is None and n_sites is not None:
        raise ConfigError(
            "the number of sites is a setting of a partition", todo="name one (--partition)"
        )
    apart: dict[str, JsonValue] = {}
    if partition is not None:
        apart["partition"] = read_partition(partition, n_sites)
    if partition_seed is not None:
        apart["partition_seed"] = partition_seed
    return check(Scenario, {**scenario.model_dump(), **apart}, "the partition")


def keep_scenario(folder: Path, scenario: Scenario) -> None:
    """Write the scenario into a new run directory; raises RunError if it has another one."""
    values = scenario.model_dump(mode="json")
    if scenario.partition_seed is None:  # scenarios of before have no such key
        del values["partition_seed"]
    path, text = RunFolder(folder).scenario, json.dumps(values, indent=1)
    if not path.exists():
        write_atomic(path, text.encode())
    elif path.read_text() != text:
        raise RunError(
            f"{folder} has another scenario ({path})",
            todo="give the same partition, shift and faults to resume, or another --out",
        )


def read_partition(text: str, n_sites: int | None = None) -> Values:
    """Read `KIND`, `KIND:VALUE` or `KIND:key=value,key=value` from a command line."""
    kind, _, rest = text.partition(":")
    values: Values = {"kind": kind} if n_sites is None else {"kind": kind, "sites": n_sites}
    if kind == AS_THEY_ARE:
        if rest:
            raise ConfigError(f"partition {text}: {kind} takes no value after the colon")
        return values
    main: list[JsonValue] = []
    for part in rest.split(",") if rest else []:
        key, equals, word = part.partition("=")
        if equals:
            values[key.strip()] = _scalar(word)
        else:
            main.append(_scalar(part))
    if main:
        values[_main_key(kind, text)] = main if kind == "year" or len(main) > 1 else main[0]
    return values


def partitioned(text: str, n_sites: int | None = None) -> Scenario:
    """Make the scenario that only partitions the data, from a command line."""
    return check(Scenario, {"partition": read_partition(text, n_sites)}, "the partition")


def _main_key(kind: str, text: str) -> str:
    fields = PARTITIONERS.get(kind).model_fields
    if not fields:
        raise ConfigError(f"partition {text}: {kind} takes no value after the colon")
    return next(iter(fields))


def _scalar(word: str) -> JsonValue:
    return parse_yaml(f"value: {word.strip()}", f"the value {word.strip()!r}")["value"]


@dataclass(frozen=True)
class Partition:
    """A partitioner, and what every site must have."""

    settings: PartitionSettings
    way: Way

    def parts(self, table: Table, seed: int) -> Parts:
        """Partition a table; draw again until each site has enough, or raise ConfigError."""
        settings, least = self.settings, self.settings.min_patients or self.way.least
        rng = numpy_generator(seed, f"partition {settings.kind}")
        lack = ""
        for _ in range(MAX_DRAWS if self.way.needs_sites else 1):
            parts = self.way.partition(table, settings.sites or 0, rng)
            lack = lacking(parts, table, least, settings.min_per_class)
            if not lack:
                return parts
        raise ConfigError(
            f"partition {settings.kind}: {lack}",
            todo="take fewer sites, a milder setting, or lower min_patients or min_per_class",
        )


def lacking(parts: Parts, table: Table, min_patients: int, min_per_class: int) -> str:
    """Say which site has too few patients, or too few of a class; empty: none."""
    label_of = table.patient_labels()
    n_classes = max(label_of.values()) + 1
    for site, images in parts.items():
        labels = [label_of[p] for p in {table.patients[i] for i in images}]
        if len(labels) < min_patients:
            return f"{site} would have {len(labels)} patients, the minimum is {min_patients}"
        fewest = np.bincount(labels, minlength=n_classes).min() if labels else 0
        if fewest < min_per_class:
            return f"{site} would have {fewest} patients of a class, the minimum is {min_per_class}"
    return ""


def read_way(values: Values) -> Partition:
    """Turn settings into a partition; raises ConfigError."""
    common = {key: value for key, value in values.items() if key in PartitionSettings.model_fields}
    settings = check(PartitionSettings, common, "the partition")
    made = PARTITIONERS.get(settings.kind)
    own = {key: value for key, value in values.items() if key not in common}
    way = cast("Way", check(made, own, f"the partition {settings.kind}"))
    if way.needs_sites and settings.sites is None:
        raise ConfigError(f"the partition {settings.kind} needs the number of sites (--sites N)")
    if settings.sites is not None and not way.needs_sites:
        raise ConfigError(
            f"the partition {settings.kind} takes the number of sites from the data",
            todo="leave out --sites",
        )
    return Partition(settings, way)


def read_faults(scenario: Scenario) -> list[Fault]:
    """Turn the scenario's fault settings into faults; raises ConfigError."""
    faults = []
    for values in scenario.faults:
        own = {key: value for key, value in values.items() if key != "kind"}
        kind = str(values.get("kind", ""))
        faults.append(cast("Fault", check(FAULTS.get(kind), own, f"the fault {kind}")))
    return faults
