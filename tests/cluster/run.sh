#!/usr/bin/env bash
# The scripts of examples/cluster on engines that this machine runs for the test: a Ray cluster of two nodes of which one is
# killed in the middle, Slurm with one node and an array of four, GNU parallel. Each merged report has to be that of one run.
# What cannot be had (no network, not root) is skipped, and said to be. tests/cluster/run.sh [prepare|ray|slurm|parallel]…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

root=$PWD
repsim=${REPSIM:-$root/target/release/repsim}
export REPSIM=$repsim REPSIM_THREADS=1 DEBIAN_FRONTEND=noninteractive
work=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

models=$root/examples/models
command=(cka "$models/fashion-seed0-scripted.pt" "$models/fashion-seed1-traced.pt" --data "$root/examples/images"
    --limit 120 --preprocess raw --channels 3 --mean 0.286 --std 0.353 --layers 'layer?' --estimator minibatch
    --batch-size 5)

skipped() { echo "SKIPPED: $1 was not tested: $2"; }

# Asserts that a report says what one run says.
compare() {
    python3 - "$work/whole.json" "$2" <<'PY'
import json, sys
whole, merged = (json.load(open(path)) for path in sys.argv[1:])
for part in ("schema", "inputs", "settings", "results", "warnings"):
    assert merged[part] == whole[part], f"{part} of the merged report is not that of one run"
PY
    echo "ok: $1 gives the report of one run, after $SECONDS s"
}

patience=(-o Acquire::http::Timeout=10 -o Acquire::Retries=1)

# Packages of Debian, where the programs are not there yet.
debian() {
    command -v "$1" >/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    apt-get "${patience[@]}" install -y -qq "${@:2}" >"$work/apt.log" 2>&1 && return
    apt-get "${patience[@]}" update -qq >>"$work/apt.log" 2>&1 && apt-get "${patience[@]}" install -y -qq "${@:2}" >>"$work/apt.log" 2>&1
}

venv=$root/target/cluster/venv
has_ray() { "$venv/bin/python" -c 'import ray' 2>/dev/null; }
install_ray() {
    has_ray || { python3 -m venv "$venv" && "$venv/bin/pip" install -q --timeout 10 --retries 1 ray==2.60.0; } >"$work/pip.log" 2>&1
}

# What the tests need, for a machine that has other things to do meanwhile.
prepare() {
    install_ray || true
    debian slurmctld slurm-wlm munge || true
    debian parallel parallel || true
}

ray() {
    install_ray || { skipped Ray "$(tail -1 "$work/pip.log" 2>/dev/null || echo "there is no venv")"; return 0; }
    RAY_DEDUP_LOGS=0 timeout 120 "$venv/bin/python" tests/cluster/ray_nodes.py "$repsim" "$root/examples" "$work" 6 \
        "${command[@]}" >"$work/ray.log" 2>&1 || { tail -40 "$work/ray.log"; return 1; }
    grep 'a node was killed' "$work/ray.log"
    compare "Ray" "$work/ray.json"
}

slurm() {
    [ "$(id -u)" = 0 ] || { skipped Slurm "its daemons are started as root here"; return 0; }
    debian slurmctld slurm-wlm munge || { skipped Slurm "$(tail -1 "$work/apt.log")"; return 0; }
    local host dir=$work/slurm
    host=$(hostname -s)
    mkdir -p "$dir"/{state,spool} /run/munge
    export SLURM_CONF=$dir/slurm.conf
    cat >"$SLURM_CONF" <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
MinJobAge=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    chown munge /run/munge
    if ! munge -n >/dev/null 2>&1; then
        su -s /bin/sh munge -c "/usr/sbin/munged --pid-file=/run/munge/munged.pid"
        sleep 1
        pids+=("$(cat /run/munge/munged.pid)")
    fi
    slurmctld -D >"$dir/out" 2>&1 &
    pids+=($!)
    for _ in $(seq 50); do scontrol ping >/dev/null 2>&1 && break; sleep 0.2; done
    slurmd -D >>"$dir/out" 2>&1 &
    pids+=($!)
    for _ in $(seq 50); do sinfo -h -o %T 2>/dev/null | grep -q idle && break; sleep 0.2; done
    sinfo -h -o %T | grep -q idle || { skipped Slurm "its node does not come up: $(tail -1 "$dir/slurmd.log")"; return 0; }
    SBATCH_WAIT=1 timeout 100 examples/cluster/slurm.sh 4 "$work/slurm.json" "${command[@]}" ||
        { cat "$work"/slurm.json.states/*.log; return 1; }
    [ "$(ls "$work"/slurm.json.states/*.state | wc -l)" = 4 ]
    compare "an array of Slurm" "$work/slurm.json"
}

parallel_shards() {
    debian parallel parallel || { skipped "GNU parallel" "$(tail -1 "$work/apt.log")"; return 0; }
    PARALLEL_OPTIONS="--jobs 2" examples/cluster/parallel.sh 3 "$work/parallel.json" "${command[@]}" \
        >"$work/parallel.log" 2>&1 || { cat "$work/parallel.log"; return 1; }
    compare "GNU parallel" "$work/parallel.json"
}

if [ "${1:-}" = prepare ]; then
    prepare
    exit
fi
[ -x "$repsim" ] || cargo build --release --bin repsim
"$repsim" "${command[@]}" -o "$work/whole.json" --quiet
for engine in "${@:-ray slurm parallel}"; do
    for one in $engine; do
        case $one in
        parallel) parallel_shards ;;
        ray | slurm) "$one" ;;
        *) echo "no engine $one: ray, slurm, parallel" >&2; exit 2 ;;
        esac
    done
done
