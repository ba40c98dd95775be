"""Injected faults in the sites' data, before training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medfl_client.data.dataset import SiteData
from medfl_client.task.site import Site
from medfl_common.plan.plan import Plan
from medfl_common.seeds import numpy_generator
from medfl_sim.data.faults import DataFault, Fault, struck


def corrupted(sites: Mapping[str, Site], faults: Sequence[Fault]) -> dict[str, Site]:
    """Apply the faults to the sites' data."""
    result, roster = dict(sites), [*sites]
    for fault in faults:
        for name in struck(fault, roster):
            if isinstance(fault, DataFault):
                result[name] = _corrupt(name, result[name], fault)
    return result


def _corrupt(name: str, site: Site, fault: DataFault) -> Site:
    def data(plan: Plan) -> SiteData:
        rng = numpy_generator(plan.seed, f"fault {type(fault).__name__}", 0, name)
        return fault.corrupt_data(site.data(plan), plan, rng)

    return replace(site, data=data)
