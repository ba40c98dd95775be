import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import MakePlan

from medfl_client.commands.run import free_port
from medfl_client.config.identity import create_identity
from medfl_common.errors import LinkError
from medfl_common.files import Json
from medfl_common.ops.certificate import valid_until
from medfl_common.ops.prometheus import serve_metrics
from medfl_common.run.following import NewLines
from medfl_server.prometheus import Monitor, watch, watch_together
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.enrolment import enrol
from medfl_server.study.run_directory import Study, create_study
from medfl_server.superlink.transport import ConnectedSite


@pytest.fixture
def study(tmp_path: Path, make_plan: MakePlan) -> Study:
    """A study of three enrolled hospitals, stopped and begun again, with one round that failed."""
    made = create_study(tmp_path / "study", make_plan(federation={"rounds": 7}))
    create_authority(made.folder, "small", "localhost")
    for name in ("north", "south", "west"):
        create_identity(tmp_path / name, name)
        enrol(made.folder, name, tmp_path / name / "identity.pub")
    made.log.write("started", sites=["north", "south", "west"], sha256="ab")
    add(made, "round", 1, ["north", "south"], {"west": "not connected"})
    add(made, "round_without_quorum", 2, ["north"], {
        "south": "quarantined: the update is too large", "west": "no reply before the deadline",
    })  # fmt: skip
    made.log.write("late_reply", site="west", round=2)
    made.log.write("paused", round=1)
    return made


def add(study: Study, event: str, round_: int, sites: list[str], missing: dict[str, Json]) -> None:
    facts: dict[str, Json] = {s: {"bytes_received": 1000, "bytes_sent": 1100} for s in sites}
    study.log.write(event, round=round_, seconds=12.5 * round_, sites=facts, missing=missing)


def scrape(port: int, address: str = "127.0.0.1") -> dict[tuple[str, str], float]:
    url = f"http://{address}:{port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name.removeprefix("medfl_"), sample.labels.get("site", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_a_scrape_shows_what_the_run_log_says_and_who_is_connected(study: Study) -> None:
    here = {"south": ConnectedSite(1, "a"), "north": ConnectedSite(2, "b")}
    port = free_port()
    watch(study, lambda: here, port)()

    seen = scrape(port)

    expected = {
        "rounds_made": 1, "rounds_planned": 7, "rounds_without_quorum_total": 1,
        "round_seconds": 25, "pauses_total": 1, "paused": 1, "finished": 0,
        "sites_enrolled": 3, "sites_connected": 2, "sites_answered": 1,
    }  # fmt: skip
    assert {name: seen[name, ""] for name in expected} == expected
    per_site = {
        "site_connected": (1, 1, 0), "site_rounds_missed_total": (0, 1, 2),
        "site_quarantined_total": (0, 1, 0), "site_late_replies_total": (0, 0, 1),
        "site_bytes_received_total": (2000, 1000, 0), "site_bytes_sent_total": (2200, 1100, 0),
    }  # fmt: skip
    for name, values in per_site.items():
        assert tuple(seen[name, site] for site in ("north", "south", "west")) == values, name
    assert seen["last_event_timestamp_seconds", ""] == study.log.lines()[-1]["time"]
    ends = valid_until(study.folder / "tls" / "server.crt").timestamp()
    assert seen["certificate_ends_timestamp_seconds", ""] == ends
    assert {site for _, site in seen} == {"", "north", "south", "west"}  # no other label


def test_later_scrapes_count_every_line_once_and_no_torn_one(study: Study) -> None:
    port = free_port()
    watch(study, dict, port)
    scrape(port)
    study.log.write("resumed", round=1)
    add(study, "round", 2, ["north", "south", "west"], {})
    log = study.folder / "log.jsonl"
    with log.open("a") as file:
        file.write('{"event": "round", "ti')  # the loop is in the middle of a line

    threads = [threading.Thread(target=scrape, args=(port,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = scrape(port)

    assert (seen["rounds_made", ""], seen["paused", ""]) == (2, 0)
    assert seen["site_bytes_received_total", "north"] == 3000
    assert log.read_text().endswith('"ti')  # a scrape cuts nothing


def test_a_log_that_was_rewritten_is_counted_anew(study: Study) -> None:
    port = free_port()
    watch(study, dict, port)
    assert scrape(port)["rounds_made", ""] == 1

    study.log.take_back_rounds(0)
    study.log.write("resumed", round=0)
    add(study, "round", 1, ["north", "south", "west"], {})
    seen = scrape(port)

    assert (seen["rounds_made", ""], seen["rounds_without_quorum_total", ""]) == (1, 1)
    assert seen["site_rounds_missed_total", "west"] == 1


def test_metrics_are_not_to_be_had_at_another_address(study: Study) -> None:
    port = free_port()
    watch(study, dict, port)

    with pytest.raises(urllib.error.URLError, match="refused"):
        scrape(port, "127.0.0.2")  # this machine too, but not the address that is bound
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # the bind is of one address, not of all


def test_a_port_that_is_taken_is_named(study: Study) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(LinkError, match=f"port {port} on 127.0.0.1 cannot be used for metrics"):
            serve_metrics(Monitor(study, dict), port)


def test_several_studies_have_the_same_metrics_each_with_its_own_label(
    study: Study, tmp_path: Path, make_plan: MakePlan
) -> None:
    other, port = create_study(tmp_path / "other", make_plan()), free_port()
    create_authority(other.folder, "other", "localhost")

    together = watch_together(port)
    for one in (study, other):
        together.add(one, dict)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()

    assert f'medfl_rounds_made{{study="{study.folder.name}"}} 1.0' in lines
    assert 'medfl_rounds_made{study="other"} 0.0' in lines
    assert f'medfl_site_connected{{site="north",study="{study.folder.name}"}} 0.0' in lines
    assert lines.count("# TYPE medfl_rounds_made gauge") == 1


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert [*NewLines(tmp_path / "none.jsonl")()] == []
