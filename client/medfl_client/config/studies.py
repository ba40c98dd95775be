"""The studies of one hospital: its directory, and one below `studies/` for each further study.

A directory below has a site file, plan, ca.crt and state of its own, so policy, approvals, ledger,
questions and withdrawal are that study's. It has no keys: a hospital has one identity at a
coordinator. What protects patients over all studies is above: `patients.key`, `patient-sets`,
`splits`.
"""

import signal
from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder, home_of
from medfl_client.config.site_file import Network, SiteFile, load_site_file
from medfl_common.errors import ConfigError

CUT = signal.SIGUSR1  # to the client that runs: a study was left, so connect anew


def study_folders(folder: Path) -> list[Path]:
    """List the directories of a hospital's studies, its own first."""
    home = home_of(folder)
    below = SiteFolder(home).studies.glob(f"*/{SiteFolder(home).site_file.name}")
    return [home, *sorted(path.parent for path in below)]


def states_of(state: Path) -> list[Path]:
    """List the states of all studies of the hospital that a study's state belongs to."""
    others = (SiteFolder(folder).state for folder in study_folders(state.parent))
    return [*dict.fromkeys(path.resolve() for path in (state, *others))]


def running_state(folder: Path) -> Path:
    """Give the state whose lock the hospital's client holds; it runs all studies."""
    return SiteFolder(home_of(folder)).state


def network_of(folder: Path, site: SiteFile) -> tuple[Network, Path]:
    """Say how the machine reaches the coordinator, and to which directory paths there are relative.

    The way is the hospital's, so a study's own site file does not say it.
    """
    home = home_of(folder)
    return (site.network, folder) if home == folder else (load_site_file(home).network, home)


def check_goes_with(folder: Path, site: SiteFile, home: SiteFile) -> None:
    """Raise ConfigError where a study's site file says what one client cannot do for it."""
    path = SiteFolder(folder).site_file
    if site.site != home.site:
        raise ConfigError(
            f"{path} says site: {site.site}, the hospital's own says {home.site}",
            todo="write the same: a hospital has one name and one pair of keys at a coordinator",
        )
    if site.server is None or home.server is None or site.server.address != home.server.address:
        raise ConfigError(
            f"{path} does not name the hospital's own coordinator",
            todo="write the same server.address; a study of another coordinator needs a site "
            "directory of its own",
        )
    if site.policy.hours not in ("any", home.policy.hours):
        raise ConfigError(
            f"{path} says hours: {site.policy.hours}; one client takes the tasks of all studies",
            todo=f"write policy.hours in {StateFolder.of(home_of(folder)).path.parent} only",
        )
