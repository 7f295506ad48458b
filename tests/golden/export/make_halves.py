"""Makes one network as a script, where a module gives two tensors, and as a trace, where it gives the one used.

    python make_halves.py

Beside this script: `halves_script.pt` and `halves_trace.pt`, for N×4 rows of float32.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.fc(x)
        return y[:, :3], y[:, 3:]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.halves = Halves()
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.halves(x)[1])


torch.manual_seed(0)
net = Net().eval()
save_archive(torch.jit.script(net), FOLDER / "halves_script.pt")
save_archive(torch.jit.trace(net, torch.randn(2, 4), check_trace=False), FOLDER / "halves_trace.pt")
