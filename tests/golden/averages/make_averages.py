"""Makes a network whose channel means are the same for every sample, up to rounding.

    python make_averages.py

`network.pt` holds, behind a convolution (`conv`), an instance norm with a small shift (`instance`), a
group norm with one channel a group (`group`), a layer norm over the positions (`positions`, N×C×H×W), and
`mixed`: three channels of `instance` beside three of `conv`. `tokens.pt` gives N×T×D tokens normalised over
the tokens (`norm`), `extractor.pt` returns maps as features. `images.npy` and `others.npy` are images; `means.json` holds the standard deviation
over the images of the channel means in float64, the largest of each layer, relative to the mean absolute
value of the layer.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent


class Positions(nn.Module):
    """A layer norm over the positions of each channel."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm([size, size])

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class Mixed(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a[:, :3], b[:, 3:]], 1)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.instance = nn.InstanceNorm2d(6, affine=True)
        self.group = nn.GroupNorm(6, 6)
        self.positions = Positions(12)
        self.mixed = Mixed()
        self.relu = nn.ReLU()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        x = self.instance(y)
        y = self.group(y) + self.positions(y) + self.mixed(x, y)
        return self.fc(self.relu(y).mean([2, 3]))


class Extractor(nn.Module):
    """Returns maps as features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        return self.conv(x.float() / 255)


class Columns(nn.Module):
    """Normalises each feature over the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-5)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 3, stride=3)
        self.linear = nn.Linear(8, 8)
        self.norm = Columns()
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(self.embed(x).flatten(2).transpose(1, 2))
        return self.fc(torch.relu(self.norm(x)).mean(1))


def deviations(network: nn.Module, x: Tensor, axes: list[int]) -> dict[str, float]:
    found = {}

    def hook_for(name: str):
        def hook(_module: nn.Module, _inputs: object, y: Tensor) -> None:
            spread = y.mean(axes).std(0).max() / y.abs().mean()
            found[name] = float(spread)

        return hook

    handles = [m.register_forward_hook(hook_for(n)) for n, m in network.named_children() if n not in ("fc", "embed")]
    network(x)
    for handle in handles:
        handle.remove()
    return found


def main() -> None:
    torch.manual_seed(8)
    network, tokens = Network().eval(), Tokens().eval()
    with torch.no_grad():
        network.instance.bias.copy_(torch.linspace(-1e-3, 1e-3, 6))
        generator = np.random.default_rng(9)
        base = generator.integers(0, 256, (32, 3, 3, 3)).repeat(4, 1).repeat(4, 2)
        images = np.clip(base + generator.integers(-30, 30, (32, 12, 12, 3)), 0, 255).astype(np.uint8)
        x = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
        np.save(FOLDER / "images.npy", images[:20])
        np.save(FOLDER / "others.npy", images[12:])
        save_archive(torch.jit.script(network), FOLDER / "network.pt")
        save_archive(torch.jit.script(Extractor().eval()), FOLDER / "extractor.pt")
        save_archive(torch.jit.script(tokens), FOLDER / "tokens.pt")
        found = {
            "network": deviations(network.double(), x, [2, 3]),
            "tokens": deviations(tokens.double(), x, [1]),
        }
    (FOLDER / "means.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
