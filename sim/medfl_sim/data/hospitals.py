"""Virtual hospitals: one per folder, or a data set that a partitioner splits."""

import os
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import Policy, SiteFile, load_site_file
from medfl_client.data.dataset import Indices, SiteData
from medfl_client.data.dicom.header import pseudonym
from medfl_client.data.ingest import Collection, Watch, collect
from medfl_client.data.masked import joined_masks
from medfl_client.data.own_shapes import joined
from medfl_client.data.reader import Reader
from medfl_client.data.reasons import count_reasons
from medfl_client.data.site_data import site_data
from medfl_client.data.split_notes import known_sides
from medfl_client.task.site import Site, choose_device
from medfl_common.errors import ConfigError
from medfl_common.files import Json, write_private
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import load
from medfl_common.run.events import DataRead
from medfl_sim.data.corruption import corrupted
from medfl_sim.data.fold import Fold
from medfl_sim.data.partitioners import Table
from medfl_sim.data.scanner_shift import Shift, shifted
from medfl_sim.data.scenario import AS_THEY_ARE, Scenario, read_faults, read_way

AS_IT_IS = Scenario()
# An invented hospital has nobody whose policy it could follow.
NO_POLICY = Policy(approval="none", min_images=1, min_cell=1, networks="any", bare_networks=True)
# On one machine a network that the researcher brings is tried where a site file is silent on it.
TRIED = {"networks": "any", "bare_networks": True}


@dataclass(frozen=True)
class Source:
    """One folder with a site file, read for a plan."""

    name: str
    folder: Path  # of the images
    site_file: SiteFile
    collection: Collection
    secret: bytes  # of the pseudonyms
    state: Path  # of the hospital itself, which may have noted its split


class Part(NamedTuple):
    """What a virtual hospital has: a folder as it is, or images of all folders."""

    site_file: SiteFile
    collection: Collection
    chosen: Indices | None = None  # None: all
    state: Path | None = None  # of the folder


class Hospitals(NamedTuple):
    """Virtual hospitals, name -> site, and what was read for them."""

    sites: dict[str, Site]
    read: DataRead


def virtual_sites(
    data: Path,
    plan: Plan,
    scenario: Scenario = AS_IT_IS,
    site_file: Path | None = None,
    watch: Watch | None = None,
    reader: Reader | None = None,
) -> dict[str, Site]:
    """Make the virtual hospitals of a simulation: name -> site; see `read_hospitals`."""
    return read_hospitals(data, plan, scenario, site_file, watch, reader).sites


def read_hospitals(
    data: Path,
    plan: Plan,
    scenario: Scenario = AS_IT_IS,
    site_file: Path | None = None,
    watch: Watch | None = None,
    reader: Reader | None = None,
    cache: Path | None = None,
    fold: Fold | None = None,
) -> Hospitals:
    """Make the virtual hospitals of a simulation, in the roster's order; tell what was read.

    Without a partition, each folder keeps the policy of its site file.

    Args:
        data: A folder with a site file, or a folder of such folders.
        plan: What to read them for.
        scenario: The partition, and the changes to the data.
        site_file: Describes `data` in place of `data/site.yaml`.
        watch: Follows long work, such as decoding.
        reader: What reads the files; DICOM if not given.
        cache: Where decoded images and the keys of the pseudonyms go; the folders' own state
            if not given.
        fold: Which patients are tested, in place of the plan's split.
    """
    if fold is not None and plan.privacy.noise is not None:
        raise ConfigError("folds move patients between the parts, which privacy.noise cannot have")
    # Absolute paths: the decoding process may have started in another folder.
    sources = read_sources(data.resolve(), plan, site_file, watch, reader, cache)
    if scenario.partition["kind"] == AS_THEY_ARE:
        made = {s.name: Part(s.site_file, s.collection, None, s.state) for s in sources}
    else:
        whole = _pool([source.collection for source in sources])
        seed = scenario.seed_of(plan.seed)
        parts = read_way(scenario.partition).parts(_table(sources, whole), seed)
        made = {name: Part(sources[0].site_file, whole, part) for name, part in parts.items()}
    _check_names(scenario.shift, made)
    sites = {name: _site(name, part, scenario, plan, fold) for name, part in made.items()}
    read = DataRead.of({source.name: facts_of(source) for source in sources})
    return Hospitals(corrupted(sites, read_faults(scenario)), read)


def facts_of(source: Source) -> Json:
    """Say what of a folder is used, what is not and why, and whether its patients are known."""
    found = source.collection
    own = [sample.patient == pseudonym(source.secret, sample.row.sop) for sample in found.samples]
    return {
        "images": len(found.samples),
        "patients": len(set(found.patients)),
        "left_out": {**count_reasons(found.refused)},
        "left_out_parts": {**found.refused_parts},
        "own_patients": sum(own),
    }


def _check_names(shifts: Sequence[Shift], sites: Container[str]) -> None:
    for shift in shifts:
        for name in shift.sites if shift.sites != "all" else []:
            if name not in sites:
                raise ConfigError(f"the shift names the site {name!r}, which does not exist")


def _table(sources: list[Source], whole: Collection) -> Table:
    homes = [source for source in sources for _ in source.collection.samples]
    prefixes = [f"{s.name}/" if len(sources) > 1 else "" for s in homes]
    rows = [sample.row for sample in whole.samples]
    return Table(
        patients=whole.patients,
        cells=[sample.cells for sample in whole.samples],
        labels=[sample.label for sample in whole.samples],
        files=[source.folder / row.path for source, row in zip(homes, rows, strict=True)],
        names=[prefix + row.name for prefix, row in zip(prefixes, rows, strict=True)],
        years=[row.year for row in rows],
        pseudonym=partial(pseudonym, sources[0].secret),
    )


def _policy_of(site_file: SiteFile, plan: Plan) -> Policy:
    """Give a folder's policy; what it does not say of networks as data and plugins may be tried."""
    policy = site_file.policy
    tried = {} if "networks" in policy.model_fields_set else dict[str, object](TRIED)
    if "plugins" not in policy.model_fields_set:
        tried["plugins"] = plan.plugins
    return policy.model_copy(update=tried)


def _site(name: str, own: Part, scenario: Scenario, plan: Plan, fold: Fold | None = None) -> Site:
    site_file, collection, part, state = own
    none = NO_POLICY.model_copy(update={"plugins": plan.plugins})
    policy = _policy_of(site_file, plan) if part is None else none
    if scenario.shift:
        every = np.arange(len(collection.samples)) if part is None else np.sort(part)
        seed = scenario.seed_of(plan.seed)
        collection, part = shifted(collection, every, scenario.shift, name, seed)

    def data(plan: Plan) -> SiteData:
        if fold is not None:
            return site_data(collection, plan, fold.sides(collection, plan, part, name), part)
        sides = {} if state is None else known_sides(state, plan, collection, name)
        return site_data(collection, plan, sides, part, policy.role == "evaluate")

    compute = site_file.compute
    device = choose_device(compute.device)
    return Site(
        name,
        policy,
        device,
        data,
        state=None,
        epochs=compute.epochs,
        n_patients=site_file.data.patients if part is None else None,
        noise_state=state,
    )


def read_sources(
    data: Path,
    plan: Plan,
    site_file: Path | None,
    watch: Watch | None,
    reader: Reader | None,
    cache: Path | None,
) -> list[Source]:
    """Read the folder, or the folders in it, that have a site file; see `read_hospitals`."""
    if site_file is not None:
        return [_source(data, load(SiteFile, site_file), plan, watch, reader, cache)]
    folders = [data] if SiteFolder(data).site_file.exists() else []
    folders = folders or sorted(path.parent for path in data.glob("*/site.yaml"))
    if not folders:
        raise ConfigError(
            f"neither {data} nor a folder in it has a site.yaml",
            todo="write one (see configs/) or name one with --site-file",
        )
    return [
        _source(folder, load_site_file(folder), plan, watch, reader, cache) for folder in folders
    ]


def _source(
    folder: Path,
    site_file: SiteFile,
    plan: Plan,
    watch: Watch | None,
    reader: Reader | None,
    cache: Path | None,
) -> Source:
    state = SiteFolder(folder).state if cache is None else _state_in(cache, folder)
    _keep_secret(folder, state, site_file.site)
    collection = collect(folder, state, site_file.data, plan, watch, reader)
    images = folder / site_file.data.folder
    secret, own = site_secret(state), SiteFolder(folder).state
    return Source(site_file.site, images, site_file, collection, secret, own)


def _keep_secret(folder: Path, state: Path, site: str) -> None:
    """Take the hospital's own secret, as its client does; else one from its name.

    The split follows from the secret: so a simulation is repeated anywhere, to the bit.
    """
    path = StateFolder(state).patients_key
    if path.exists():
        return
    made = sha256(f"medfl simulation {site}".encode()).hexdigest()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, (_own_key(folder) or made).encode())


def _state_in(cache: Path, folder: Path) -> Path:
    """Give a folder's state beside the runs: one place for each, however it is reached.

    The key of a hospital's pseudonyms stays the key of what is read of it; another key has
    another place, where no index holds the pseudonyms of the first.
    """
    key = _own_key(folder).encode()
    place = sha256(str(folder.resolve()).encode() + key).hexdigest()[:12]
    state = cache.resolve() / f"{folder.name}-{place}"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return state


def _own_key(folder: Path) -> str:
    """Read the key of a real hospital; empty: it has none, or none that may be read."""
    path = StateFolder.of(folder).patients_key
    return path.read_text() if os.access(path, os.R_OK) else ""


def _pool(collections: list[Collection]) -> Collection:
    """Join collections into one, in order."""
    if len(collections) == 1:
        return collections[0]
    pixels, rows = joined([(c.pixels, c.rows) for c in collections])
    masks = [c.masks for c in collections if c.masks is not None]
    boxes = [c.boxes for c in collections if c.boxes is not None]
    return Collection(
        samples=[sample for c in collections for sample in c.samples],
        pixels=pixels,
        rows=rows,
        masks=joined_masks(masks) if masks else None,
        boxes=[one for own in boxes for one in own] if boxes else None,
        patients=[patient for c in collections for patient in c.patients],
        refused={path: reason for c in collections for path, reason in c.refused.items()},
        n_labels_unused=sum(c.n_labels_unused for c in collections),
        secret=collections[0].secret,
    )
