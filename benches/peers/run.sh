#!/usr/bin/env bash
# Times repsim beside the tools it is compared with, in turn, and prints a table of ratios.
#
#     benches/peers/run.sh [path/to/repsim] [--rounds 5] [--only cka-cifar] [--quiet-only]
#
# The tools are installed into target/peers (4 GB, once). PEERS_PYTHON names another interpreter that has them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PEERS_PYTHON:-$root/target/peers/bin/python}
if [ -z "${PEERS_PYTHON:-}" ] && [ ! -x "$python" ]; then
    python3 -m venv "$root/target/peers"
fi
if [ -z "${PEERS_PYTHON:-}" ]; then
    "$python" -m pip install --quiet --requirement "$here/requirements.txt"
fi
exec "$python" "$here/table.py" "$@"
