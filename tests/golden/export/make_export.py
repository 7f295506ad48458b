"""Makes small archives of torch.export and what forward hooks saw in the modules they came from.

    python make_export.py

Everything is written beside this script: `CASE.pt2`, for some cases `CASE.pt` (the same module traced),
`policy.pt` and `cases.json`. The networks are in float64 unless their name says otherwise, so that no kernel's
rounding matters. For each case `cases.json` holds

* `input`: shape and values of the input (`dtype` int64 for token ids);
* `layers`: name, class, shape and parameters of each call of a module that gave tensors, in the order
  in which the calls ended; the second call of `relu` is `relu:2`. `sum` is the sum of the absolute
  values, `samples` up to three values from places spread evenly over the flattened tensor. Where a
  module gave several tensors, `elements` holds these for each of them instead;
* `silent`: modules that run no operator, which an exported program does not know.

The hooks copy what they see: an in-place operator that follows does not change it. From the archives
everything that names files of this machine is taken out.
"""

import copy
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, export
from torchvision.models.densenet import DenseNet
from torchvision.models.googlenet import Inception
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer
from torchvision.ops import StochasticDepth
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive, save_program  # noqa: E402

FOLDER = Path(__file__).resolve().parent
PLACES = 3


class Block(nn.Module):
    """A residual block that calls one ReLU twice."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if width != out:
            self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += kept
        return self.relu(y)


class ResNet(nn.Module):
    """A ResNet of two stages, with a module that does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 8, 2), Block(8, 8, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.identity = nn.Identity()
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(self.identity(torch.flatten(self.pool(x), 1)))


class Recurrent(nn.Module):
    """An LSTM whose states are returned beside the logits, in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 5, batch_first=True)
        self.act = nn.ReLU()
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> dict[str, Any]:
        steps, (hidden, cell) = self.rnn(x)
        return {"logits": self.act(self.fc(self.act(steps))).mean(1), "state": (hidden, cell)}


class Inceptions(nn.Module):
    """Two of GoogLeNet's modules, whose branches are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Inception(3, 4, 2, 4, 2, 4, 3)
        self.second = Inception(15, 4, 2, 4, 2, 4, 3)
        self.fc = nn.Linear(15, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.second(self.first(x)).mean((2, 3)))


class Halves(nn.Module):
    """Gives both halves of its input, one of them changed."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.chunk(2, dim=-1)
        return self.fc(first), second


class Tuples(nn.Module):
    """Modules that give tuples, nested ones and in more than one call."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 6, batch_first=True)
        self.halves = Halves()

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        steps, (hidden, cell) = self.rnn(x)
        first, second = self.halves(steps)
        third, fourth = self.halves(torch.cat((second, first), -1))
        return third * fourth, (hidden, cell)


class Heads(NamedTuple):
    """Two outputs by name."""

    logits: Tensor
    features: Tensor


class Late(nn.Module):
    """Gives first what it computes last."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.outer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(self.inner(x))
        return torch.relu(self.outer(hidden)), hidden


class Orders(nn.Module):
    """Modules of whose tuples the first element is made last or not used at all."""

    def __init__(self) -> None:
        super().__init__()
        self.late = Late()
        self.second = Late()
        self.long = nn.LSTM(4, 5, batch_first=True)
        self.gated = nn.GRU(4, 5, batch_first=True)
        self.cell = nn.LSTMCell(4, 5)
        self.both = nn.MultiheadAttention(4, 2, batch_first=True)
        self.weights = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        first, hidden = self.late(x)
        _, other = self.second(x)
        _, (_, state) = self.long(x)
        steps, last = self.gated(x)
        short, long = self.cell(x[:, 0], self.cell(x[:, 1]))
        mixed, shares = self.both(x, x, x)
        _, alone = self.weights(x, x, x)
        parts = [first, hidden, other, state[0][:, None], steps, last[0][:, None], long[:, None], mixed, shares, alone]
        return torch.cat([part.mean((1, 2), keepdim=True).flatten(1) for part in parts], 1)


class Named(nn.Module):
    """Returns a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Heads:
        features = torch.tanh(self.body(x))
        return Heads(self.head(features), features)


class Mapped(Named):
    """Returns a dictionary."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = torch.tanh(self.body(x))
        return {"logits": self.head(features), "aux.features": features}


class Counter(nn.Module):
    """Adds to a buffer as it runs, and stops the gradient half way."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("total", torch.ones(3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        with torch.no_grad():
            scale = y.abs().mean(1, keepdim=True)
        self.total += 1
        return y * scale * self.total


class Policy(nn.Module):
    """A policy for one robot that keeps the state of its LSTM in buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(4, 5)
        self.actor = nn.Sequential(nn.Linear(5, 6), nn.ELU(), nn.Linear(6, 3))
        self.register_buffer("hidden", torch.full((1, 1, 5), 0.1, dtype=torch.float64))
        self.register_buffer("cell", torch.zeros(1, 1, 5, dtype=torch.float64))
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        out, (h, c) = self.memory(x.unsqueeze(0), (self.hidden, self.cell))
        self.hidden[:] = h
        self.cell[:] = c
        self.steps += 1
        return self.actor(out.squeeze(0)) * self.steps


class Unit(nn.Module):
    """A linear layer and an activation that others have, too."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.lin(x))


class Shared(nn.Module):
    """Modules under several names: beside each other, in other parents, with children, without weights;
    and two layers that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.Tanh()
        self.lin = nn.Linear(4, 4)
        self.again = self.lin
        self.one = Unit(act)
        self.two = self.one
        self.three = Unit(act)
        self.chain = nn.Sequential(self.one, act, nn.Linear(4, 4), act)
        self.enc = nn.Sequential(nn.Linear(4, 4), nn.ELU())
        self.dec = nn.Sequential(nn.SiLU(), self.enc[0])
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.enc[0].weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.lin(self.again(self.lin(x)))
        x = self.one(self.three(self.two(x)))
        x = self.three(self.chain(self.chain(x)))
        return self.tied(self.enc(self.dec(self.enc(x))))


class Residual(nn.Module):
    """A linear layer and an activation behind which its input is added."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.lin(x))


class Tied(nn.Module):
    """Modules that are not one: blocks around one layer, convolutions and layers that share their tensors,
    called in another order than they were registered in."""

    def __init__(self, alike: bool) -> None:
        super().__init__()
        self.b1 = Residual(nn.ReLU())
        self.b2 = Residual(nn.Tanh())
        self.b2.lin = self.b1.lin
        self.near = nn.Conv1d(1, 2, 3, padding=1)
        self.far = nn.Conv1d(1, 2, 3, padding=2, dilation=2)
        self.far.weight, self.far.bias = self.near.weight, self.near.bias
        self.last = nn.Linear(8, 4)
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)
        if alike:
            self.b.weight, self.b.bias = self.a.weight, self.a.bias

    def forward(self, x: Tensor) -> Tensor:
        x = self.b1(self.b2(x))[:, None]
        x = self.last((self.far(x) * self.near(x)).flatten(1))
        return self.a(torch.tanh(self.b(x)))


def unshared(model: nn.Module) -> nn.Module:
    """A copy in which each name of a module without tensors is a module of its own: what a forward hook
    on each of these names would see, if it could tell where it was called."""
    model = copy.deepcopy(model)
    seen: set[int] = set()
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in seen and not child.state_dict():
                setattr(parent, name, copy.deepcopy(child))
            seen.add(id(child))
    return model


class Parts(nn.Module):
    """Returns tensors among what is none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> tuple:
        features = self.conv(x)
        return None, self.fc(features.mean((2, 3))), 3, {"empty": None, "features": features}


def mobilenet() -> nn.Module:
    settings = [
        InvertedResidualConfig(8, 3, 16, 8, True, "RE", 2, 1, 1.0),
        InvertedResidualConfig(8, 5, 24, 16, False, "HS", 1, 1, 1.0),
    ]
    return MobileNetV3(settings, 32, num_classes=5)


def calm(model: nn.Module, seed: int) -> nn.Module:
    """Evaluation mode, and batch norms whose statistics are not those they begin with."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
    return model.eval()


def tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [tensor for part in parts for tensor in tensors(part)] if isinstance(result, (list, tuple, dict)) else []


def summary(tensor: Tensor) -> dict[str, Any]:
    flat = tensor.detach().double().flatten()
    places = [k * flat.numel() // PLACES for k in range(min(PLACES, flat.numel()))]
    return {
        "shape": list(tensor.shape),
        "sum": flat.abs().sum().item(),
        "samples": [[place, flat[place].item()] for place in places],
    }


def record(model: nn.Module, batch: Tensor) -> dict[str, Any]:
    """What the hooks of all modules see in one run."""
    calls: dict[str, int] = {}
    layers: list[dict[str, Any]] = []

    def hook_for(path: str) -> Any:
        def hook(module: nn.Module, _inputs: Any, result: Any) -> None:
            calls[path] = calls.get(path, 0) + 1
            suffix = "" if calls[path] == 1 else f":{calls[path]}"
            layer: dict[str, Any] = {
                "name": path + suffix,
                "class": type(module).__name__,
                "parameters": sum(weight.numel() for weight in module.parameters()),
            }
            seen = [summary(tensor) for tensor in tensors(result)]
            layers.append(layer | (seen[0] if len(seen) == 1 else {"elements": seen}))

        return hook

    handles = [m.register_forward_hook(hook_for(path)) for path, m in model.named_modules() if path]
    with torch.no_grad():
        model(batch)
    for handle in handles:
        handle.remove()
    silent = [path for path, m in model.named_modules() if isinstance(m, (nn.Identity, StochasticDepth))]
    return {"layers": layers, "silent": silent}


def case(
    cases: dict[str, Any],
    name: str,
    model: nn.Module,
    batch: Tensor,
    *,
    dynamic: bool = True,
    decompose: bool = False,
    traced: bool = False,
    **options: Any,
) -> None:
    """Exports a model in evaluation mode, and keeps what its hooks see."""
    shapes = ({0: Dim.DYNAMIC},) if dynamic else None
    with torch.no_grad():
        program = export(model, (batch,), dynamic_shapes=shapes, **options)
        if decompose:
            program = program.run_decompositions()
    save_program(program, FOLDER / f"{name}.pt2")
    if traced:
        save_archive(torch.jit.trace(model, batch, check_trace=False), FOLDER / f"{name}.pt")
    values = batch.double().flatten().tolist()
    dtype = str(batch.dtype).removeprefix("torch.")
    given = {"shape": list(batch.shape), "dtype": dtype, "values": values}
    cases[name] = {"input": given} | record(model, batch)


def save_policy(cases: dict[str, Any], steps: Tensor) -> None:
    """A scripted policy, and what it gives for one sample after the other: each from the state that it
    was saved with, and each from the state that the one before it left."""
    policy = Policy().eval().double()
    save_archive(torch.jit.script(policy), FOLDER / "policy.pt")
    fresh = [torch.jit.load(FOLDER / "policy.pt")(step[None]) for step in steps]
    policy = torch.jit.load(FOLDER / "policy.pt")
    kept = [policy(step[None]) for step in steps]
    cases["policy"] = {
        "input": {"shape": list(steps.shape), "dtype": "float64", "values": steps.flatten().tolist()},
        "fresh": torch.cat(fresh).flatten().tolist(),
        "kept": torch.cat(kept).flatten().tolist(),
    }


def save_orders(cases: dict[str, Any], steps: Tensor) -> None:
    torch.manual_seed(7)
    orders = Orders().eval().double()
    case(cases, "orders", orders, steps, traced=True)
    case(cases, "orders_preserved", orders, steps, preserve_module_call_signature=("late", "second"))
    del cases["orders_preserved"]


def save_tied(cases: dict[str, Any], batch: Tensor) -> None:
    """A script and a program that is not strict hold the same for two layers that are alike as for two names
    of one, hence no such layers."""
    plain = Tied(alike=False).eval().double()
    save_archive(torch.jit.script(plain), FOLDER / "tied_script.pt")
    case(cases, "tied", plain, batch)
    alike = Tied(alike=True).eval().double()
    case(cases, "tied_strict", alike, batch, strict=True)
    save_archive(torch.jit.trace(alike, batch, check_trace=False), FOLDER / "tied_strict.pt")


def main() -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    steps = torch.randn(3, 6, 4, dtype=torch.float64)
    ids = torch.randint(0, 40, (3, 7))
    cases: dict[str, Any] = {}
    torch.manual_seed(1)
    resnet = calm(ResNet(), 1).double()
    case(cases, "resnet", resnet, images, traced=True)
    case(cases, "resnet_strict", resnet, images, strict=True)
    case(cases, "resnet_static", resnet, images, dynamic=False)
    case(cases, "resnet_decomposed", resnet, images, decompose=True)
    case(cases, "resnet_bfloat16", calm(ResNet(), 1).bfloat16(), images.bfloat16())
    case(cases, "resnet_half", calm(ResNet(), 1).half(), images.half())
    case(cases, "mobilenet", calm(mobilenet(), 2).double(), images)
    vit = VisionTransformer(16, 8, 2, 2, 16, 32, num_classes=5)
    nn.init.normal_(vit.heads.head.weight)
    case(cases, "vit", vit.eval().double(), images, traced=True)
    case(cases, "vit_static", vit, images, dynamic=False)
    swin = SwinTransformer([2, 2], 8, [2, 2], [2, 2], [2, 2], stochastic_depth_prob=0.0, num_classes=5)
    case(cases, "swin", swin.eval().double(), images)
    case(cases, "swin_one", swin, images[:1], dynamic=False)
    case(cases, "densenet", calm(DenseNet(4, (2, 2), 8, num_classes=5), 3).double(), images)
    case(cases, "inception", calm(Inceptions(), 4).double(), images)
    recurrent = Recurrent().eval().double()
    case(cases, "lstm", recurrent, steps)
    case(cases, "lstm_static", recurrent, steps, dynamic=False)
    case(cases, "lstm_preserved", recurrent, steps, preserve_module_call_signature=("rnn",))
    small = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    small["intermediate_size"] = 32
    bert = BertModel(BertConfig(**small, max_position_embeddings=16)).eval().double()
    case(cases, "bert", bert, ids)
    tiny = GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2, use_cache=False)
    case(cases, "gpt2", GPT2LMHeadModel(tiny).eval().double(), ids)
    llama = LlamaConfig(**small, max_position_embeddings=16, use_cache=False)
    case(cases, "llama", LlamaForCausalLM(llama).eval().double(), ids)
    tuples = Tuples().eval().double()
    save_archive(torch.jit.script(tuples), FOLDER / "tuples.pt")
    given = {"shape": list(steps.shape), "dtype": "float64", "values": steps.flatten().tolist()}
    cases["tuples"] = {"input": given} | record(tuples, steps)
    save_policy(cases, steps[:, 0])
    torch.manual_seed(5)
    batch = {0: Dim("batch")}
    parts = export(Parts().eval().double(), (images,), dynamic_shapes=(batch,))
    save_program(parts, FOLDER / "parts.pt2")
    for name, model in (("named", Named().eval().double()), ("mapped", Mapped().eval().double())):
        save_archive(torch.jit.script(model), FOLDER / f"{name}.pt")
        returned = [tensor.flatten().tolist() for tensor in tensors(model(steps[:, 0]))]
        cases[name] = {"input": cases["policy"]["input"], "returned": returned}
    counter = Counter().eval().double()
    given = steps[:, 0].clone().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(counter(given)[:, 1].sum(), given)
    counter.total.fill_(1)
    program = export(counter, (steps[:, 0],), dynamic_shapes=({0: Dim.DYNAMIC},))
    save_program(program, FOLDER / "counter.pt2")
    save_program(program.run_decompositions(), FOLDER / "counter_decomposed.pt2")
    kept = [counter(steps[:, 0]).flatten().tolist() for _ in range(3)]
    values = gradient.flatten().tolist()
    cases["counter"] = {"input": cases["policy"]["input"], "kept": kept, "gradient": values}
    torch.manual_seed(6)
    shared = Shared().eval().double()
    save_archive(torch.jit.script(shared), FOLDER / "shared_script.pt")
    case(cases, "shared", shared, steps[:, 0], traced=True)
    case(cases, "shared_strict", shared, steps[:, 0], strict=True)
    cases["shared"] |= record(unshared(shared), steps[:, 0])
    del cases["shared_strict"]
    save_orders(cases, steps)
    torch.manual_seed(7)
    save_tied(cases, steps[:, 0])
    (FOLDER / "cases.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
