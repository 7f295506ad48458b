#!/usr/bin/env bash
# Runs a repsim command as an array of N jobs of Slurm, and merges their states when all of them are done.
#
#   ./slurm.sh 64 report.json cka a.pt b.pt --data /shared/photos --estimator minibatch
#
# SHARD_OPTIONS go to sbatch for the shards ("--gres=gpu:1 --cpus-per-task=8 --time=2:00:00"), MERGE_OPTIONS for
# the merge. A shard that is requeued goes on from the state that it kept last; submitted again, the shards that are done
# end at once.
set -euo pipefail
shards=$1 report=$2
shift 2
states=$(realpath -m "$report").states
mkdir -p "$states"
repsim=$(printf '%q ' "${REPSIM:-repsim}")

# shellcheck disable=SC2086 # options are words
array=$(sbatch --parsable --requeue ${SHARD_OPTIONS:-} --job-name=repsim --array="0-$((shards - 1))" \
    --output="$states/%a.log" \
    --wrap="exec $repsim $(printf '%q ' "$@" --shard auto --resume -o "$states/{shard}.state")")
# shellcheck disable=SC2086
merge=$(sbatch --parsable ${MERGE_OPTIONS:-} --job-name=repsim-merge --dependency="afterok:$array" \
    --kill-on-invalid-dep=yes --output="$states/merge.log" \
    --wrap="exec $repsim merge $(printf '%q' "$states")/*.state -o $(printf '%q' "$report")")
echo "shards: job $array, merge: job $merge, which writes $report"
