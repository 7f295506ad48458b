"""Times repsim beside its peers and prints a table of ratios (see run.sh).

repsim and the tools run in turn, so that a machine that gets busier meets all of them; times are
medians of the rounds. repsim's is the whole process, a peer's what it computed, without imports and
reading models: the comparison that is hardest for repsim. Everything runs twice: on a quiet machine
and with one busy process a core.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import inputs

RAW = "--preprocess raw --batch-size 64 --quiet --format json"
CKA_LARGE = f"cka resnet18-0.pt2 resnet18-1.pt2 --data large.npy {RAW}"
CIFAR_LAYERS = " ".join(
    f"{option} {name}"
    for option, blocks in (("--layers", 2), ("--layers-b", 5))
    for name in inputs.cifar(blocks).layers()
)
TASKS = {
    "cka-large": (
        "CKA, two ResNet-18, 18 layers, 128 images of 224×224, minibatch",
        f"{CKA_LARGE} --estimator minibatch",
        ["forward-large", "pytorch-cka-large", "torch-cka-large"],
    ),
    "cka-large-full": (
        "the same, all samples in one (default)",
        CKA_LARGE,
        ["pytorch-cka-large"],
    ),
    "cka-cifar": (
        "CKA, CIFAR ResNet-14 and 32, 14 × 32 layers, 1,000 images of 32×32, default",
        f"cka cifar-2.pt2 cifar-5.pt2 --data small.npy {RAW} {CIFAR_LAYERS}",
        ["forward-cifar", "pytorch-cka-cifar"],
    ),
    "fid-statistics": (
        "FID from statistics, D = 2,048",
        "fid statistics-1.npz statistics-2.npz --quiet --format json",
        ["pytorch-fid", "torchmetrics"],
    ),
    "fid-few": (
        "FID of 256 rows, D = 2,048",
        "fid few-1.npy few-2.npy --quiet --format json",
        ["pytorch-fid-few", "torchmetrics-few"],
    ),
    "kid-prdc": (
        "KID (100 subsets), precision and recall, 5,000 rows, D = 2,048",
        "fid rows-1.npy rows-2.npy --metrics kid,prdc --quiet --format json",
        ["torch-fidelity"],
    ),
    "grad-cam": (
        "Grad-CAM at layer4, ResNet-18, 32 images of 224×224",
        f"saliency resnet18-0.pt2 --data few.npy {RAW} --layers layer4",
        ["grad-cam"],
    ),
    "integrated-gradients": (
        "Integrated gradients, 32 steps, ResNet-18, 32 images of 224×224",
        f"saliency resnet18-0.pt2 --data few.npy {RAW} --method integrated-gradients",
        ["captum"],
    ),
}


def of_repsim(program: Path, line: str, folder: Path) -> tuple[float, float]:
    """Seconds of the whole process, twice: all of it is counted as computing."""
    started = time.perf_counter()
    subprocess.run([program, *line.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - started
    return took, took


def of_peer(name: str, folder: Path) -> tuple[float, float]:
    """Seconds of computing and of the whole process."""
    script = Path(__file__).with_name("peers.py")
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, name, folder],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return float(done.stdout.split()[-1]), time.perf_counter() - started


def measure(program: Path, task: str, folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Medians of computing and whole process of repsim and of each peer, run in turn."""
    _, line, peers = TASKS[task]
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ["repsim", *peers]}
    for _ in range(rounds):
        runs["repsim"].append(of_repsim(program, line, folder))
        for peer in peers:
            runs[peer].append(of_peer(peer, folder))
    return {
        name: (statistics.median(r[0] for r in times), statistics.median(r[1] for r in times))
        for name, times in runs.items()
    }


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that compute without end, while the block runs."""
    spin = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(spin) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def rows(task: str, machine: str, times: dict[str, tuple[float, float]]) -> list[dict]:
    ours = times["repsim"][0]
    return [
        {
            "task": task,
            "machine": machine,
            "peer": name,
            "repsim": ours,
            "peer_computing": computing,
            "peer_process": process,
            "ratio": ours / computing,
            "ratio_process": ours / process,
        }
        for name, (computing, process) in times.items()
        if name != "repsim"
    ]


def print_rows(found: list[dict]) -> None:
    for row in found:
        print(
            f"| {TASKS[row['task']][0]} | {row['machine']} | {row['peer']} | {row['repsim']:.2f} s "
            f"| {row['peer_computing']:.2f} s ({row['peer_process']:.2f} s) | {row['ratio']:.2f} "
            f"({row['ratio_process']:.2f}) |",
            flush=True,
        )


def machine(program: Path) -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x.split(":")[1].strip() for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0] if names else cpu
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return f"{cpu}, {len(os.sched_getaffinity(0))} CPUs, {platform.system()}; {version.splitlines()[0]}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("program", nargs="?", type=Path, default=root / "target/release/repsim")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=TASKS, help="this task alone; may be repeated")
    parser.add_argument("--quiet-only", action="store_true", help="not with busy processes beside it")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    program = args.program.resolve()
    loads = {"quiet": 0} if args.quiet_only else {"quiet": 0, "busy": len(os.sched_getaffinity(0))}
    print(f"{machine(program)}; medians of {args.rounds}; whole processes of the peers in brackets\n")
    print("| | machine | beside | repsim | peer | ratio |\n|---|---|---|---|---|---|")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        inputs.write(Path(folder))
        for name, processes in loads.items():
            for task in args.only or TASKS:
                with busy(processes):
                    times = measure(program, task, Path(folder), args.rounds)
                found += rows(task, name, times)
                print_rows(found[-len(TASKS[task][2]) :])
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
