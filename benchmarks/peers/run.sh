#!/usr/bin/env bash
# Jobs J1, J2, J3 in turn in medfl and in other simulators; then the table.
#   benchmarks/peers/run.sh JOB REPETITIONS [ENGINE...]
# PEERS: the folder with the other engines' files and measure.py (default ../shared/peers).
# PY: a Python with medfl and its `ray` extra (default .venv/bin/python).
# PFL_PY, FLUKE_PY, NVF_PY: Pythons with pfl[pytorch]==0.6.0, fluke-fl==0.8.1, nvflare==2.9.0;
# an engine whose Python is not named is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=${PEERS:-../shared/peers} here=$PWD
py=$(cd "$(dirname "${PY:-.venv/bin/python}")" && pwd)/$(basename "${PY:-.venv/bin/python}")
[ -d "$peers" ] || { echo "no folder $peers: set PEERS" >&2; exit 2; }
job=${1:?J1, J2 or J3} repetitions=${2:?how many repetitions}; shift 2
[ $# -gt 0 ] || set -- floor medfl-plain medfl-float32 medfl medfl-2 flower pfl fluke nvflare
work=$here/benchmarks/scratch/peers; mkdir -p "$work"; cp "$peers"/*.py "$work"; cd "$work"
export PYTHONPATH=$work FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 FLWR_HOME=$work/.flwr
[ -d data ] || "$py" common.py
# NVFLARE's clients run in folders of their own.
sed -i "s#^D = .*#D = '$work/data'#" common.py
sed -i "s#\"\./ev#\"$work/ev#g" measure.py
medfl=$here/benchmarks/peers/medfl_run.py
measure() { tag=$1; shift; "$py" measure.py "$tag" "$job" --timeout "${TIMEOUT:-900}" -- "$@"; }
for _ in $(seq "$repetitions"); do
  for engine in "$@"; do
    case $engine in
      floor)         measure floor "$py" floor.py "$job" 1 ;;
      floor-2)       measure floor-2 "$py" floor_mp.py "$job" 2 ;;
      vmap)          measure vmap "$py" floor_vmap.py "$job" 1 5 ;;
      medfl-plain)   measure medfl-plain "$py" "$medfl" "$job" plain ;;
      medfl-float32) measure medfl-float32 "$py" "$medfl" "$job" float32 ;;
      medfl)         measure medfl "$py" "$medfl" "$job" auto ;;
      medfl-1)       measure medfl-1 "$py" "$medfl" "$job" auto processes 1 ;;
      medfl-2)       measure medfl-2 "$py" "$medfl" "$job" auto processes 2 ;;
      flower)        measure flower "$py" fl_run.py "$job" ;;
      pfl)           [ -z "${PFL_PY:-}" ] || measure pfl "$PFL_PY" pfl_run.py "$job" 1 ;;
      fluke)         [ -z "${FLUKE_PY:-}" ] || measure fluke "$FLUKE_PY" fluke_run.py "$job" 1 ;;
      nvflare)       [ -z "${NVF_PY:-}" ] || OMP_NUM_THREADS=1 measure nvflare "$NVF_PY" nv_run.py "$job" 2 ;;
      *) echo "unknown engine $engine" >&2; exit 2 ;;
    esac
  done
done
"$py" "$here/benchmarks/peers/table.py" results.jsonl "$job"
