"""What a client says when the coordinator goes, of one study or of several."""

from pathlib import Path

import pytest

from medfl_client.commands.run import _Farewell
from medfl_client.config.folder import SiteFolder
from medfl_client.task.farewell import Farewell
from medfl_common.wire.goodbye import Goodbye


@pytest.mark.parametrize("names", [["lungs"], ["lungs", "hearts"]])
def test_a_client_says_that_it_ends_only_with_the_last_of_its_studies(
    names: list[str], tmp_path: Path
) -> None:
    said: list[str] = []
    words = _Farewell(said.append, lambda: None, lambda: True)
    tells = {name: words.teller(tmp_path / "studies" / name) for name in names}

    for name, tell in tells.items():
        state = SiteFolder(tmp_path / "studies" / name).state
        tell(Farewell.of(Goodbye("finished", name, "a" * 32, "b" * 64, 2), state))

    ends = [line.rpartition("; ")[2] for line in said]
    goes_on = "this client goes on for the other studies"
    assert ends == [goes_on] * (len(names) - 1) + ["this client ends"]
