#!/usr/bin/env bash
# Scores sets of images against a reference, the best first, and holds the scores against those of the
# first time.
#
#   MODEL=inception.pt examples/fid_batch.sh REFERENCE RESULTS CANDIDATE...
#
# REFERENCE and each CANDIDATE are folders of images. RESULTS is a folder; it gets
#   cache/          mean and covariance of each set, found again by the images' content
#   fid.tsv         a row a candidate, the lowest FID first
#   fid.json        the whole report
#   baseline.json   the report of the first run, which later ones must not be worse than
# OPTIONS are further options of `repsim fid`, such as '--resize clean'; REPSIM is the
# program. Exit code: 0 done, 1 a score is worse than the baseline, 2 something could not be done.
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
  gate=(--check "$results/baseline.json")
else
  gate=(--update-baseline "$results/baseline.json")
fi
status=0
"$repsim" fid "$reference" "$@" "${options[@]}" --metrics fid \
  --format tsv -o "$results/fid.json" "${gate[@]}" > "$results/fid.unsorted" || status=$?

{ head -n 1 "$results/fid.unsorted"; tail -n +2 "$results/fid.unsorted" | sort -t $'\t' -k 3,3 -g; } \
  > "$results/fid.tsv"
rm "$results/fid.unsorted"
cat "$results/fid.tsv"
exit "$status"
