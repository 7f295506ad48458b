"""Makes networks whose rows go by their place in the batch, by the row beside them, or by their number.

    python make_places.py

Beside this script: `place_NAME.pt`, each `fc(change(conv(x)))` for 3×5×5 images. Of `own` a row depends on its
own sample alone.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent

CHANGES = {
    "own": lambda x: x * 2,
    "counts": lambda x: x + torch.arange(x.shape[0]).to(x.dtype)[:, None],
    "first": lambda x: x - x[:1],
    "last": lambda x: x - x[-1:],
    "before": lambda x: x.cumsum(0),
    "number": lambda x: x / x.shape[0],
}


class Net(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5)
        self.fc = nn.Linear(4, 3)
        self.change = CHANGES[name]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.change(self.conv(x).flatten(1)))


for name in CHANGES:
    torch.manual_seed(0)
    traced = torch.jit.trace(Net(name).eval(), torch.randn(2, 3, 5, 5), check_trace=False)
    save_archive(traced, FOLDER / f"place_{name}.pt")
