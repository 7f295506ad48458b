#!/usr/bin/env bash
# Puts what repsim is built with in place: compilers, OpenBLAS, and libtorch under .libtorch/.
# Does nothing the second time.   ./setup.sh [--cuda] [--browser]
set -euo pipefail

readonly TORCH=2.13.0
readonly CUDA_RUNTIME=nvidia-cuda-runtime==13.0.96
readonly CUPTI=nvidia-cuda-cupti==13.0.85
readonly PYTHON_TAG=311 # any torch wheel carries the same libtorch: one tag, whatever Python is here

cd "$(dirname "${BASH_SOURCE[0]}")"
readonly DEST=$PWD/.libtorch
readonly WHEELS=${XDG_CACHE_HOME:-$HOME/.cache}/repsim/wheels

die() { echo "setup.sh: $*" >&2; exit 2; }
say() { echo "setup.sh: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
have_openblas() { # not every distribution has a file for pkg-config in its package
  pkg-config --exists openblas 2>/dev/null || c++ -shared -o /dev/null -x c++ /dev/null -lopenblas 2>/dev/null
}

flavour=cpu browser=
for option in "$@"; do
  case "$option" in
    --cuda) flavour=cuda ;;
    --browser) browser=wanted ;; # for tests/browser, which are skipped without one
    -h | --help) echo "usage: ./setup.sh [--cuda] [--browser]   install what repsim is built and tested with"; exit 0 ;;
    *) die "unknown option '$option'; usage: ./setup.sh [--cuda] [--browser]" ;;
  esac
done

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=manylinux_2_28_x86_64 library=libtorch_cpu.so ;;
  Linux-aarch64) platform=manylinux_2_28_aarch64 library=libtorch_cpu.so ;;
  Darwin-arm64) platform=macosx_14_0_arm64 library=libtorch_cpu.dylib ;;
  *) die "no libtorch $TORCH for $(uname -s) on $(uname -m); supported are Linux on x86-64 and aarch64, and macOS on arm64" ;;
esac
readonly platform library
platforms=(--platform "$platform") # pip takes only the tags it is told: the older manylinux ones too
for glibc in 2_27 2_26 2_25 2_24 2_17; do platforms+=(--platform "${platform/2_28/$glibc}"); done
readonly platforms
[ "$flavour" = cpu ] || [ "${platform%%_*}" = manylinux ] || die "--cuda needs Linux"

# --- packages of the system ------------------------------------------------------------------

missing=()
missing_debian() {
  have c++ || missing+=(g++)
  have pkg-config || missing+=(pkg-config)
  have cmake || missing+=(cmake) # libjpeg-turbo's build
  have make || missing+=(make)
  [ "$(uname -m)" != x86_64 ] || have nasm || missing+=(nasm) # and its fast paths on this processor
  have python3 || missing+=(python3)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  have_openblas || missing+=(libopenblas-dev)
}

install_debian() {
  missing_debian
  [ ${#missing[@]} -gt 0 ] || return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    have sudo && sudo -n true 2>/dev/null || die "install these packages first: apt-get install ${missing[*]}"
    sudo=(sudo -n)
  fi
  have apt-get || die "install the equivalents of these Debian packages first: ${missing[*]}"
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

install_browser() { # in a shell of its own: without a browser everything else can still be tested
  have chromium && have chromedriver && return 0
  ( missing_debian() { missing=(chromium chromium-driver); }; install_debian ) ||
    say "no chromium and chromedriver: the tests of the page in a browser will be skipped"
}

readonly AXE=axe-core@4.10.3
install_axe() { # what checks pages for readers of screens; without it they are checked for all else
  [ -f target/axe-core/axe.min.js ] && return 0
  have npm || { say "no npm: pages will not be checked by axe-core"; return 0; }
  local folder
  folder=$(mktemp -d)
  mkdir -p target/axe-core
  ( cd "$folder" && npm pack --silent "$AXE" >/dev/null && tar xzf axe-core-*.tgz ) &&
    cp "$folder/package/axe.min.js" target/axe-core/ ||
    say "axe-core could not be had: pages will not be checked by it"
  rm -rf "$folder"
}

check_macos() {
  have c++ || die "no C++ compiler; run: xcode-select --install"
  have pkg-config || die "no pkg-config; run: brew install pkg-config"
  have cmake || die "no cmake; run: brew install cmake"
  have python3 || die "no python3; run: brew install python"
  pkg-config --exists openblas 2>/dev/null ||
    die "no OpenBLAS; run: brew install openblas, then export PKG_CONFIG_PATH=\"\$(brew --prefix openblas)/lib/pkgconfig\""
}

# --- libtorch, out of the registry's torch wheel ------------------------------------------------

download() { # download REQUIREMENT...: into the cache; a wheel that is there already is not fetched again
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --implementation cp --python-version "$PYTHON_TAG" --abi "cp$PYTHON_TAG" --abi none \
    "${platforms[@]}" --find-links "$WHEELS" --dest "$WHEELS" "$@" ||
    die "failed to download $*; check the network and pip's index, then run setup.sh again"
}

wheel_of() { # wheel_of NAME==VERSION: the cached file
  local stem=${1%%==*} version=${1##*==}
  find "$WHEELS" -name "${stem//-/_}-$version-*.whl" | head -n 1
}

unpack() { # unpack WHEEL FOLDER: only what is linked against, not the Python package
  python3 - "$1" "$2" <<'PY'
import os, sys, zipfile
wheel, dest = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name.startswith(("torch/lib/", "torch/include/", "torch/version.py", "nvidia/")):
            z.extract(name, dest)
PY
}

cuda_requirements() { # every CUDA package the torch wheel names, with its toolkit's parts
  python3 - "$1" <<'PY'
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    meta = next(n for n in z.namelist() if n.endswith(".dist-info/METADATA"))
    for line in z.read(meta).decode().splitlines():
        m = re.match(r"Requires-Dist: ((?:nvidia|cuda-toolkit)[^;]*)", line)
        if m: print(m.group(1).strip())
PY
}

fetch_cuda() { # the toolkit is a meta package: pip resolves its parts
  local torch_wheel=$1 stage=$2
  mapfile -t wanted < <(cuda_requirements "$torch_wheel")
  [ ${#wanted[@]} -gt 0 ] || die "the torch wheel for $platform names no CUDA packages; use ./setup.sh"
  say "installing ${wanted[*]}"
  python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --target "$stage" "${wanted[@]}" ||
    die "failed to install CUDA's libraries"
}

fetch_libtorch() {
  mkdir -p "$WHEELS"
  local stage=$DEST.new
  rm -rf "$stage" && mkdir -p "$stage"
  say "getting libtorch $TORCH ($flavour; wheels are kept in $WHEELS)"
  download "torch==$TORCH"
  unpack "$(wheel_of "torch==$TORCH")" "$stage"
  if [ "$flavour" = cuda ]; then
    fetch_cuda "$(wheel_of "torch==$TORCH")" "$stage"
  elif [ "$platform" = manylinux_2_28_x86_64 ]; then
    download "$CUDA_RUNTIME" "$CUPTI" # libtorch_cpu.so itself asks for these two
    unpack "$(wheel_of "$CUDA_RUNTIME")" "$stage"
    unpack "$(wheel_of "$CUPTI")" "$stage"
  fi
  check_libtorch "$stage"
  echo "$TORCH $flavour" >"$stage/installed"
  rm -rf "$DEST" && mv "$stage" "$DEST"
}

check_libtorch() { # the version, the headers, and a library that loads
  grep -q "__version__ = '$TORCH" "$1/torch/version.py" || die "what was unpacked in $1 is not torch $TORCH"
  [ -f "$1/torch/include/torch/csrc/jit/api/module.h" ] || die "no libtorch headers in $1"
  python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1/torch/lib/$library" ||
    die "$1/torch/lib/$library does not load on this machine"
}

installed() { # a CUDA set serves a CPU build too
  case "$(cat "$DEST/installed" 2>/dev/null)" in
    "$TORCH $flavour" | "$TORCH cuda") [ -f "$DEST/torch/lib/$library" ] ;;
    *) false ;;
  esac
}

have cargo || die "no Rust toolchain; install one from https://rustup.rs (1.90 or newer)"
if [ "${platform%%_*}" = manylinux ]; then install_debian; else check_macos; fi
installed || fetch_libtorch
[ -z "$browser" ] || { install_browser; install_axe; }
say "ready: libtorch $(cat "$DEST/installed") in .libtorch, OpenBLAS $(pkg-config --modversion openblas 2>/dev/null || echo of the system)"
