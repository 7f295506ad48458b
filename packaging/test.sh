#!/usr/bin/env bash
# Builds the wheel, installs it into an environment of its own, and holds it to the build of this checkout: the same
# results, and one line for each thing that is wrong. Then the tests of the Python package, in that environment.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly CHECKOUT=$PWD WORK=$PWD/target/packaging/test
readonly WHEELS=${XDG_CACHE_HOME:-$HOME/.cache}/repsim/wheels
readonly VENV=$WORK/venv
readonly SITE=$VENV/site

fail() { echo "packaging/test.sh: $*" >&2; exit 1; }
pip() { "$VENV/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

refuses() { # refuses WORDS COMMAND...: one line with these words on standard error, and exit code 2
  local words=$1 said code=0
  shift
  said=$("$@" 2>&1 >/dev/null) || code=$?
  [ "$code" = 2 ] || fail "$* ended with $code: $said"
  [ "$(wc -l <<<"$said")" = 1 ] && [[ $said == error:*$words* ]] || fail "$* said: $said"
}

fake_torch() { # fake_torch VERSION: something that looks like a PyTorch, with libraries that hold nothing
  mkdir -p "$SITE/torch/lib"
  printf "__version__ = '%s'\n" "$1" >"$SITE/torch/version.py"
  touch "$SITE/torch/__init__.py"
  for library in torch_cpu c10; do
    cc -shared -o "$SITE/torch/lib/lib$library.so" -x c /dev/null
  done
}

rm -f target/packaging/dist/repsim_torch-*.whl
packaging/build.sh
wheel=$(find target/packaging/dist -name 'repsim_torch-*.whl')
[ "$(stat -c %s "$wheel")" -lt $((40 << 20)) ] || fail "$wheel has more than 40 MB"
[[ $wheel == */repsim_torch-*+torch2.13-py3-none-manylinux_2_[0-9]*_x86_64.whl ]] ||
  fail "the name of $wheel does not tell its PyTorch, or the tag is not manylinux"

# --- without a PyTorch, and with wrong ones -----------------------------------------------------------

rm -rf "$WORK" && mkdir -p "$WORK"
python3 -m venv "$VENV"
ln -s "$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" "$SITE"
pip install --no-deps "$wheel"
repsim=$VENV/bin/repsim
refuses "there is no PyTorch in" "$repsim" --version
fake_torch 2.11.0+cpu
refuses "built for PyTorch 2.13, and" "$repsim" --version
refuses "2.11.0+cpu: pip install 'torch==2.13.*'" "$repsim" --version
fake_torch 2.13.9
refuses "lacks what repsim was built with" "$repsim" --version
rm -r "$SITE/torch/lib"
refuses "has no libtorch_cpu.so" "$repsim" --version
rm -r "$SITE/torch"

# --- with the right one -------------------------------------------------------------------------------

# What libtorch itself needs is enough to run the program, and a tenth of what `import torch` does.
pip install pytest pandas mypy
mapfile -t libtorch < <(sed -n 's/^readonly TORCH=/torch==/p; s/^readonly CU[A-Z_]*=\(nvidia\)/\1/p' setup.sh)
pip install --no-deps --no-compile --find-links "$WHEELS" "${libtorch[@]}"
"$VENV/bin/python" - <<'PY'
from importlib.metadata import requires, version
from pip._vendor.packaging.requirements import Requirement
needed = Requirement(next(iter(requires("repsim-torch"))))
assert needed.name == "torch" and needed.specifier.contains(version("torch")), (str(needed), version("torch"))
assert not needed.specifier.contains("2.12.1")
PY
cuda=$(find "$SITE/nvidia" -name 'libcudart.so*')
mv "$cuda" "$WORK/"
refuses "${cuda##*/}: install PyTorch with all its dependencies" "$repsim" --version
mv "$WORK/${cuda##*/}" "$cuda"
grep -q "libtorch .* in $(realpath "$SITE")/torch/lib" <("$repsim" --version) || fail "--version: $("$repsim" --version)"
for path in "$CHECKOUT" "$HOME"; do
  ! grep -qF "$path/" "$SITE/repsim/_bin/repsim" || fail "the program holds $path"
done
"$repsim" --version | sed 's/^/  /'

mkdir "$WORK/wheel" "$WORK/checkout"
(cd "$WORK/wheel" && HOME=/nowhere "$repsim" demo >demo.txt)
(cd "$WORK/checkout" && "$CHECKOUT/target/release/repsim" demo >demo.txt)
"$VENV/bin/python" - "$WORK" <<'PY'
import json, pathlib, sys
work = pathlib.Path(sys.argv[1])
reports = sorted(path.relative_to(work / "wheel") for path in (work / "wheel").rglob("*.json"))
assert len(reports) > 3, reports
for name in reports:
    ours, theirs = (json.loads((work / place / name).read_text())["results"] for place in ("wheel", "checkout"))
    assert ours == theirs, f"{name}: the wheel's results are not those of the checkout"
PY
demo=$WORK/wheel/repsim-demo
held=$("$repsim" cka "$demo/seed0.pt" --data "$demo/images" --limit 8 --verbose 2>&1 >/dev/null | grep 'models are held by') ||
  fail "nothing holds models"
echo "  $held; $(du -h "$wheel" | cut -f 1) of wheel"
refuses "failed to" env -C /proc "$repsim" demo
refuses "does not exist" "$repsim" cka "$demo/seed0.pt" --data "$demo/images" -o "$WORK/none/a.json"

cd python
REPSIM_DEMO=$demo "$VENV/bin/pytest" -q -p no:cacheprovider tests # not -m, which would take the package from here
"$VENV/bin/mypy" --cache-dir "$WORK/mypy"
