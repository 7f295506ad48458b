#!/usr/bin/env bash
# Runs a repsim command as N shards with GNU parallel, and merges their states.
#
#   ./parallel.sh 8 report.json cka a.pt b.pt --data photos --estimator minibatch --threads 4
#
# PARALLEL_OPTIONS go to parallel: "--jobs 4", or "--sshlogin node1,node2 --workdir ." for other machines that see the
# same files. A shard that fails is run again twice, from the state that it kept last; after that no more are started.
set -euo pipefail
shards=$1 report=$2
shift 2
states=$(realpath -m "$report").states
mkdir -p "$states"

# shellcheck disable=SC2086 # options are words
seq 0 "$((shards - 1))" | parallel --will-cite --retries 3 --halt soon,fail=1 ${PARALLEL_OPTIONS:-} --quote \
    "${REPSIM:-repsim}" "$@" --shard "{}/$shards" --resume -o "$states/{}.state"
exec "${REPSIM:-repsim}" merge "$states"/*.state -o "$report"
