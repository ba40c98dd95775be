"""A hospital as the work sees it: its policy, its device, its data on demand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import RecordDict

from medfl_client.config.folder import PUBLIC, SIGNING_KEY, SiteFolder, StateFolder, home_of
from medfl_client.config.identity import signing_key
from medfl_client.config.site_file import Policy, SiteFile
from medfl_client.connection.task_key import StudyKey
from medfl_client.data.dataset import SiteData
from medfl_client.data.ingest import Watch, collect
from medfl_client.data.site_data import own_data
from medfl_client.data.split_notes import keep_sides
from medfl_client.egress import statements
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan


@dataclass(frozen=True)
class Site:
    """A hospital as the work sees it: its policy, its device, its data on demand."""

    name: str
    policy: Policy
    device: torch.device
    data: Callable[[Plan], SiteData]  # its images, split by patient
    state: Path | None  # ledger, incidents and kept replies; None: a virtual hospital keeps none
    signing: Ed25519PrivateKey | None = None  # signs replies; a virtual hospital's, keys alone
    study_key: StudyKey | None = None  # signs tasks; None: a virtual hospital asks for no signature
    local: Path | None = None  # layers that stay at the site, by run; None: in memory only
    server: str = "simulation"  # to whom replies go, for the ledger
    epochs: int | None = None  # of a round, as far as the plan allows; None: the plan's
    n_patients: int | None = None  # that it says it trains on, under noise; None: the plan's least
    noise_state: Path | None = None  # whose noise key a virtual hospital takes, if there is one

    def check_task(self, content: RecordDict, tell: Callable[[str], None]) -> str:
        """Give the digest of a task that is the coordinator's; hear what it knows of the ledger.

        Raises ForeignTaskError for another; empty for a virtual hospital.
        """
        if self.study_key is None or self.state is None:
            return ""
        digest = self.study_key.check(content)
        if (news := statements.receive(self.state, content, self.study_key.own)) is not None:
            tell(news)
        return digest


def choose_device(wish: str) -> torch.device:
    """Turn a site file's device into one of torch's; `auto` takes a GPU where there is one."""
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wish.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"compute.device is {wish}, and torch sees no GPU here", todo="set it to auto"
        )
    return torch.device(wish)


def open_site(
    folder: Path,
    site_file: SiteFile,
    watch: Watch | None = None,
    wait: Callable[[Plan], None] = lambda plan: None,
) -> Site:
    """Make the site of a folder; its data are read at the first task.

    Args:
        folder: The site's.
        site_file: What it says.
        watch: Follows the reading.
        wait: Waits for who reads the same already.
    """
    state, home = SiteFolder(folder).state, home_of(folder)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)

    def data(plan: Plan) -> SiteData:
        wait(plan)
        collection = collect(folder, state, site_file.data, plan, watch)
        found = own_data(state, site_file, collection, plan)
        keep_sides(state, plan, found.sides)
        return found

    device, server = choose_device(site_file.compute.device), site_file.server
    return Site(
        site_file.site,
        site_file.policy,
        device,
        data,
        state,
        signing_key(folder) if (home / SIGNING_KEY).exists() else None,
        StudyKey(folder / server.ca, state, home / PUBLIC) if server else None,
        StateFolder(state).local,
        server.address if server else "simulation",
        site_file.compute.epochs,
        site_file.data.patients,
    )
