"""What a round waits for on a slow line, by the form of its messages: real processes over TLS.

    slow_line.py WORK_FOLDER [MBIT_A_SECOND] [ROUNDS]

A coordinator and one hospital with a ResNet-18, 45 MB of weights, behind a proxy that lets through
10 Mbit/s each way. Prints for each form the bytes, the median seconds of a round less the site's
work, and the seconds worked out from the bytes: down, then up. The first round is left out.
"""

import json
import statistics
import sys
from pathlib import Path

import yaml

from medfl_common.run.log import read_lines
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment, free_port, run_command

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.system.proxy import Proxy

FORMS = (
    ("float32", "float32"), ("bfloat16", "bfloat16"), ("int8", "bfloat16"), ("top_k", "bfloat16"),
)  # fmt: skip


def one(folder: Path, update: str, weights: str, bytes_a_second: int, rounds: int) -> None:
    """Make one study."""
    (site,) = write_hospitals(folder / "hospitals", n_sites=1, n_images=60, seed=0)
    values = {
        "plan": 1, "study": "line", "seed": 0,
        "task": {"type": "binary", "classes": ["normal", "opacity"]},
        "images": {"modality": ["CR", "DX"], "size": 32},
        "model": {"name": "resnet18", "norm": "group"},
        "training": {"lr": 0.01, "batch_size": 32},
        "federation": {"rounds": rounds, "deadline_s": 3000,
                       "messages": {"update": update, "weights": weights}},
    }  # fmt: skip
    plan = folder / "plan.yaml"
    plan.write_text(yaml.safe_dump(values))
    deployment = Deployment(folder)
    deployment.create(plan, {})
    server_port, deployment.port = deployment.port, free_port()
    proxy = Proxy(deployment.port, server_port, bytes_a_second=bytes_a_second)
    deployment.init_site(site)  # its coordinator is the proxy
    run_command("server", "enrol", deployment.study, site.name, site / "identity.pub")
    deployment.port = server_port
    try:
        server = deployment.start_server()
        deployment.start_client(site)
        if server.wait(3000) != 0:
            raise RuntimeError((folder / "server.log").read_text())
    finally:
        deployment.stop()
        proxy.close()
    waited, sizes = [], (0, 0)
    for event in read_lines(deployment.study / "log.jsonl"):
        if event["event"] == "round" and event["round"] != 1:
            (facts,) = event["sites"].values()  # type: ignore[union-attr]
            waited.append(event["seconds"] - facts["seconds"])  # type: ignore[operator,index,call-overload]
            sizes = facts["bytes_sent"], facts["bytes_received"]  # type: ignore[index,call-overload]
    found = {
        "update": update, "weights": weights, "mb_down": sizes[0] / 1e6, "mb_up": sizes[1] / 1e6,
        "waited_s": statistics.median(waited), "from": min(waited), "to": max(waited),
        "computed_s": sum(sizes) / bytes_a_second,
    }  # fmt: skip
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    rate = int(float(sys.argv[2] if len(sys.argv) > 2 else 10) * 1e6 / 8)
    n_rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    for up, down in FORMS:
        place = Path(sys.argv[1]) / f"{up}-{down}"
        place.mkdir(parents=True)
        one(place, up, down, rate, n_rounds)
