"""TensorBoard (pip install 'medfl[tensorboard]'): `tensorboard --logdir` over a folder of runs.

A resumed run writes from its first round again, so no figure appears twice.
"""

import shutil
from collections.abc import Mapping

from medfl_common.errors import ConfigError
from medfl_server.study.run_directory import Study
from medfl_sim.runs.sinks import SINKS

FOLDER = "tensorboard"


@SINKS.register("tensorboard")
class TensorBoard:
    """Writes event files into the run directory."""

    def __init__(self, study: Study) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "--log-to tensorboard needs TensorBoard", todo="pip install 'medfl[tensorboard]'"
            ) from None
        shutil.rmtree(study.folder / FOLDER, ignore_errors=True)
        self._writer = SummaryWriter(str(study.folder / FOLDER))
        self._writer.add_text("plan", f"```\n{study.files.plan_file.read_text()}\n```")

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Add each figure as a scalar."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()
