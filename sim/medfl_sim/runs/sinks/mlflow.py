"""MLflow, where MLFLOW_TRACKING_URI says, else ./mlruns (pip install 'medfl[mlflow]').

The study is the experiment, the run directory the run; a resumed one stays the same MLflow run.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_server.study.run_directory import Study
from medfl_sim.runs.directories import flat
from medfl_sim.runs.sinks import SINKS

MAX_PARAM = 500  # letters of a parameter that MLflow takes


@SINKS.register("mlflow")
class MLflow:
    """Logs the plan as parameters and the figures as metrics."""

    def __init__(self, study: Study) -> None:
        try:
            mlflow: Any = import_module("mlflow")
        except ImportError:
            raise ConfigError(
                "--log-to mlflow needs MLflow", todo="pip install 'medfl[mlflow]'"
            ) from None
        mlflow.set_experiment(study.plan.study)
        self._mlflow, self._path = mlflow, study.files.mlflow
        kept = json.loads(self._path.read_text()) if self._path.exists() else {}
        name = study.folder.resolve().name
        run = mlflow.start_run(run_id=kept.get("run"), run_name=None if kept else name)
        self._run, self._n_known, self._n = run.info.run_id, kept.get("writes", 0), 0
        if not kept:
            settings = flat(study.plan.model_dump(mode="json"))
            mlflow.log_params({name: text[:MAX_PARAM] for name, text in settings.items()})
            mlflow.log_artifact(str(study.files.plan_file))

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Log the metrics that the MLflow run does not have yet."""
        self._n += 1
        if self._n <= self._n_known:
            return
        self._mlflow.log_metrics(dict(figures), step=step)
        write_atomic(self._path, json.dumps({"run": self._run, "writes": self._n}).encode())

    def close(self) -> None:
        """End the MLflow run."""
        self._mlflow.end_run()
