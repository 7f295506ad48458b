#!/usr/bin/env bash
# Runs one study of examples/published/README.md, or all: trains its networks, calls repsim, writes results/.
#
#     examples/published/run.sh corresponding-layers [--quick]
#
# REPSIM names the program (else the one built in target/release, or on the PATH), PUBLISHED_PYTHON a Python that has
# requirements.txt (else a virtual environment is made in target/published), FASHION_MNIST the folder of the data.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
studies="corresponding-layers groups stitching blind-spots bias"
study=${1:-}
if [ "$study" != all ] && [[ " $studies " != *" $study "* || -z "$study" ]]; then
    echo "run.sh: give one of $studies, or all" >&2
    exit 2
fi
shift

python=${PUBLISHED_PYTHON:-$root/target/published/venv/bin/python}
if [ -z "${PUBLISHED_PYTHON:-}" ] && [ ! -e "$root/target/published/venv/ready" ]; then
    mkdir -p "$root/target/published"
    python3 -m venv "$root/target/published/venv"
    "$python" -m pip install --quiet --requirement "$here/requirements.txt"
    touch "$root/target/published/venv/ready"
fi
[ "$study" = all ] || studies=$study
for name in $studies; do
    "$python" "$here/${name//-/_}.py" "$@"
done
