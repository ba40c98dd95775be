"""Virtual hospitals: folders as they are, or one data set dealt out by a partitioner."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medfl_client.dataset import Indices, SiteData
from medfl_client.dicom.reader import Reader
from medfl_client.ingest import Collection, Watch, collect, site_data
from medfl_client.site import Site, choose_device
from medfl_client.site_file import SiteFile, load_site_file
from medfl_common.errors import ConfigError
from medfl_common.plan import Plan
from medfl_common.schema import load
from medfl_common.seeds import numpy_generator
from medfl_sim.partitioners import PARTITIONERS, Table


@dataclass(frozen=True)
class Source:
    """One folder with a site file, read for a plan."""

    name: str
    site_file: SiteFile
    collection: Collection


def virtual_sites(
    data: Path,
    plan: Plan,
    partition: str,
    n_sites: int | None,
    site_file: Path | None,
    watch: Watch | None = None,
    reader: Reader | None = None,
) -> dict[str, Site]:
    """Make the virtual hospitals of a simulation: name -> site, in the roster's order.

    Args:
        data: A folder with a site file, or a folder of such folders.
        plan: What to read them for.
        partition: `folder`, `iid`, `dirichlet:ALPHA` or `column:NAME`.
        n_sites: How many, where the partition needs to be told.
        site_file: Describes `data` in place of `data/site.yaml`.
        watch: Follows long work, such as decoding.
        reader: What reads the files; DICOM if not given.
    """
    sources = _sources(data, plan, site_file, watch, reader)
    if partition == "folder":
        return {s.name: _site(s.name, s.site_file, s.collection, None) for s in sources}
    kind, _, argument = partition.partition(":")
    whole = _pool([source.collection for source in sources])
    table = Table(
        patients=whole.patients,
        cells=[sample.cells for sample in whole.samples],
        labels=[sample.label for sample in whole.samples],
    )
    rng = numpy_generator(plan.seed, f"partition {kind}")
    parts = PARTITIONERS.get(kind)(table, argument, n_sites, rng)
    first = sources[0].site_file
    return {name: _site(name, first, whole, part) for name, part in parts.items()}


def _site(name: str, site_file: SiteFile, collection: Collection, part: Indices | None) -> Site:
    def data(plan: Plan, site: str) -> SiteData:
        return site_data(collection, plan, site, part)

    return Site(name, site_file.policy, choose_device(site_file.compute.device), data, state=None)


def _sources(
    data: Path,
    plan: Plan,
    site_file: Path | None,
    watch: Watch | None,
    reader: Reader | None,
) -> list[Source]:
    if site_file is not None:
        return [_source(data, load(SiteFile, site_file), plan, watch, reader)]
    folders = [data] if (data / "site.yaml").exists() else []
    folders = folders or sorted(path.parent for path in data.glob("*/site.yaml"))
    if not folders:
        raise ConfigError(
            f"neither {data.resolve()} nor a folder in it has a site.yaml; write one "
            "(see configs/) or name one with --site-file"
        )
    return [_source(folder, load_site_file(folder), plan, watch, reader) for folder in folders]


def _source(
    folder: Path, site_file: SiteFile, plan: Plan, watch: Watch | None, reader: Reader | None
) -> Source:
    collection = collect(folder, folder / "state", site_file.data, plan, watch, reader)
    return Source(site_file.site, site_file, collection)


def _pool(collections: list[Collection]) -> Collection:
    """Join collections into one, in their order."""
    if len(collections) == 1:
        return collections[0]
    starts = np.cumsum([0] + [len(c.pixels) for c in collections[:-1]])
    return Collection(
        samples=[sample for c in collections for sample in c.samples],
        pixels=np.concatenate([c.pixels for c in collections]),
        rows=np.concatenate([c.rows + start for c, start in zip(collections, starts, strict=True)]),
        patients=[patient for c in collections for patient in c.patients],
        refused={path: reason for c in collections for path, reason in c.refused.items()},
        n_labels_unused=sum(c.n_labels_unused for c in collections),
    )
