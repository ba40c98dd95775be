"""Every key of a simulation's scenario: partitions, scanner shift, faults."""

from tools.reference.keys import key_table
from tools.reference.markdown import page, words_of

from medfl_common.plan.settings import Settings
from medfl_common.registry import Registry
from medfl_sim.data.faults import FAULTS
from medfl_sim.data.partitioners import PARTITIONERS
from medfl_sim.data.scanner_shift import Shift
from medfl_sim.data.scenario import PartitionSettings, Scenario

INTRO = """A scenario is what `medfl-sim` adds to a plan: how data become hospitals, how scanners
differ, what goes wrong. `medfl-sim run PLAN --scenario FILE` reads it from YAML; `--partition
KIND:VALUE` sets the partition alone, VALUE being its first key."""


def scenario() -> str:
    """Give the page."""
    return page(
        "Scenario: every key of a simulation",
        INTRO,
        key_table(Scenario, ""),
        "## partition",
        "These keys go with every kind but `folder`, which takes each folder with a `site.yaml` "
        "for a hospital. A patient is always whole at one hospital.",
        key_table(PartitionSettings, "partition"),
        *_kinds(PARTITIONERS, "partition"),
        "## shift",
        "A list. A number, or a range [low, high] from which every hospital draws its own, once. "
        "Intensities are 0 to 1; the changes are made in the order of the keys.",
        key_table(Shift, "shift"),
        "## faults",
        "A list. Updates are changed after the site's guard, as a hostile site would.",
        *_kinds(FAULTS, "fault"),
    )


def _kinds(registry: Registry[type[Settings]], word: str) -> list[str]:
    blocks = []
    for name in registry.names():
        group = registry.get(name)
        blocks += [f"### {word}: {name}", words_of(group)]
        blocks += [key_table(group, "")] if group.model_fields else ["No keys of its own."]
    return blocks
