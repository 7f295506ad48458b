"""Runs a repsim command as shards on a Ray cluster, and merges their states.

    python ray_run.py --shards 64 -o report.json -- cka a.pt b.pt --data /shared/photos --estimator minibatch

All nodes see the same files. A shard whose worker or node dies is repeated on another one, where it goes on from the
state that it kept last; shards that are done end at once, so that the script may be started again.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys

import ray

PR_SET_PDEATHSIG = 1


def end_with_parent():
    """A shard whose worker is killed must not go on: it would keep the lock of its state."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@ray.remote
def run_shard(command, folder):
    """Runs one shard; what it said is in the error where it fails."""
    run = subprocess.run(command, cwd=folder, preexec_fn=end_with_parent, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr)
    return run.stderr


def run(command, shards, report, repsim="repsim", cpus=1, gpus=0, retries=3):
    """Runs all shards of a command on the cluster that ray is connected to, and writes the report."""
    folder = os.getcwd()
    states = os.path.abspath(report) + ".states"
    os.makedirs(states, exist_ok=True)
    files = [os.path.join(states, f"{index}.state") for index in range(shards)]
    task = run_shard.options(num_cpus=cpus, num_gpus=gpus, max_retries=retries, retry_exceptions=True)
    waiting = {}
    for index, file in enumerate(files):
        shard = [repsim, *command, "--shard", f"{index}/{shards}", "--resume", "-o", file]
        waiting[task.remote(shard, folder)] = index
    while waiting:
        [done], _ = ray.wait(list(waiting), num_returns=1)
        print(f"shard {waiting.pop(done)}/{shards}: {ray.get(done).strip().splitlines()[-1]}", file=sys.stderr)
    subprocess.run([repsim, "merge", *files, "-o", report], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, required=True, help="how many")
    parser.add_argument("-o", "--output", required=True, help="the report")
    parser.add_argument("--address", default="auto", help="of the cluster")
    parser.add_argument("--repsim", default="repsim", help="the program")
    parser.add_argument("--cpus", type=float, default=1, help="cores of a shard")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of a shard")
    parser.add_argument("--retries", type=int, default=3, help="how often a shard is repeated")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command: cka a.pt b.pt --data photos")
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    ray.init(address=args.address)
    run(command, args.shards, args.output, args.repsim, args.cpus, args.gpus, args.retries)


if __name__ == "__main__":
    main()
