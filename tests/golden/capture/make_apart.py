"""Networks of plain operators that keep samples apart, and some that do not although each operator looks harmless.

    python tests/golden/capture/make_apart.py        writes apart/*.pt and apart/plain.pt2
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive, save_program  # noqa: E402

HERE = Path(__file__).resolve().parent / "apart"


class Plain(nn.Module):
    """A block with a skip connection, a concatenation, a pooling and a classifier."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(8, 2)
        self.offset = nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        y = torch.cat([y, y * 0.5 + self.offset], 1)
        y = F.max_pool2d(y + y.tanh(), 2)
        return self.fc(self.drop(torch.flatten(self.pool(y), 1)))


class Mixed(nn.Module):
    """A convolution, and then something that mixes samples or goes by their place."""

    def __init__(self, how: str):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.how = how
        self.places = nn.Parameter(torch.rand(2, 2, 2, 2))
        self.norm = nn.BatchNorm2d(2, track_running_stats=False)

    def forward(self, x):
        y = self.conv(x)
        if self.how == "vector":  # N×C laid over H×W: rows of the map get values of other samples
            return y + torch.flatten(F.adaptive_avg_pool2d(y, 1), 1)
        if self.how == "places":
            return y + self.places
        if self.how == "limits":
            return torch.clamp(y, self.places, self.places + 1)
        if self.how == "norm":
            return self.norm(y)
        if self.how == "stacked":
            return torch.cat([y, y], 0)
        if self.how == "unbatched":  # three axes are one image of many channels
            return F.conv2d(torch.flatten(y, 0, 1), torch.ones(1, 4, 1, 1))
        return F.dropout(y, 0.5, True)


def main():
    torch.manual_seed(0)
    HERE.mkdir(exist_ok=True)
    plain, two = Plain().eval(), torch.rand(2, 3, 4, 4)
    save_archive(torch.jit.script(plain), HERE / "plain.pt")
    save_archive(torch.jit.trace(plain, two), HERE / "traced.pt")
    # The script of a pooling module asks whether its stride is None.
    strided = nn.Sequential(nn.MaxPool2d(3, 2, 1), plain).eval()
    save_archive(torch.jit.script(strided), HERE / "strided.pt")
    batch = ({0: torch.export.Dim.DYNAMIC},)
    save_program(torch.export.export(plain, (two,), dynamic_shapes=batch), HERE / "plain.pt2")
    small = torch.rand(2, 3, 2, 2)
    for how in ("vector", "places", "limits", "norm", "stacked", "unbatched", "dropout"):
        network = Mixed(how).eval()
        save_archive(torch.jit.trace(network, small, check_trace=False), HERE / f"{how}.pt")


if __name__ == "__main__":
    main()
