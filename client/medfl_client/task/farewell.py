"""The coordinator's last word at a site: said once, and only for the run that asked here last."""

from contextlib import suppress
from pathlib import Path
from typing import Self

from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.egress import budget
from medfl_client.egress.questions import newest_run, plans_of
from medfl_client.egress.sums.journal import FileJournal
from medfl_client.task.site import Site
from medfl_common.errors import RunError
from medfl_common.visible import visible
from medfl_common.wire.goodbye import Goodbye, goodbye_in
from medfl_common.wire.study_key import foreign

WAITS = "this client waits for it, and says so when it is back"
RESTS = {
    "paused": f"the coordinator has paused it, because too few hospitals answered; {WAITS}",
    "wished": f'the coordinator has paused it, and says: "{{}}"; {WAITS}',
    "stopped": f"the coordinator was stopped; {WAITS}",
}


class Farewell(str):
    """A line that says why the coordinator goes."""

    __slots__ = ("is_end",)
    is_end: bool  # nothing more will be asked

    @classmethod
    def of(cls, goodbye: Goodbye, state: Path) -> Self:
        """Say it, and know whether it is for good."""
        if goodbye.why == "finished":
            model = StateFolder(state).models / goodbye.run
            where = f"in {model}" if model.exists() else "with the coordinator"
            ended = f': the coordinator has ended it, and says: "{visible(goodbye.message)}"'
            what = f"is finished{ended if goodbye.message else ''}; the final model is {where}"
        else:
            why = "wished" if goodbye.why == "paused" and goodbye.message else goodbye.why
            rests = RESTS[why].format(visible(goodbye.message))
            what = f"rests after round {goodbye.round}: {rests}"
        line = cls(f"the study {goodbye.study} {what}")
        line.is_end = goodbye.why == "finished"
        return line


def farewell_in(content: RecordDict, site: Site) -> Farewell | None:
    """Read the last word in a message whose signature holds; None: it is a task.

    Raises ForeignTaskError for the word of another run than the one that asked here last.
    """
    goodbye = goodbye_in(content)
    if goodbye is None or site.state is None:
        return None
    if newest_run(site.state, goodbye.plan) not in ("", goodbye.run):
        raise foreign("the coordinator's last word is another run's")
    if goodbye.why == "finished":
        FileJournal.of(StateFolder(site.state).secure, goodbye.run).forget()
        with suppress(RunError):  # an account that is not whole: the next question says so
            for plan in sorted(plans_of(site.state, goodbye.run) | {goodbye.plan}):
                budget.release(site.state, plan, "finished")
    return Farewell.of(goodbye, site.state)
