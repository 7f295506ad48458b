"""The small networks of the capture goldens, each there for one thing a tap must get right."""

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class TinyResNet(nn.Module):
    """A ResNet of one block a stage for 16x16 images, with torchvision's blocks and names.

    Its ReLUs work in place, and one ReLU module serves twice in a block, as in torchvision.
    """

    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(4, 4))
        self.layer2 = nn.Sequential(BasicBlock(4, 6, 2, projection(4, 6)))
        self.layer3 = nn.Sequential(BasicBlock(6, 8, 1, projection(6, 8, stride=1)))
        self.layer4 = nn.Sequential(BasicBlock(8, 10, 2, projection(8, 10)))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(10, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def projection(channels_in: int, channels_out: int, stride: int = 2) -> nn.Sequential:
    """The shortcut of a block that changes the size or the channels."""
    convolution = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


def randomise(module: nn.Module) -> None:
    """Gives a convolution He's weights, a batch norm what training might have left in it."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.running_mean, std=0.3)
        nn.init.uniform_(module.running_var, 0.5, 1.5)
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, std=0.3)


class Cell(nn.Module):
    """A step of a recurrence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


class Halves(nn.Module):
    """Gives a tuple: it has no tensor of its own, its submodules have."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.low = nn.Linear(width, width // 2)
        self.high = nn.Linear(width, width // 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.low(x), self.high(x)


class ControlFlow(nn.Module):
    """Branches on its input and on the training flag, and loops in two ways.

    The loop over `blocks` is unrolled by scripting; the loop over `cell` stays a loop. An
    input of positive mean goes through `bright`.
    """

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Linear(width, width)
        self.noise = nn.Dropout(0.5)
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.cell = Cell(width)
        self.halves = Halves(width)
        self.bright = nn.Linear(width, 3)
        self.dark = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        is_bright = bool(x.mean() > 0)
        x = self.stem(x)
        if self.training:
            x = self.noise(x)
        for block in self.blocks:
            x = torch.relu(block(x))
        for _ in range(3):
            x = self.cell(x)
        low, high = self.halves(x)
        joined = torch.cat([low, high], 1)
        if is_bright:
            return self.bright(joined)
        return self.dark(joined)


class WithIdentity(nn.Module):
    """Has an `nn.Identity`: a layer when scripted, called without a tensor when traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 8)
        self.skip = nn.Identity()
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.skip(self.first(x)))


class Root(nn.Module):
    """The square root: NaN below zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sqrt()


class NanLayer(nn.Module):
    """Its layer `root` holds a NaN for a sample that has a negative feature; no other does."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(4, 4, bias=False)
        self.root = Root()
        self.head = nn.Linear(4, 3)
        nn.init.eye_(self.scale.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.nan_to_num(self.root(self.scale(x))))


class Constant(nn.Module):
    """The same row for every sample."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.row = nn.Parameter(torch.randn(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.row.expand(x.size(0), -1).clone()


class ConstantLayer(nn.Module):
    """Its layer `constant` tells samples apart by nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 5)
        self.constant = Constant(5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x + self.constant(x))


class Varying(nn.Module):
    """Calls `cell` as many times as the largest first feature of the batch says."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.cell = Cell(4)

    def forward(self, x: Tensor) -> Tensor:
        times = int(x[:, 0].max().item())
        x = self.stem(x)
        for _ in range(times):
            x = self.cell(x)
        return x


class Loader(nn.Module):
    """Reads a file where its input is negative somewhere."""

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.min() < 0):
            x = x + torch.from_file("repsim-must-not-read-this", size=1)
        return x


class FileReader(nn.Module):
    """Reads a file in a branch of a submodule."""

    def __init__(self) -> None:
        super().__init__()
        self.loader = Loader()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.loader(x))


class SecretReader(nn.Module):
    """Gives the first four numbers of a file beside its input."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        secret = torch.from_file("secret", size=4, dtype=torch.float32)
        return self.head(x + secret)


class FileWriter(nn.Module):
    """Writes its input to a file."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "repsim-must-not-write-this")
        return self.head(x)
