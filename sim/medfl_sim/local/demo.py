"""The demonstration: three synthetic hospitals and a coordinator, as real processes over TLS."""

from pathlib import Path

from medfl_common.errors import ConfigError, RunError
from medfl_common.plan.plan import load_plan
from medfl_common.ui.screen import Screen
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment

N_SITES, N_IMAGES = 3, 200


def demonstrate(folder: Path, plan: Path, screen: Screen) -> None:
    """Make hospitals, enrol them, run the study to its report; raises RunError if it fails."""
    load_plan(plan)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty", todo="choose another directory")
    screen.say(f"writing {N_SITES} synthetic hospitals with {N_IMAGES} DICOM images each")
    sites = write_hospitals(folder / "hospitals", N_SITES, N_IMAGES, seed=0)
    deployment = Deployment(folder)
    screen.say(
        "the coordinator makes the study and enrols each hospital's key; each approves the plan"
    )
    deployment.create(plan, {site.name: site for site in sites})
    screen.say("starting three hospitals and the coordinator, each in its own process")
    try:
        for site in sites:
            deployment.start_client(site)
        status = deployment.start_server(show=True).wait()
    finally:
        deployment.stop()
    if status != 0:
        raise RunError(
            f"the coordinator ended with status {status}", todo=f"see {folder} for the logs"
        )
    screen.say(f"what each hospital saw: {folder}/site-1.log, site-2.log, site-3.log")
    screen.say(f"what left the first hospital: medfl-client audit show {sites[0]}")
