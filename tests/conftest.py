"""What tests share: small synthetic hospitals, a small plan, and the real images where they are."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from medfl_common.plan.plan import Plan, load_plan
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

PLAN = """\
plan: 1
study: small
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 24}
model: {name: small_cnn, norm: group}
training: {lr: 0.01, batch_size: 8}
federation: {rounds: 3, deadline_s: 60}
evaluation: {validation: 0.25}
"""


@pytest.fixture(scope="session")
def hospitals_master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hospitals of 40 images, written once; copy before changing them."""
    folder = tmp_path_factory.mktemp("hospitals")
    for site in write_hospitals(folder, n_sites=3, n_images=40, seed=1):
        with (site / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 1}\n")
    return folder


@pytest.fixture
def hospitals(hospitals_master: Path, tmp_path: Path) -> Path:
    """A copy of the three hospitals: site-1, site-2, site-3."""
    return Path(shutil.copytree(hospitals_master, tmp_path / "hospitals"))


MakePlan = Callable[..., Path]


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """Give a function that writes the small plan, changed: make_plan(federation={"rounds": 5})."""

    def make(name: str = "plan.yaml", **sections: dict[str, object]) -> Path:
        values = yaml.safe_load(PLAN)
        for section, changes in sections.items():
            values[section] = {**values.get(section, {}), **changes}
        path = tmp_path / name
        path.write_text(yaml.safe_dump(values))
        return path

    return make


@pytest.fixture
def plan(make_plan: MakePlan) -> Plan:
    """The small plan."""
    return load_plan(make_plan())


@pytest.fixture(scope="session")
def ct_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real CT slices, unpacked; the test is skipped where there are none."""
    source = SHARED / "ct_tcga_dcm"
    if not source.exists():
        pytest.skip("the real CT slices are not on this machine (../shared/data/ct_tcga_dcm)")
    folder = tmp_path_factory.mktemp("ct")
    shutil.unpack_archive(source / "dicom.tar.xz", folder, filter="data")
    shutil.copy(source / "labels.csv", folder)
    return folder


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A place for a coordinator and hospitals as real processes; they end with the test."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    found = Deployment(folder)
    yield found
    found.stop()
