"""`medfl-client doctor` on real folders, and against real TLS servers on loopback."""

import http.server
import json
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.conftest import MakePlan

from medfl_client.commands.init import set_up
from medfl_client.commands.run import participate
from medfl_client.doctor.site import examine_site, private_names
from medfl_client.egress import approvals
from medfl_common.errors import ConfigError
from medfl_common.ops.checks import UNFORESEEN, Finding, examine, fail, ok, summary
from medfl_common.ops.public import as_json
from medfl_common.plan.plan import load_plan
from medfl_common.ui.screen import Screen
from medfl_common.wire.protocol import PROTOCOL, PROTOCOL_HEADER
from medfl_server.roster.certificates import create_authority

Start = Callable[..., Path]


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def site(hospitals: Path, tmp_path: Path) -> Path:
    """A hospital with keys, and a study's certificate authority; its coordinator is not there."""
    create_authority(tmp_path / "study", "small", "localhost")
    ca = tmp_path / "study" / "tls" / "ca.crt"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    set_up(hospitals / "site-1", "", f"localhost:{port}", ca, lambda line: None)
    return hospitals / "site-1"


@pytest.fixture
def answer(site: Path, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Start what stands in for the coordinator, with a protocol and a clock of its own."""
    servers = []

    def start(
        protocol: object = PROTOCOL, behind_s: float = 0.0, tls: Path = tmp_path / "study" / "tls"
    ) -> None:
        class Health(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/health" else 404)
                self.send_header(PROTOCOL_HEADER, str(protocol))
                self.end_headers()

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate(time.time() - behind_s, usegmt=True)

            def log_message(self, format: str, *args: object) -> None:
                pass

        port = int((site / "site.yaml").read_text().split("localhost:")[1].split()[0])
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Health)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "server.crt", tls / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # bare handshakes
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_sound_site_passes_every_check_and_is_not_changed(
    site: Path, answer: Callable[..., None], make_plan: MakePlan
) -> None:
    answer()
    before = tree(site)

    found = examine_site(site, make_plan())

    assert [f.check for f in found if f.state not in ("ok", "not checked")] == ["approval"]
    assert [f.check for f in found if f.state == "not checked"] == ["enrolment"]
    assert summary(found).startswith("READY")
    assert tree(site) == before
    assert not (site / "state").exists()


def test_a_site_that_has_approved_nothing_is_not_ready(
    site: Path, answer: Callable[..., None], make_plan: MakePlan
) -> None:
    answer()
    found = examine_site(site, None)
    assert "no plan is approved here" in by_name(found)["plan"].seen
    assert summary(found).startswith("NOT READY")

    (site / "state").mkdir(mode=0o700)
    approvals.approve(site / "state", load_plan(make_plan()))

    found = examine_site(site, None)
    assert by_name(found)["approval"].state == "ok"
    assert summary(found).startswith("READY")


def test_a_coordinator_of_another_protocol_is_refused_naming_both(
    site: Path, answer: Callable[..., None]
) -> None:
    answer(protocol=PROTOCOL + 1)

    told = by_name(examine_site(site, None))["coordinator"]

    assert told.state == "fail"
    assert told.seen == f"the coordinator speaks protocol {PROTOCOL + 1}, this site {PROTOCOL}"
    assert "one version of medfl" in told.todo


def test_a_firewall_that_inspects_tls_is_told_apart_from_the_ca_of_another_study(
    site: Path, answer: Callable[..., None], tmp_path: Path
) -> None:
    firewall = tmp_path / "firewall"
    firewall.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hospital Firewall CA")])
    now = datetime.now(UTC)
    shown = x509.CertificateBuilder(
        subject, subject, key.public_key(), 1, now, now + timedelta(days=1)
    ).sign(key, hashes.SHA256())
    (firewall / "server.crt").write_bytes(shown.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (firewall / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, plain))
    answer(tls=firewall)

    told = by_name(examine_site(site, None))["encryption (TLS)"]

    assert told.state == "fail"
    assert "'Hospital Firewall CA', not of a medfl study" in told.seen
    assert "without TLS inspection" in told.todo
    assert told.who == "your IT department"


@pytest.mark.parametrize(
    ("behind_s", "state", "words"),
    [(1, "ok", "the same time"), (20, "fail", "20 s ahead of"), (-120, "warn", "120 s behind"),
     (-400, "fail", "400 s behind")],
)  # fmt: skip
def test_a_clock_that_flower_would_refuse_fails(
    site: Path, answer: Callable[..., None], behind_s: float, state: str, words: str
) -> None:
    answer(behind_s=behind_s)

    told = by_name(examine_site(site, None))["clock"]

    assert told.state == state
    assert words in told.seen.replace("119 s", "120 s").replace("399 s", "400 s")
    assert told.who == ("" if state == "ok" else "your IT department")


def test_no_coordinator_is_told_once_and_the_steps_behind_it_are_not_guessed(site: Path) -> None:
    found = by_name(examine_site(site, None))

    assert found["connection"].state == "fail"
    assert "nothing listens on port" in found["connection"].seen
    assert found["connection"].who == "the coordinator"
    assert found["beyond that"].seen == "encryption (TLS), certificate, coordinator, clock"
    assert "clock" not in found


def test_each_fault_of_a_site_names_what_to_do(site: Path, make_plan: MakePlan) -> None:
    def told(check: str, plan: Path | None = None) -> str:
        finding = by_name(examine_site(site, plan))[check]
        assert finding.state in ("warn", "fail"), finding
        assert finding.who
        return f"{finding.state} {finding.seen} | {finding.who}: {finding.todo}"

    (site / "signing.key").chmod(0o644)
    assert told("keys").endswith("signing.key | you: run chmod 600 on it, then start again")
    (site / "signing.key").chmod(0o600)
    pub = site / "identity.pub"
    pub.write_text("\n".join(reversed(pub.read_text().splitlines())))
    assert "identity.pub does not belong to identity.key" in told("keys")
    (site / "state").mkdir(mode=0o755)
    assert f"chmod 700 {site.resolve() / 'state'}" in told("state folder")
    assert "(policy P3, max_rounds)" in told(
        "plan and policy", make_plan(federation={"rounds": 5000})
    )
    network = {"model": {"name": "resnet18"}}
    assert "the coordinator" in told("plan", make_plan(**network))  # images of 24 pixels
    slow = make_plan(federation={"deadline_s": 1}, images={"size": 32}, **network)
    assert told("line", slow).startswith("fail 44.7 MB each way a round")
    labels = site / "labels.csv"
    labels.write_text(labels.read_text().replace("finding", "diagnosis"))
    assert "no column 'finding'" in told("labels")
    shutil.rmtree(site / "dicom")
    assert "set data.folder in site.yaml" in told("data folder")
    (site / "ca.crt").write_text("nothing")
    assert "put the coordinator's ca.crt there" in told("coordinator's ca.crt")
    (site / "site.yaml").write_text("site: [")
    assert "fail" in told("site file")


def test_what_doctor_tells_a_script_names_no_path_file_host_or_hospital(
    site: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    secret = tmp_path / "canary-folder" / "canary-site"
    shutil.copytree(site, secret)
    text = (secret / "site.yaml").read_text().replace("site: site-1", "site: canary-hospital")
    text = text.replace("localhost:", "canary.example.org:").replace("labels.csv", "canary.csv")
    (secret / "site.yaml").write_text(text)
    (secret / "labels.csv").rename(secret / "canary.csv")
    plan = make_plan().rename(tmp_path / "canary-plan.yaml")

    def told(*says: str) -> str:
        found = examine_site(secret, plan)
        assert any("canary" in finding.seen for finding in found)
        shown = as_json(found, private_names(secret, plan))
        assert all(text in shown for text in says), shown
        assert "canary" not in shown
        assert str(tmp_path) not in shown
        return shown

    told("<label file>: labels of", "<data folder>: ", "the name <coordinator> is unknown here")
    (secret / "canary.csv").write_text("canary,canary\ncanary\n")
    told("The site's images or labels cannot serve this plan.")
    plan.write_text("canary: 1\n")
    told("A plan, a site file or a command line is wrong.")
    (secret / "site.yaml").write_text("canary: 1\n")
    told('"code": 100')


def test_a_folder_named_by_a_plain_word_leaves_that_word_in_the_texts() -> None:
    found = [ok("this site has 3 files in dicom and canary")]

    shown = as_json(found, {"site": "site folder", "dicom": "data folder", "canary": "site"})

    assert "this site has 3 files in dicom and <site>" in shown


def test_a_check_that_breaks_or_hangs_is_a_finding_and_the_others_are_made() -> None:
    def breaks() -> Finding:
        raise ZeroDivisionError("by nought")

    def hangs() -> Finding:
        time.sleep(60)
        return ok("")

    found = examine({"first": breaks, "second": hangs, "third": lambda: ok("fine")}, timeout_s=0.2)

    assert [f.state for f in found] == ["fail", "fail", "ok"]
    assert (found[0].seen, found[0].cause) == (UNFORESEEN, "ZeroDivisionError")
    assert "no answer within" in found[1].seen
    assert all(f.todo and f.who for f in found[:2])
    assert json.loads(as_json(found, {}))["result"] == "fail"
    assert "to act: you, your IT department" in summary(
        [fail("a", "b"), fail("c", "d", "your IT department")]
    )


def test_a_site_without_a_folder_for_temporary_files_is_told_before_any_task(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent"])

    found = by_name(examine_site(site, None))["temporary files"]

    assert (found.state, found.who) == ("fail", "your IT department")
    with pytest.raises(ConfigError, match="no folder for temporary files can be written"):
        participate(site, Screen())
