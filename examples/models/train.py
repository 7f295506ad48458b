"""Trains a narrow ResNet-18 on Fashion-MNIST and exports it as TorchScript.

    python train.py --seed 0 --export script --output fashion-seed0-scripted.pt
    python train.py --seed 1 --export trace --output fashion-seed1-traced.pt
    python train.py --seed 2 --epochs 0 --export script --output fashion-untrained-scripted.pt
    python train.py --seed 0 --augment cutout --export script --output fashion-cutout-scripted.pt
    python train.py --seed 0 --augment mixup --export script --output fashion-mixup-scripted.pt
    python train.py --seed 0 --augment cutmix --export script --output fashion-cutmix-scripted.pt

The seed decides the initial weights, the order of the images and their augmentation. With
`--epochs 0` the network is exported as initialised.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from fashion_mnist import CLASS_FOLDERS, DATA_FOLDER, load_split, to_input

Batch = tuple[torch.Tensor, torch.Tensor]
Augmentation = Callable[[torch.Tensor, torch.Tensor], Batch]

MAX_SHIFT = 2
PEAK_LEARNING_RATE = 0.2
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.1
COARSE_SHARE = 0.7


class NarrowResNet(nn.Module):
    """ResNet-18 for small images: a quarter of the width, and a stem that keeps the size.

    The blocks are torchvision's. `layer1` to `layer4` give `width` to `8 * width` channels at
    full, half, quarter and eighth size; there is no pooling after the stem. The layers have
    torchvision's names.
    """

    def __init__(self, width: int = 16, classes: int = len(CLASS_FOLDERS)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_stage(width, width, stride=1)
        self.layer2 = residual_stage(width, 2 * width, stride=2)
        self.layer3 = residual_stage(2 * width, 4 * width, stride=2)
        self.layer4 = residual_stage(4 * width, 8 * width, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, classes)
        self.apply(initialise_convolution)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def residual_stage(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """Two residual blocks; the first changes the size and the channels where asked."""
    shortcut = None
    if stride != 1 or channels_in != channels_out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
            nn.BatchNorm2d(channels_out),
        )
    first = BasicBlock(channels_in, channels_out, stride, shortcut)
    return nn.Sequential(first, BasicBlock(channels_out, channels_out))


def initialise_convolution(module: nn.Module) -> None:
    """He's initialisation by the fan out, as torchvision's ResNet has it."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def flip(images: torch.Tensor, targets: torch.Tensor) -> Batch:
    """Mirrors each image with a probability of one half."""
    chosen = torch.rand(len(images)) < 0.5
    return torch.where(chosen[:, None, None], images.flip(-1), images), targets


def shift(images: torch.Tensor, targets: torch.Tensor) -> Batch:
    """Moves each image by up to `MAX_SHIFT` pixels in each direction, black coming in."""
    count, height, width = images.shape
    padded = F.pad(images, (MAX_SHIFT,) * 4)
    offsets = torch.randint(2 * MAX_SHIFT + 1, (2, count, 1))
    rows = (offsets[0] + torch.arange(height))[:, :, None]
    columns = (offsets[1] + torch.arange(width))[:, None, :]
    return padded[torch.arange(count)[:, None, None], rows, columns], targets


def squares(count: int, size: int, sides: torch.Tensor) -> torch.Tensor:
    """For each image where a square of its side lies, its centre anywhere, cut off at the border."""
    centres = torch.randint(size, (2, count, 1))
    inside = (torch.arange(size) - centres).abs() * 2 < sides[:, None]
    return inside[0][:, :, None] & inside[1][:, None, :]


def cutout(images: torch.Tensor, targets: torch.Tensor) -> Batch:
    """Blackens a square of half the image's side (DeVries & Taylor 2017)."""
    count, size, _ = images.shape
    hidden = squares(count, size, torch.full((count,), size // 2))
    return images.masked_fill(hidden, 0), targets


def mixup(images: torch.Tensor, targets: torch.Tensor) -> Batch:
    """Blends each image with another, and their targets alike (Zhang et al. 2018, alpha = 1)."""
    share = torch.rand(len(images))
    other = torch.randperm(len(images))
    weight = share[:, None, None]
    mixed = (weight * images + (1 - weight) * images[other]).round().to(images.dtype)
    return mixed, share[:, None] * targets + (1 - share[:, None]) * targets[other]


def cutmix(images: torch.Tensor, targets: torch.Tensor) -> Batch:
    """Puts a square of another image into each, targets by area (Yun et al. 2019, alpha = 1)."""
    count, size, _ = images.shape
    other = torch.randperm(count)
    pasted = squares(count, size, (torch.rand(count).sqrt() * size).round().long())
    share = 1 - pasted.float().mean((1, 2))[:, None]
    return torch.where(pasted, images[other], images), share * targets + (1 - share) * targets[other]


# Applied in this order to bytes (N, H, W) and to targets (N, classes), which are class
# probabilities, so that an augmentation may mix images and their labels alike.
AUGMENTATIONS: tuple[Augmentation, ...] = (flip, shift)
FURTHER: dict[str, Augmentation] = {"cutout": cutout, "mixup": mixup, "cutmix": cutmix}


def augmented_batches(
    images: torch.Tensor, labels: torch.Tensor, size: int, further: tuple[Augmentation, ...]
) -> Iterator[Batch]:
    """One epoch in random order: full batches of inputs and of target probabilities."""
    order = torch.randperm(len(images))
    for rows in order[: len(order) // size * size].split(size):
        batch, targets = images[rows], F.one_hot(labels[rows], len(CLASS_FOLDERS)).float()
        for augment in AUGMENTATIONS + further:
            batch, targets = augment(batch, targets)
        yield to_input(batch).contiguous(memory_format=torch.channels_last), targets


def train(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    epochs: int,
    size: int,
    further: tuple[Augmentation, ...] = (),
) -> None:
    """SGD with Nesterov momentum under a one-cycle schedule.

    The first `COARSE_SHARE` of the steps sees the images at half their size, at a quarter of
    the cost; the rest, where the learning rate falls to nothing, sees them as they are.
    """
    model.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(
        model.parameters(), PEAK_LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    steps = len(images) // size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_LEARNING_RATE, steps * epochs, cycle_momentum=False
    )
    for epoch in range(1, epochs + 1):
        began = time.monotonic()
        total = 0.0
        for batch, targets in augmented_batches(images, labels, size, further):
            if schedule.last_epoch < COARSE_SHARE * steps * epochs:
                batch = F.avg_pool2d(batch, 2)
            total += learn(model, optimiser, batch, targets)
            schedule.step()
        seconds = time.monotonic() - began
        print(f"epoch {epoch}: loss {total / steps:.4f}, {seconds:.0f} s", flush=True)
    model.to(memory_format=torch.contiguous_format).eval()


def learn(
    model: nn.Module, optimiser: torch.optim.Optimizer, batch: torch.Tensor, targets: torch.Tensor
) -> float:
    """One step down the cross entropy with smoothed targets; returns it."""
    loss = F.cross_entropy(model(batch), targets, label_smoothing=LABEL_SMOOTHING)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


@torch.inference_mode()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of images whose largest logit is that of their label."""
    hits = 0
    for rows in torch.arange(len(images)).split(500):
        hits += (model(to_input(images[rows])).argmax(1) == labels[rows]).sum().item()
    return hits / len(images)


def to_torchscript(model: nn.Module, how: str) -> torch.jit.ScriptModule:
    """Scripts or traces the model; a trace is checked on a batch of another size."""
    model.requires_grad_(False)
    if how == "script":
        return torch.jit.script(model)
    example, other = torch.randn(2, 3, 32, 32), torch.randn(5, 3, 32, 32)
    return torch.jit.trace(model, example, check_inputs=[other])


def save_archive(module: torch.jit.ScriptModule, path: Path) -> None:
    """Saves the module without its debug records, which hold the paths of source files."""
    module.save(path)
    reader = torch._C.PyTorchFileReader(str(path))
    records = {name: reader.get_record(name) for name in reader.get_all_records()}
    writer = torch._C.PyTorchFileWriter(str(path))
    writer.set_min_version(int(records["version"]))
    for name, data in records.items():
        if not name.endswith((".debug_pkl", "version")) and not name.startswith(".data/"):
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="the TorchScript file to write")
    parser.add_argument("--export", choices=("script", "trace"), required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--augment", choices=FURTHER, help="beside flips and shifts")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the idx files")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    model = NarrowResNet().eval()
    if arguments.epochs > 0:
        images, labels = load_split(arguments.data, "train")
        further = (FURTHER[arguments.augment],) if arguments.augment else ()
        train(model, images, labels, arguments.epochs, arguments.batch_size, further)
    save_archive(to_torchscript(model, arguments.export), arguments.output)
    loaded = torch.jit.load(arguments.output)
    correct = accuracy(loaded, *load_split(arguments.data, "t10k"))
    print(f"{arguments.output}: test accuracy {correct:.2%}")


if __name__ == "__main__":
    main()
