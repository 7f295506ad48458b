#!/usr/bin/env bash
# seeds.sh TARGET: puts small files of the golden values into the corpus of a target.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
golden=../../golden into=corpus/$1

# The members of an archive whose names end so, or the archive where the ending is empty.
members() {
    local ending=$1
    shift
    for archive in "$@"; do
        unzip -Z1 "$archive" | { grep -E "$ending\$" || true; } | while read -r name; do
            unzip -p "$archive" "$name" >"$into/$(basename "$archive")-$(basename "$name")"
        done
    done
}

mkdir -p "$into"
case $1 in
npy) cp $golden/inputs/*.npy "$into" ;;
npz) members '\.npy' $golden/data/statistics.npz && cp $golden/data/statistics*.npz "$into" ;;
idx) printf '\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\1abcd' >"$into/seed" ;;
cifar) printf '\3abc' >"$into/seed" ;;
safetensors) printf '{"images":{"dtype":"F32","shape":[2,2,2],"data_offsets":[0,32]}}' >"$into/seed" ;;
statistics) cp $golden/data/statistics.npz $golden/fid/clean-fid-real.npz "$into" ;;
pnm) members '\.p[bgp]m' $golden/data/formats.zip ;;
tiff) members '\.tif' $golden/data/formats.zip ;;
gif) members '\.gif' $golden/data/formats.zip ;;
resize) printf '\2\10\10\4\4abcdefgh' >"$into/seed" ;;
pickle) members 'data\.pkl' $golden/weights/*.pth $golden/weights/*.ckpt ;;
chain) cp $golden/weights/legacy.pth $golden/weights/nested_legacy.ckpt "$into" ;;
policy) printf "version = 1\nrules = ['cka[\"a*\"] >= 0.9']\n[[tolerance]]\nof = 'cka'\natol = 0.1\n" >"$into/seed" ;;
rule) printf 'drop(cka["a","b*"]) <= 0.02 against baseline' >"$into/seed" &&
    printf '$.results.layers[?@.n == "a"].p > 1e3' >"$into/path" ;;
report) printf '{"schema":{"name":"cka","version":1},"results":{"cka":[[1]],"layers_a":["a"]}}' >"$into/seed" ;;
exported) members 'model\.json' $golden/weights/arch.pt2 $golden/export/counter.pt2 $golden/export/lstm.pt2 ;;
esac
