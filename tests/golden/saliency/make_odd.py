"""Small networks that are odd in one way: NaN weights, one logit, a rounded input, a wrapper, dropout
that stays on in evaluation."""

import torch
from torch import nn

from reference import FOLDER, save_archive

torch.manual_seed(0)


class Plain(nn.Module):
    def __init__(self, logits=5):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, logits)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


class Rounded(Plain):
    def forward(self, x):
        return self.fc(torch.relu(self.conv(torch.round(x * 255) / 255)).mean((2, 3)))


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = Plain()
        self.module.w = nn.Parameter(torch.zeros(3, 3, 1, 1))

    def forward(self, x):
        return self.module(x + torch.conv2d(x, self.module.w))


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1024, 3)

    def forward(self, x):
        return self.fc(nn.functional.dropout(x.sum(1).flatten(1), 0.5, True))


def save(name, model):
    save_archive(torch.jit.script(model.eval()), FOLDER / f"{name}.pt")


broken = Plain()
broken.fc.weight.data[0, 0] = float("nan")
maps = Plain()
maps.conv.weight.data[0, 0, 0, 0] = float("nan")
save("nan-fc", broken)
save("nan-conv", maps)
save("one-logit", Plain(1))
save("rounded", Rounded())
save("wrapped", Wrapped())
save("dropping", Dropping())
