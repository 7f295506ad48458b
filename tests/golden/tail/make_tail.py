"""Makes the archives of the tests of cut models: small networks, each there for one thing.

    python make_tail.py

Everything is written beside this script. There are no reference values: what a tail gives is held
against a run of the whole model.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent


class FlatView(nn.Module):
    """Convolutions with ReLUs in place, flattened by a view of the batch's size where it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 5, 3, stride=2, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(5, 3)
        nn.init.normal_(self.norm.running_mean, std=0.3)
        nn.init.uniform_(self.norm.running_var, 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.first(x)))
        x = self.relu(self.pool(self.relu(self.second(x))))
        return self.head(x.view(x.size(0), -1))


class EarlySize(nn.Module):
    """Takes the batch's size from its input, and uses it at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        samples = x.size(0)
        return self.head(torch.relu(self.stem(x)).view(samples, 6))


class Branches(nn.Module):
    """A branch on values behind `stem`, a loop behind it, and a check of the shape."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.cell = nn.Linear(6, 6)
        self.bright = nn.Linear(6, 3)
        self.dark = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if x.dim() != 2:
            raise ValueError("two axes are needed")
        shift = x.mean(1, keepdim=True)
        for _ in range(x.size(1) // 2):
            x = torch.tanh(self.cell(x)) + shift
        if bool(x.mean() > 0):
            return self.bright(x)
        return self.dark(torch.relu_(x))


class InPlace(nn.Module):
    """Operators whose results nobody uses: they change `x` through itself and through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        self.relu(x)
        left = x.narrow(1, 0, 3)
        left.mul_(2.0)
        row = torch.ones(6)
        row.add_(0.5)
        return self.head(x + row)


class HiddenWrite(nn.Module):
    """What comes from the input is added in place to a view of the output of `stem`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        y.narrow(1, 0, 4).add_(x)
        return self.head(y)


class EarlyWrite(nn.Module):
    """Writes what it saw into a buffer before `stem`, and reads the buffer after it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(4))
        self.stem = nn.Linear(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.seen.copy_(x.mean(0))
        return self.head(self.stem(x)) * self.seen.sum()


class TwoOutputs(nn.Module):
    """Gives the logits, and what a second head makes of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 3)
        self.aside = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        aside = self.aside(x)
        return self.head(self.relu(self.stem(x))), aside


def main() -> None:
    torch.manual_seed(20240301)
    torch.set_num_threads(1)
    scripted = {
        "flat_view_scripted.pt": FlatView,
        "early_size.pt": EarlySize,
        "branches.pt": Branches,
        "in_place.pt": InPlace,
        "hidden_write.pt": HiddenWrite,
        "early_write.pt": EarlyWrite,
        "two_outputs.pt": TwoOutputs,
    }
    for name, network in scripted.items():
        save_archive(torch.jit.script(network().eval().requires_grad_(False)), FOLDER / name)
    traced = torch.jit.trace(FlatView().eval().requires_grad_(False), torch.randn(2, 3, 8, 8))
    save_archive(traced, FOLDER / "flat_view_traced.pt")


if __name__ == "__main__":
    main()
