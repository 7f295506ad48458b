"""The small networks of these goldens: such as write into their input, such as draw random numbers or
look at the batch in evaluation mode, and such as hold one tensor under several names."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Head(nn.Module):
    """A convolution and a linear layer behind a step that subclasses give."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def classify(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).mean([2, 3]))


class Normalises(Head):
    """Subtracts and divides in place."""

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.4).div_(0.2)
        return self.classify(x)


class Assigns(Head):
    """Writes through an index."""

    def forward(self, x: Tensor) -> Tensor:
        x[:, 0] = x[:, 0] * 3.0 + 1.0
        return self.classify(x)


class ReluFirst(nn.Module):
    """Its first module works in place on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(self.act(x)).mean([2, 3]))


class Flattens(nn.Module):
    """Views what a convolution gave as a vector, as LeNet's code does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(100, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.fc(x.view(x.size(0), -1))


class Grey(nn.Module):
    """Views what convolutions of one channel gave: the input is the same in both memory layouts."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(100, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(torch.relu(self.first(x))))
        return self.fc(x.view(x.size(0), -1))


class Orders(nn.Module):
    """Puts its input into the plain layout itself, and views what a convolution makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(100, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x.contiguous()))
        return self.fc(x.view(x.size(0), -1))


class Views(nn.Module):
    """Writes through a view of a view."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(75, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(1)
        y.narrow(1, 0, 16).mul_(2.0)
        return self.fc(y)


class Branches(Head):
    """Writes in a branch that depends on the data, in a loop over channels."""

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.mean() > -10.0):
            for channel in range(3):
                x[:, channel].add_(float(channel) - 2.0)
        return self.classify(x)


def normalise(x: Tensor, mean: float) -> Tensor:
    return x.sub_(mean)


class Calls(Head):
    """A function writes, and a submodule hands the input on as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(normalise(self.same(x), 0.7))


class SameType(Head):
    """`type_as` returns the input itself, which its schema does not tell."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.type_as(self.fc.weight)
        y -= 0.3
        return self.classify(y)


class Plain(Head):
    """Leaves its input as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(x)


WRITERS = [Normalises, Assigns, ReluFirst, Views, Branches, Calls, SameType]


class TrainingTrace(nn.Module):
    """To be traced in training mode: a batch norm and a dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.drop(self.pool(self.bn(self.conv(x))).flatten(1)))


class NoRunning(nn.Module):
    """A batch norm without running statistics, an instance norm, and an ordinary batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.InstanceNorm2d(3)
        self.usual = nn.BatchNorm2d(3)
        self.bn = nn.BatchNorm2d(3, track_running_stats=False)
        self.fc = nn.Linear(75, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc((self.own(x) + self.bn(self.usual(x))).flatten(1))


class Block(nn.Module):
    """Monte Carlo dropout in a function, behind a dropout that is off."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.off = nn.Dropout(0.9)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.off(self.lin(x)), 0.5, training=True)


class MonteCarlo(nn.Module):
    """Dropout that a block of it keeps on, and one of probability 0 that is on too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(75, 8)
        self.block = Block()
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.stem(x.flatten(1)), 0.0, training=True)
        return self.fc(self.block(x))


class Noise(nn.Module):
    """Adds noise to what its layers give."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(75, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x.flatten(1))
        return y + torch.randn_like(y)


class DropPath(nn.Module):
    """Drops whole samples of a branch, in place, in a loop; what came before stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(75, 8)
        self.cell = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))
        for _ in range(2):
            kept = x.clone()
            kept.mul_(torch.empty(x.size(0), 1).bernoulli_(0.7))
            x = x + self.cell(kept)
        return self.fc(x)


class Centres(nn.Module):
    """Subtracts the mean over the batch: no operator that is known for it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(75, 8)
        self.norm = Centre()
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.stem(x.flatten(1))))


class Centre(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class Times(nn.Module):
    """Steps of time first, T×N×D; subtracts the mean over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.norm = CentreSecond()
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(2).permute(2, 0, 1))
        return self.fc(self.norm(x)[-1])


class CentreSecond(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)


class Complex(nn.Module):
    """A layer of complex maps, and one of complex features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fft = Fft()
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.abs(self.fft(self.conv(x))).mean([2, 3]))


class Fft(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft2(x)


class Mlp(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 8))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.mlp = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.norm(x))


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Layer() for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x)
        return x


class Wrapped(nn.Module):
    """Blocks at depth four below a wrapper, with containers that return what their last child gave."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"stem": nn.Linear(75, 8), "encoder": Encoder()})
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.model["encoder"](self.model["stem"](x.flatten(1))))


class Recurrent(nn.Module):
    """A module that returns a tuple, scripted with overloads of `forward`."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(4, 6, batch_first=True)
        self.fc = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class OneImage(nn.Module):
    """Traced with one image it holds the size of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.fc(y.view(int(x.shape[0]), 4, -1).mean(2))


class FastPath(nn.Module):
    """Two blocks that evaluation computes in one piece each, so that their submodules do not run."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(15, 8)
        layers = [nn.TransformerEncoderLayer(8, 2, 8, dropout=0.0, batch_first=True) for _ in range(2)]
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.stem(x.flatten(2).reshape(-1, 5, 15))).mean(1))


class Lists(nn.Module):
    """Keeps what it saw in a list and a dictionary, the latter written in place, and adds it later."""

    seen: list[Tensor]
    sums: dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)
        self.seen = []
        self.sums = {"all": torch.zeros(4)}

    def forward(self, x: Tensor) -> Tensor:
        means = torch.relu(self.conv(x)).mean([2, 3])
        result = means + 5.0 * self.sums["all"]
        for earlier in self.seen:
            result = result + earlier.mean(0) * 3.0
        self.seen.append(means * means)
        self.sums["all"].add_(means.mean(0))
        return self.fc(torch.relu(result - 0.2))


class Keeps(nn.Module):
    """Has such a network as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Lists()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)
