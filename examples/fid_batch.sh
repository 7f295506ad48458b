#!/usr/bin/env bash
# Scores sets of images against a reference, the best first, and holds the scores against those of the
# first run.
#
#   MODEL=inception.pt examples/fid_batch.sh REFERENCE RESULTS CANDIDATE...
#
# REFERENCE and each CANDIDATE are folders of images. RESULTS is a folder; it gets
#   cache/             mean and covariance of each set, found again by the images' content
#   fid.tsv            a row a candidate, the lowest FID first, those that failed last
#   fid.json           the whole report
#   baseline.json      the report of the first run in which no set failed; remove it to start again
# OPTIONS are further options of `repsim fid`, such as '--resize clean' or '--fail-above 30' (a bound for
# all sets); CHECK are those of runs that have a baseline; REPSIM is the program.
#
# A set of a name that the baseline has must not score worse than there, one of a new name not worse than the
# worst of the baseline (CHECK='--new-candidates ignore' only names it).
#
# Exit code, the highest that applies: 0 all sets scored, none worse than allowed; 1 a score is worse, or
# above --fail-above; 2 something could not be done: a set failed, or the runs are not comparable. The other
# sets are scored, sorted and checked all the same.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "usage: MODEL=FILE.pt $0 REFERENCE RESULTS CANDIDATE..." >&2
  exit 2
fi
repsim=${REPSIM:-repsim}
if [ -z "${MODEL:-}" ]; then
  echo "$0: name the feature extractor with MODEL=FILE.pt" >&2
  exit 2
fi
reference=$1 results=$2
shift 2
read -r -a options <<< "${OPTIONS:-}"
options+=(--model "$MODEL" --stats-cache "$results/cache")
mkdir -p "$results/cache"
if [ -e "$results/baseline.json" ]; then
  read -r -a checking <<< "${CHECK:-}"
  options+=(--check "$results/baseline.json" ${checking[@]+"${checking[@]}"})
else
  options+=(--update-baseline "$results/baseline.json")
fi
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

status=0
"$repsim" fid "$reference" "$@" "${options[@]}" --metrics fid \
  --format tsv -o "$results/fid.json" > "$rows" || status=$?
if [ ! -s "$rows" ]; then exit "$status"; fi
{
  head -n 1 "$rows"
  tail -n +2 "$rows" | awk -F '\t' '$3 != ""' | sort -t $'\t' -k 3,3 -g
  tail -n +2 "$rows" | awk -F '\t' '$3 == ""'
} > "$results/fid.tsv"
cat "$results/fid.tsv"
exit "$status"
