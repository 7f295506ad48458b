#!/usr/bin/env bash
# run.sh TARGET [SECONDS]: builds the fuzz targets and runs one from its corpus and its seeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../../.. && pwd)
target=$1 seconds=${2:-600}

export LIBTORCH=${LIBTORCH:-$root/.libtorch/torch} OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
# What cargo-fuzz passes, and what finds libtorch.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=16 \
    -Clink-arg=-Wl,-rpath,$LIBTORCH/lib -Clink-arg=-Wl,--allow-shlib-undefined"
nice -n 19 cargo build --release --bin "$target" --target "$(rustc -vV | sed -n 's/host: //p')"
mkdir -p "corpus/$target" "artifacts/$target"
./seeds.sh "$target"
exec "target/$(rustc -vV | sed -n 's/host: //p')/release/$target" "corpus/$target" \
    -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 \
    -malloc_limit_mb=2500 -max_len=8192 -verbosity=1 -print_final_stats=1
