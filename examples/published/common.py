"""What the studies share: data, networks and their training, calls of repsim, and results.

Every network is described by a `Recipe` and kept in target/published/networks under a name that holds all of it, so
that studies share their networks. Each is trained in a process of its own with one thread and deterministic kernels: on
one machine the same recipe gives the same weights. Another processor rounds differently.
"""

import argparse
import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = Path(os.environ.get("PUBLISHED_WORK", ROOT / "target" / "published"))
RESULTS = HERE / "results"
DATA = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
MEAN, STD, CLASSES = 0.2860, 0.3530, 10
BATCH, PEAK_RATE, MOMENTUM, WEIGHT_DECAY = 128, 0.1, 0.9, 5e-4
STEPS = f"[preprocess]\nchannels = \"grey\"\nmean = [{MEAN}]\nstd = [{STD}]\n"
CONVOLUTIONS = [f"conv{i}" for i in range(1, 9)]
MEASURES = (
    "cka hsic rsa rdm-cosine procrustes procrustes-angle size-and-shape shape-metric svcca pwcca cca-r2 linear-regression mutual-knn "
    "cknna jaccard second-order-cosine aligned-cosine hard-correlation soft-matching distance-correlation"
).split()


# What torch.export says of tensors that lie in one storage, as batch norms' may.
warnings.filterwarnings("ignore", message="No complete tensor found")


class Mistake(Exception):
    """Something that is missing or wrong, and what to do about it."""


# ---------------------------------------------------------------------------------------------- data


def idx(name: str, kind: str) -> Path:
    """A file of Fashion-MNIST, packed or not."""
    packed = DATA / f"{name}-{kind}-ubyte.gz"
    for path in (packed, packed.with_suffix("")):
        if path.is_file():
            return path
    raise Mistake(
        f"there is no {packed}: install Debian's package dataset-fashion-mnist, or set FASHION_MNIST to a folder "
        "with the four files of https://github.com/zalandoresearch/fashion-mnist"
    )


def read_idx(name: str, kind: str, axes: int) -> np.ndarray:
    path = idx(name, kind)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = np.frombuffer(raw, ">i4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The images (N, 28, 28) and labels of `train` or `t10k`, as bytes."""
    return read_idx(split, "images-idx3", 3), read_idx(split, "labels-idx1", 1)


def test_images() -> Path:
    """The test set as repsim reads it."""
    return idx("t10k", "images-idx3")


def save_images(name: str, images: np.ndarray, labels: np.ndarray) -> Path:
    """Images (N, 28, 28) with labels as an array file that repsim reads."""
    path = WORK / "data" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, images=images[..., None], labels=labels.astype(np.int64))
    return path


def with_mark(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Each image with its upper rows black but for a white square at one of ten places."""
    marked = images.copy()
    marked[:, :3] = 0
    for i, place in enumerate(places):
        marked[i, :3, 2 * place + 4 : 2 * place + 6] = 255
    return marked


# ------------------------------------------------------------------------------------------ networks


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    `shortcut` is the share of training images whose mark stands at the place of their class (None: no marks), the
    marks of the others stand anywhere; `random_labels` the share of training images with a random label; `noise` the
    standard deviation of Gaussian noise on the pixels (of 0 to 1).
    """

    seed: int
    epochs: int = 4
    images: int = 15_000
    shortcut: float | None = None
    random_labels: float = 0.0
    noise: float = 0.0

    def path(self) -> Path:
        parts = [f"seed{self.seed}", f"epochs{self.epochs}", f"images{self.images}"]
        parts += [] if self.shortcut is None else [f"shortcut{self.shortcut:g}"]
        parts += [f"labels{self.random_labels:g}"] if self.random_labels else []
        parts += [f"noise{self.noise:g}"] if self.noise else []
        return WORK / "networks" / ("-".join(parts) + ".pt2")


class PlainNet(nn.Module):
    """The plain CNN of Kornblith et al. (2019, appendix): eight convolutions of 16 to 64 channels, no skips.

    A layer is a convolution with its batch norm and ReLU; they have `conv1` to `conv8` as names, and the mean over
    positions is `pool`.
    """

    def __init__(self) -> None:
        super().__init__()
        sizes = [(1, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
        for i, (before, after, stride) in enumerate(sizes, 1):
            padding = 0 if i == len(sizes) else 1
            setattr(self, f"conv{i}", layer(nn.Conv2d(before, after, 3, stride, padding, bias=False)))
        self.conv8 = layer(nn.Conv2d(64, 64, 1, bias=False))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for name in CONVOLUTIONS:
            x = getattr(self, name)(x)
        return self.fc(self.pool(x))


def layer(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU())


def to_input(images: np.ndarray | Tensor) -> Tensor:
    """Bytes, or floats of 0 to 255, (N, 28, 28) as the network's input."""
    return ((torch.as_tensor(images, dtype=torch.float32) / 255 - MEAN) / STD).unsqueeze(1)


def training_data(recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The first `images` training images and their labels, as the recipe changes them."""
    images, labels = (part[: recipe.images].copy() for part in load("train"))
    draw = np.random.default_rng(recipe.seed)
    if recipe.shortcut is not None:
        anywhere = draw.integers(CLASSES, size=len(labels))
        images = with_mark(images, np.where(draw.random(len(labels)) < recipe.shortcut, labels, anywhere))
    others = draw.integers(CLASSES, size=len(labels))
    labels = np.where(draw.random(len(labels)) < recipe.random_labels, others, labels)
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def train(recipe: Recipe) -> PlainNet:
    """SGD with Nesterov momentum under a one-cycle learning rate; with no epochs the network as initialised."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    network = PlainNet().to(memory_format=torch.channels_last)
    images, labels = training_data(recipe)
    steps = max(1, recipe.epochs * -(-len(images) // BATCH))
    optimiser = torch.optim.SGD(network.parameters(), PEAK_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, steps)
    for _ in range(recipe.epochs):
        for chosen in torch.randperm(len(images)).split(BATCH):
            x = images[chosen].float()
            x = x + 255 * recipe.noise * torch.randn_like(x) if recipe.noise else x
            loss = F.cross_entropy(network(to_input(x)), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def export(network: nn.Module, path: Path) -> Path:
    """Writes `path`, a .pt2 for any number of images, and beside it the preprocessing that repsim takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    program = torch.export.export(
        network.eval(), (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), strict=True
    )
    path.with_suffix(".repsim.toml").write_text(STEPS)
    part = path.with_suffix(".part.pt2")
    torch.export.save(program, part)
    part.replace(path)
    return path


def train_and_export(recipe: Recipe) -> Path:
    network = train(recipe)
    torch.save(network.state_dict(), recipe.path().with_suffix(".pth"))
    return export(network, recipe.path())


def networks(recipes: list[Recipe]) -> list[Path]:
    """The exported network of each recipe; those that are missing are trained, two at a time."""
    (WORK / "networks").mkdir(parents=True, exist_ok=True)
    missing = [recipe for recipe in dict.fromkeys(recipes) if not recipe.path().exists()]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done, path in enumerate(pool.map(train_and_export, missing), 1):
            say(f"trained {path.stem} ({done} of {len(missing)})")
    return [recipe.path() for recipe in recipes]


def trained(recipe: Recipe) -> PlainNet:
    """The network of a recipe as a module."""
    networks([recipe])
    network = PlainNet()
    network.load_state_dict(torch.load(recipe.path().with_suffix(".pth"), weights_only=True))
    return network.eval()


# -------------------------------------------------------------------------------------------- repsim


def program() -> str:
    """`REPSIM`, the release build of this checkout, or what is on the PATH."""
    built = ROOT / "target" / "release" / "repsim"
    named = os.environ.get("REPSIM") or (str(built) if built.is_file() else "repsim")
    found = shutil.which(named)
    if not found:
        raise Mistake(f"there is no program {named}: build it (cargo build --release), or set REPSIM to it")
    return found


def call(*arguments: Any, threads: int = 2) -> str:
    """What a command prints."""
    command = [program(), *map(str, arguments), "--quiet", "--no-config", "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Mistake(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def repsim(*arguments: Any, threads: int = 2) -> Any:
    """The report of a command."""
    return json.loads(call(*arguments, "--format", "json", threads=threads))


def features(path: Path, data: Path, *options: Any) -> Path:
    """The folder of what the last hidden layer of a network gives for the data."""
    folder = WORK / "features" / "-".join([path.stem, data.stem.split(".")[0], *map(str, options)])
    call("features", path, "--data", data, "--layers", "pool", *options, "--output", folder)
    return folder


# ------------------------------------------------------------------------------------------- results


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def options(doc: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few networks and samples: whether it runs, not what it finds")
    return parser.parse_args()


def write(name: str, quick: bool, table: list[dict[str, Any]], report: dict[str, Any]) -> None:
    """The table as CSV and Markdown and the report as JSON; of a quick run only below target/."""
    folder = results_folder(quick)
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    with open(folder / f"{name}.csv", "w", newline="") as file:
        rows = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(table)
    (folder / f"{name}.md").write_text(markdown(table))
    if not quick:
        place_in_readme(name, table)
    print(markdown(table), end="")
    say(f"wrote {folder}/{name}.json, .csv, .md")


def place_in_readme(name: str, table: list[dict[str, Any]]) -> None:
    """Puts the table between the marks that the README has for it."""
    path, begin, end = HERE / "README.md", f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    text = path.read_text()
    if begin in text and end in text:
        before, after = text.split(begin)[0], text.split(end)[1]
        path.write_text(f"{before}{begin}\n{markdown(table)}\n{end}{after}")


def results_folder(quick: bool) -> Path:
    folder = WORK / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def markdown(table: list[dict[str, Any]]) -> str:
    lines = [list(table[0]), ["---"] * len(table[0])] + [[shown(value) for value in row.values()] for row in table]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def shown(value: Any) -> str:
    if value is None:
        return "–"
    return number(value) if isinstance(value, float) else str(value)


def number(value: float, digits: int = 3) -> str:
    """Without a sign where it rounds to 0."""
    return f"{value:z.{digits}f}".replace("-", "−")


def run(study: Any) -> None:
    """Runs a study; a mistake is one line and exit code 2."""
    try:
        program()
        test_images()
        study()
    except Mistake as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        raise SystemExit(2) from None
