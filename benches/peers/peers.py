"""Runs one tool once:  python peers.py TOOL FOLDER  prints the seconds that it computed, without
imports, reading models and making them."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

import inputs

Work = Callable[[], object]


class Batches:
    """What a data loader gives: float images in [0, 1] in batches, each in a list if asked for."""

    dataset = "images"

    def __init__(self, file: Path, size: int, listed: bool = False) -> None:
        self.images, self.size, self.listed = np.load(file), size, listed

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __iter__(self) -> Iterator:
        for start in range(0, len(self.images), self.size):
            batch = torch.from_numpy(self.images[start : start + self.size])
            batch = batch.permute(0, 3, 1, 2).float() / 255
            yield [batch] if self.listed else batch


def two_resnets() -> list[torch.nn.Module]:
    return [inputs.resnet18(0), inputs.resnet18(1)]


def forward(models: list[torch.nn.Module], batches: Batches) -> None:
    with torch.inference_mode():
        for batch in batches:
            for model in models:
                model(batch)


def forward_large(folder: Path) -> Work:
    models, batches = two_resnets(), Batches(folder / "large.npy", 64)
    return lambda: forward(models, batches)


def forward_cifar(folder: Path) -> Work:
    models, batches = [inputs.cifar(2), inputs.cifar(5)], Batches(folder / "small.npy", 64)
    return lambda: forward(models, batches)


def pytorch_cka_large(folder: Path) -> Work:
    from cka import compute_cka

    (a, b), batches = two_resnets(), Batches(folder / "large.npy", 64)
    layers = inputs.RESNET18_LAYERS
    return lambda: compute_cka(a, b, batches, layers=layers, device="cpu", progress=False)


def pytorch_cka_cifar(folder: Path) -> Work:
    from cka import compute_cka

    a, b, batches = inputs.cifar(2), inputs.cifar(5), Batches(folder / "small.npy", 64)
    names = {"layers": a.layers(), "model2_layers": b.layers()}
    return lambda: compute_cka(a, b, batches, **names, device="cpu", progress=False)


def torch_cka_large(folder: Path) -> Work:
    from torch_cka import CKA

    (a, b), batches = two_resnets(), Batches(folder / "large.npy", 64, listed=True)
    layers = inputs.RESNET18_LAYERS
    cka = CKA(a, b, "a", "b", layers, layers, device="cpu")

    def work() -> None:
        with torch.inference_mode():
            cka.compare(batches)

    return work


def statistics(folder: Path) -> list[np.ndarray]:
    files = [np.load(folder / f"statistics-{seed}.npz") for seed in (1, 2)]
    return [file[name] for file in files for name in ("mu", "sigma")]


def few_statistics(folder: Path) -> list[np.ndarray]:
    rows = [np.load(folder / f"few-{seed}.npy") for seed in (1, 2)]
    return [part for r in rows for part in (r.mean(0), np.cov(r, rowvar=False))]


def pytorch_fid(sides: list[np.ndarray]) -> Work:
    from pytorch_fid.fid_score import calculate_frechet_distance

    return lambda: calculate_frechet_distance(*sides)


def torchmetrics(sides: list[np.ndarray]) -> Work:
    from torchmetrics.image.fid import _compute_fid

    tensors = [torch.from_numpy(part) for part in sides]
    return lambda: _compute_fid(*tensors)


def torch_fidelity(folder: Path) -> Work:
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    rows = [torch.from_numpy(np.load(folder / f"rows-{seed}.npy")) for seed in (1, 2)]

    def work() -> None:
        kid_features_to_metric(*rows, verbose=False, rng_seed=0)
        prc_features_to_metric(*rows, verbose=False)

    return work


def grad_cam(folder: Path) -> Work:
    from pytorch_grad_cam import GradCAM

    model, batches = inputs.resnet18(0), Batches(folder / "few.npy", 32)
    cam = GradCAM(model=model, target_layers=[model.layer4])
    return lambda: [cam(input_tensor=batch, targets=None) for batch in batches]


def captum(folder: Path) -> Work:
    from captum.attr import IntegratedGradients

    model, batches = inputs.resnet18(0), Batches(folder / "few.npy", 8)
    gradients = IntegratedGradients(model)

    def work() -> None:
        for batch in batches:
            target = model(batch).argmax(1)
            gradients.attribute(batch, target=target, n_steps=32, internal_batch_size=32)

    return work


TOOLS: dict[str, Callable[[Path], Work]] = {
    "forward-large": forward_large,
    "forward-cifar": forward_cifar,
    "pytorch-cka-large": pytorch_cka_large,
    "pytorch-cka-cifar": pytorch_cka_cifar,
    "torch-cka-large": torch_cka_large,
    "pytorch-fid": lambda folder: pytorch_fid(statistics(folder)),
    "pytorch-fid-few": lambda folder: pytorch_fid(few_statistics(folder)),
    "torchmetrics": lambda folder: torchmetrics(statistics(folder)),
    "torchmetrics-few": lambda folder: torchmetrics(few_statistics(folder)),
    "torch-fidelity": torch_fidelity,
    "grad-cam": grad_cam,
    "captum": captum,
}

if __name__ == "__main__":
    work = TOOLS[sys.argv[1]](Path(sys.argv[2]))
    started = time.perf_counter()
    work()
    print(f"{time.perf_counter() - started:.6f}")
