"""What smaller messages cost and save: bytes, CPU and accuracy, on real images.

    messages.py cost                  # CPU seconds to pack and unpack 11.2 million weights
    messages.py accuracy DATA WORK    # PneumoniaMNIST, five hospitals, 20 rounds, seeds 0 to 2

A round's time on a line of 10 Mbit/s is worked out from the bytes: they go down, then up.
"""

import json
import logging
import statistics
import sys
import time
from pathlib import Path

import torch
import yaml
from algorithms import common, judge
from four_columns import MNIST, STUDIES, find_folder

from medfl_common.plan.federation import Messages
from medfl_common.plan.plan import load_plan
from medfl_common.wire.tensors import codec_of, decode_weights, encode_weights, size_of
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import partitioned
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study

FORMS = (
    ("float32", "float32"), ("bfloat16", "float32"), ("bfloat16", "bfloat16"),
    ("int8", "bfloat16"), ("top_k", "bfloat16"),
)  # fmt: skip
LINE = 10e6 / 8  # bytes a second


def cost(times: int = 7) -> None:
    """Print CPU seconds and bytes for one update of 60 tensors, as a ResNet-18 has them."""
    torch.set_num_threads(1)
    update = {f"w{i:02d}": torch.randn(186_667) * 1e-3 for i in range(60)}
    shapes = {name: tuple(tensor.shape) for name, tensor in update.items()}
    for form in ("float32", "bfloat16", "float16", "int8", "top_k"):
        codec = codec_of(Messages(update=form))
        packing, unpacking = [], []
        for _ in range(times):
            started = time.process_time()
            record = encode_weights(update, codec)
            packed = time.process_time()
            decode_weights(record, shapes, codec)
            packing.append(packed - started)
            unpacking.append(time.process_time() - packed)
        facts = {
            "form": form, "mb": size_of(shapes, codec) / 1e6,
            "pack_s": statistics.median(packing), "unpack_s": statistics.median(unpacking),
        }  # fmt: skip
        print(json.dumps(facts), flush=True)


def accuracy(data: Path, work: Path) -> None:
    """Print bytes, accuracy and the time of a round on the line, for each form and seed."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    folder = find_folder(STUDIES["pneumonia-cnn"], data, work)
    site_file = work / "messages.site.yaml"
    site_file.write_text(yaml.safe_dump({"site": "all", "data": MNIST}))
    for seed in range(3):
        for update, weights in FORMS:
            values = {
                "plan": 1, "study": "messages", "seed": seed,
                "task": {"type": "binary", "classes": ["no", "yes"]},
                "images": {"modality": ["OT"], "size": 28},
                "model": {"name": "small_cnn", "norm": "group"},
                "training": {"lr": 0.02, "batch_size": 32},
                "federation": {"rounds": 20,
                               "messages": {"update": update, "weights": weights}},
                "evaluation": {"validation": 0.3, "keep": "last"},
            }  # fmt: skip
            plan_file = work / f"messages-{update}-{weights}-{seed}.yaml"
            plan_file.write_text(yaml.safe_dump(values))
            plan, reader = load_plan(plan_file), SOURCES.get("npz")()
            partitioned_sites = partitioned("dirichlet:0.5", 5)
            sites = virtual_sites(folder, plan, partitioned_sites, site_file, None, reader)
            study = create_study(work / "runs" / f"{plan_file.stem}-{time.time_ns()}", plan_file)
            started = time.process_time()
            run_study(study, sites)
            spent = time.process_time() - started
            facts = study.log.lines("round")[-1]["sites"]["site-1"]  # type: ignore[index,call-overload]
            down, up = facts["bytes_sent"], facts["bytes_received"]
            found = {
                "update": update, "weights": weights, "seed": seed, "down": down, "up": up,
                "line_s": (down + up) / LINE, "cpu_s": spent,
            }  # fmt: skip
            print(json.dumps(found | judge(common(study, sites), sites)["all"]), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "cost":
        cost()
    else:
        accuracy(Path(sys.argv[2]), Path(sys.argv[3]))
