"""Makes networks that end in sigmoids or have a single output, and what PyTorch says of them.

    python make_sigmoids.py

Everything is written beside this script. `images.npz` holds 24 images of two classes, `labels`, and
`many.npz` the same ones under three. `outputs.json` holds, per network, its outputs in float64, their
probabilities (of a logit its sigmoid) and, of those with a single output, how many of the two classes
are said rightly with a probability of 0.5 as the threshold.

* `labels_scripted.pt`, `labels_traced.pt`: three independent labels, behind a sigmoid.
* `heads.pt`: two heads with a sigmoid each, joined by `torch.cat`.
* `single.pt`, `vector.pt`: one probability, N×1 and a vector of N; `logit.pt`: its logit; `part.pt`: the
  second of the two probabilities of a softmax.
* `small.pt`: three outputs in 0…1 that come from no sigmoid: logits.
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
COUNT = 24


class Network(nn.Module):
    """A convolution and a linear layer, and what comes behind it by `form`."""

    def __init__(self, outputs: int, form: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(6, outputs)
        self.form = form
        self.shift = 4.18 if outputs == 1 else 0.0
        self.scale = 10.0 if outputs == 1 else 1.0

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(self.relu(self.conv(x)).mean([2, 3])) * 20.0
        y = (y + self.shift) * self.scale
        if self.form == "sigmoid":
            return torch.sigmoid(y)
        if self.form == "vector":
            return torch.sigmoid(y).squeeze(1)
        if self.form == "heads":
            return torch.cat([torch.sigmoid(y[:, :1]), 1 - torch.sigmoid(y[:, 1:])], 1)
        if self.form == "part":
            return torch.softmax(torch.cat([torch.zeros_like(y), y], 1), 1)[:, 1:]
        if self.form == "small":
            return y * 0.005 + 0.5
        return y


NETWORKS = {
    "labels_scripted": (3, "sigmoid"),
    "labels_traced": (3, "sigmoid"),
    "heads": (3, "heads"),
    "single": (1, "sigmoid"),
    "vector": (1, "vector"),
    "logit": (1, "plain"),
    "part": (1, "part"),
    "small": (3, "small"),
}


def network(outputs: int, form: str) -> Network:
    torch.manual_seed(4)
    return Network(outputs, form).eval()


def images() -> np.ndarray:
    """Noise of another colour for each class."""
    generator = np.random.default_rng(6)
    noise = generator.integers(0, 120, (COUNT, 12, 12, 3))
    tint = 30 * (np.arange(COUNT) % 2)[:, None, None, None] * np.array([1, -1, 2])
    return np.clip(noise + tint + 40, 0, 255).astype(np.uint8)


def main() -> None:
    pixels = images()
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    # The labels are what the network of one logit says, but for every sixth.
    labels = (network(1, "plain").double()(x)[:, 0] > 0).long()
    labels[::6] = 1 - labels[::6]
    np.savez_compressed(FOLDER / "images.npz", images=pixels, labels=labels.numpy())
    np.savez_compressed(FOLDER / "many.npz", images=pixels, labels=np.arange(COUNT) % 3)
    found = {}
    for name, (outputs, form) in NETWORKS.items():
        net = network(outputs, form)
        traced = name.endswith("traced")
        module = torch.jit.trace(net, x[:2].float()) if traced else torch.jit.script(net)
        save_archive(module, FOLDER / f"{name}.pt")
        said = net.double()(x).detach().reshape(COUNT, -1)
        sure = torch.sigmoid(said) if form == "plain" else said
        found[name] = {"outputs": said.tolist()}
        if form != "small":
            found[name]["probabilities"] = sure.tolist()
        if outputs == 1:
            found[name]["correct"] = int(((sure[:, 0] > 0.5).long() == labels).sum())
    (FOLDER / "outputs.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
