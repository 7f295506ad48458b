"""Makes the goldens of recurrent layers that are given their first states.

    python make_states.py

Everything is written beside this script. `input.npy` holds the samples.

* `policy.pt2`, `policy.pt` (traced): an LSTM that begins with the states in two buffers, of one sample, and
  writes them. `four.pt` (traced): a GRU that begins with a state of four samples, all the same.
* `states.json`: for each the unbiased linear CKA (float64) of what a forward hook on the recurrent layer
  showed with the output of `actor`, the buffers as they were saved before each sample.
"""

import copy
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive, save_program  # noqa: E402

FOLDER = Path(__file__).resolve().parent


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(6, 5)
        self.actor = nn.Linear(5, 3)
        self.register_buffer("hidden", torch.randn(1, 1, 5))
        self.register_buffer("cell", torch.randn(1, 1, 5))

    def forward(self, x: Tensor) -> Tensor:
        out, (hidden, cell) = self.memory(x.unsqueeze(0), (self.hidden, self.cell))
        self.hidden[:] = hidden
        self.cell[:] = cell
        return self.actor(out.squeeze(0))


class Four(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.GRU(6, 5, batch_first=True)
        self.actor = nn.Linear(5, 3)
        self.register_buffer("first", torch.randn(1, 1, 5).expand(1, 4, 5).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.memory(x.unsqueeze(1), self.first)
        return self.actor(out.squeeze(1))


def gram(rows: Tensor) -> np.ndarray:
    rows = rows.reshape(len(rows), -1).double().numpy()
    gram = rows @ rows.T
    np.fill_diagonal(gram, 0.0)
    return gram


def hsic(k: np.ndarray, l: np.ndarray) -> float:
    """Unbiased, Song et al. 2012."""
    n = len(k)
    cross = k.sum() * l.sum() / (n - 1) / (n - 2) - 2 * (k.sum(0) @ l.sum(0)) / (n - 2)
    return float(((k * l).sum() + cross) / (n * (n - 3)))


def cka(x: Tensor, y: Tensor) -> float:
    k, l = gram(x), gram(y)
    return hsic(k, l) / (hsic(k, k) * hsic(l, l)) ** 0.5


def seen(model: nn.Module, samples: Tensor) -> float:
    model, kept = copy.deepcopy(model), []
    model.memory.register_forward_hook(lambda _, __, output: kept.append(output[0].flatten()))
    with torch.no_grad():
        actor = torch.cat([copy.deepcopy(model)(sample[None]) for sample in samples])
    return cka(torch.stack(kept), actor)


def main() -> None:
    torch.manual_seed(20241128)
    torch.set_num_threads(1)
    samples = torch.randn(10, 6)
    np.save(FOLDER / "input.npy", samples.numpy())
    policy, four = Policy().eval(), Four().eval()
    one = samples[:1]
    save_program(torch.export.export(copy.deepcopy(policy), (one,)), FOLDER / "policy.pt2")
    traced = torch.jit.trace(copy.deepcopy(policy), one, check_trace=False)
    # Tracing ran it.
    traced.hidden.copy_(policy.hidden)
    traced.cell.copy_(policy.cell)
    save_archive(traced, FOLDER / "policy.pt")
    save_archive(torch.jit.trace(four, samples[:4]), FOLDER / "four.pt")
    alone = copy.deepcopy(four)
    alone.first = four.first[:, :1].contiguous()
    found = {"policy": seen(policy, samples), "four": seen(alone, samples)}
    (FOLDER / "states.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
