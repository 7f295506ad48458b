#!/usr/bin/env bash
# Scores sets of images against a reference, the best first, and holds each score against that of the
# first run that scored a set of this name.
#
#   MODEL=inception.pt examples/fid_batch.sh REFERENCE RESULTS CANDIDATE...
#
# REFERENCE and each CANDIDATE are folders of images. RESULTS is a folder; it gets
#   cache/             mean and covariance of each set, found again by the images' content
#   fid.tsv            a row a candidate, the lowest FID first, those that failed last
#   fid.json           the whole report
#   baseline.json      the report of the first run, with the names it scored in baseline.names; later
#   baseline-N.json    runs that score new names add theirs
# OPTIONS are further options of `repsim fid`, such as '--resize clean' or '--fail-above 30' (a bound for
# all sets, new ones too); REPSIM is the program.
#
# Exit code, the highest that applies: 0 all sets scored, none worse than before; 1 a score is worse than
# in its baseline, or above --fail-above; 2 something could not be done: a set failed, or the runs are not
# comparable. The other sets are scored, sorted and checked all the same.
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
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
worst() { if [ "$1" -gt "$status" ]; then status=$1; fi; }
code=0
"$repsim" fid "$reference" "$@" "${options[@]}" --metrics fid \
  --format tsv -o "$work/fid.json" > "$work/unsorted" || code=$?
worst "$code"
if [ ! -s "$work/fid.json" ]; then exit "$status"; fi
cp "$work/fid.json" "$results/fid.json"
{
  head -n 1 "$work/unsorted"
  tail -n +2 "$work/unsorted" | awk -F '\t' '$3 != ""' | sort -t $'\t' -k 3,3 -g
  tail -n +2 "$work/unsorted" | awk -F '\t' '$3 == ""'
} > "$results/fid.tsv"

# The names of the sets with a score, as reports are compared by: the last part of the path where that is
# each one's own.
awk -F '\t' 'NR > 1 { path = $1; sub(/\/+$/, "", path); n = split(path, part, "/"); row = NR
    whole[row] = $1; last[row] = part[n]; scored[row] = ($3 != ""); seen[part[n]]++ }
  END { own = 1; for (name in seen) if (seen[name] > 1) own = 0
    for (row in whole) if (scored[row]) print (own ? last[row] : whole[row]) }' \
  "$work/unsorted" | sort -u > "$work/names"

# Each baseline is held against the sets that it was the first to score.
shopt -s nullglob
: > "$work/known"
count=0
for baseline in "$results"/baseline.json "$results"/baseline-*.json; do
  [ -e "$baseline" ] || continue
  count=$((count + 1))
  names=${baseline%.json}.names
  sort -u "$names" >> "$work/known"
  comm -12 "$work/names" <(sort -u "$names") > "$work/both"
  [ -s "$work/both" ] || continue
  {
    echo 'version = 1'
    echo "rules = ['\$.results.width >= 1']"
    sed -e 's/[][*?{}]/[&]/g' -e 's/.*/[[tolerance]]\nof = '"'"'fid["&"]'"'"'\natol = 0.001\nrtol = 0.001/' \
      "$work/both"
  } > "$work/policy.toml"
  code=0
  "$repsim" check "$results/fid.json" --baseline "$baseline" --policy "$work/policy.toml" >&2 || code=$?
  worst "$code"
done

comm -23 "$work/names" <(sort -u "$work/known") > "$work/new"
if [ -s "$work/new" ]; then
  name=baseline$([ "$count" -eq 0 ] || echo "-$((count + 1))")
  cp "$results/fid.json" "$results/$name.json"
  cp "$work/new" "$results/$name.names"
fi
cat "$results/fid.tsv"
exit "$status"
