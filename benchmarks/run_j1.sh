#!/usr/bin/env bash
# Job J1 in turn: the plain PyTorch loop, medfl's simulation, and Flower's Ray simulation.
#   benchmarks/run_j1.sh REPETITIONS [ENGINE...]      engines: floor medfl flower
# PEERS: the folder with the plain loop, Flower's version and measure.py (default ../shared/peers).
# PY: a Python with medfl and, for flower, its `ray` extra (default .venv/bin/python).
set -euo pipefail
cd "$(dirname "$0")/.."
peers=${PEERS:-../shared/peers} here=$PWD
python=$(cd "$(dirname "${PY:-.venv/bin/python}")" && pwd)/$(basename "${PY:-.venv/bin/python}")
[ -d "$peers" ] || { echo "no folder $peers: set PEERS" >&2; exit 2; }
repetitions=${1:?how many repetitions}; shift
[ $# -gt 0 ] || set -- floor medfl flower
work=$here/benchmarks/scratch; mkdir -p "$work"; cp "$peers"/*.py "$work"; cd "$work"
export PYTHONPATH=$work FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 FLWR_HOME=$work/.flwr
[ -d data ] || "$python" common.py
for _ in $(seq "$repetitions"); do
  for engine in "$@"; do
    case $engine in
      floor)  "$python" measure.py floor J1 -- "$python" floor.py J1 1 ;;
      medfl)  "$python" measure.py medfl J1 -- "$python" "$here/benchmarks/j1_medfl.py" . ;;
      flower) "$python" measure.py flower J1 -- "$python" fl_run.py J1 ;;
      *) echo "unknown engine $engine" >&2; exit 2 ;;
    esac
  done
done
