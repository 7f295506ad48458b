"""Makes the capture goldens: small TorchScript archives and what Python saw inside them.

    python make_capture.py

Everything is written beside this script. The reference values are what forward hooks of the
eager module saw, cloned in the hook: an in-place operator that follows does not change them.
A case has three kinds of files:

* archives, `CASE.pt` or `CASE_scripted.pt` and `CASE_traced.pt`;
* `CASE.safetensors`: the tensors `input`, `output` and `layer/NAME`, all float32;
* `CASE.json`: `layers` in the order in which their calls ended (children before parents), each
  with name, module, call, shape and parameters. The second call of a module has the name
  `NAME:2`; the tensors of a tuple are `NAME:0`, `NAME:1`. `not_called` names modules that no call
  reached, `no_tensor` calls that gave no tensor.

The input is also there as an array file where the command line is to read it.
"""

import copy
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import networks

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent
GRADIENT_CLASS = 3
GRADIENT_LAYERS = ("bn1", "layer2.0.bn2", "layer4")


@dataclass
class Recording:
    """What the hooks saw in one forward."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, Tensor] = field(default_factory=dict)
    not_called: list[str] = field(default_factory=list)
    no_tensor: list[str] = field(default_factory=list)

    def add(self, path: str, call: int, module: nn.Module, result: Any) -> None:
        """Keeps a copy of each tensor that one call gave, or its name where it gave none."""
        suffix = "" if call == 1 else f":{call}"
        tensors = flat(result)
        if not tensors:
            self.no_tensor.append(path + suffix)
        for place, tensor in enumerate(tensors):
            element = "" if isinstance(result, Tensor) else f":{place}"
            name = path + element + suffix
            self.values[f"layer/{name}"] = tensor.detach().clone()
            self.layers.append(
                {
                    "name": name,
                    "module": type(module).__name__,
                    "call": call,
                    "shape": list(tensor.shape),
                    "parameters": sum(weight.numel() for weight in module.parameters()),
                }
            )


def flat(result: Any) -> list[Tensor]:
    """The tensors of a tuple, those of tuples in it included."""
    if isinstance(result, tuple):
        return [tensor for part in result for tensor in flat(part)]
    return [result] if isinstance(result, Tensor) else []


def record(model: nn.Module, batch: Tensor) -> Recording:
    """Runs the eager model with a cloning hook on each of its modules but itself."""
    recording = Recording()
    calls: dict[str, int] = {}

    def hook_for(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: Any, result: Any) -> None:
            calls[path] = calls.get(path, 0) + 1
            recording.add(path, calls[path], module, result)

        return hook

    modules = {path: module for path, module in model.named_modules() if path}
    handles = [module.register_forward_hook(hook_for(path)) for path, module in modules.items()]
    recording.values["input"] = batch.clone()
    recording.values["output"] = model(batch).detach().clone()
    for handle in handles:
        handle.remove()
    recording.not_called = [path for path in modules if path not in calls]
    return recording


def trace(model: nn.Module, batch: Tensor) -> torch.jit.ScriptModule:
    """Traces on two samples and checks the trace on the whole batch."""
    return torch.jit.trace(model, batch[:2], check_inputs=[batch])


def check_archive(name: str, batch: Tensor, expected: Tensor) -> None:
    """The archive as loaded must give what the eager model gave."""
    torch.testing.assert_close(torch.jit.load(FOLDER / name)(batch), expected)


def write_tensors(name: str, values: dict[str, Tensor]) -> None:
    """Writes a safetensors file, readable by all: the library itself writes a private one."""
    save_file({key: value.contiguous() for key, value in values.items()}, FOLDER / name)
    (FOLDER / name).chmod(0o644)


def write_json(name: str, content: dict[str, Any]) -> None:
    (FOLDER / name).write_text(json.dumps(content, indent=1) + "\n")


def write_case(case: str, archives: list[str], recording: Recording, **more: Any) -> None:
    """Checks the archives of a case and writes its values and its list of layers."""
    for archive in archives:
        check_archive(archive, recording.values["input"], recording.values["output"])
    write_tensors(f"{case}.safetensors", recording.values)
    content = {
        "case": case,
        "archives": archives,
        "layers": recording.layers,
        "not_called": recording.not_called,
        "no_tensor": recording.no_tensor,
    }
    write_json(f"{case}.json", content | more)


def gradients(model: nn.Module, batch: Tensor, paths: tuple[str, ...]) -> dict[str, Tensor]:
    """Gradients of one class's logit, summed over the batch, as `gradient/NAME`.

    The hook keeps a module's result and hands a clone onwards, so that the result is what an
    in-place operator after it does not touch.
    """
    kept: dict[str, Tensor] = {"input": batch.clone().requires_grad_()}

    def hook_for(path: str) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: Any, result: Tensor) -> Tensor:
            kept[path] = result
            return result.clone()

        return hook

    handles = [model.get_submodule(path).register_forward_hook(hook_for(path)) for path in paths]
    logit = model(kept["input"])[:, GRADIENT_CLASS].sum()
    for handle in handles:
        handle.remove()
    found = torch.autograd.grad(logit, list(kept.values()))
    return {f"gradient/{path}": gradient for path, gradient in zip(kept, found)}


def margin(model: nn.Module, batch: Tensor) -> float:
    """The least input of a ReLU, as a share of the largest of its call: how near a gradient is to a
    jump. Above what float32 rounds (about 1e-6), gradients are those of any processor."""
    shares: list[float] = []

    def see(_module: nn.Module, inputs: tuple[Tensor]) -> None:
        sizes = inputs[0].abs()
        shares.append((sizes.min() / sizes.max()).item())

    wide = copy.deepcopy(model).double()
    for module in wide.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(see)
    wide(batch.double())
    return min(shares)


def make_tiny_resnet() -> networks.TinyResNet:
    model = networks.TinyResNet().eval().requires_grad_(False)
    return model.apply(networks.randomise)


def tiny_resnet(model: networks.TinyResNet, batch: Tensor) -> Recording:
    """One ResNet, scripted and traced, with gradients; returned for the frozen case."""
    recording = record(model, batch)
    assert recording.values["layer/bn1"].min() < 0
    recording.values |= gradients(model, batch, GRADIENT_LAYERS)
    save_archive(torch.jit.script(model), FOLDER / "tiny_resnet_scripted.pt")
    save_archive(trace(model, batch), FOLDER / "tiny_resnet_traced.pt")
    np.save(FOLDER / "tiny_resnet.npy", batch.numpy())
    write_case(
        "tiny_resnet",
        ["tiny_resnet_scripted.pt", "tiny_resnet_traced.pt"],
        recording,
        gradient_class=GRADIENT_CLASS,
        gradients=["input", *GRADIENT_LAYERS],
        margin=margin(model, batch),
    )
    return recording


def execute(node: torch._C.Node, known: dict[str, Any]) -> Any:
    """Calls a node's operator with the values its inputs have."""
    arguments = torch._C.parse_schema(node.schema()).arguments
    values = [known[value.debugName()] for value in node.inputs()]
    positional = [v for v, a in zip(values, arguments) if not a.kwarg_only]
    named = {a.name: v for v, a in zip(values, arguments) if a.kwarg_only}
    return getattr(torch.ops.aten, node.kind().removeprefix("aten::"))(*positional, **named)


def graph_values(graph: torch._C.Graph, batch: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Executes a frozen graph node by node: each operator that gives a tensor, and a copy of it."""
    known: dict[str, Any] = {list(graph.inputs())[1].debugName(): batch.clone()}
    for node in graph.nodes():
        if node.kind() == "prim::Constant":
            known[node.output().debugName()] = node.output().toIValue()
        elif node.kind().startswith("aten::") and str(node.output().type()) == "Tensor":
            result = execute(node, known)
            known[node.output().debugName()] = result
            yield node.kind(), result.clone()


def equal_layer(value: Tensor, eager: Recording) -> str | None:
    """The layer of the eager model whose values are these, up to rounding; the first such."""
    for name, other in eager.values.items():
        if name.startswith("layer/") and value.shape == other.shape:
            if torch.allclose(value, other, rtol=1e-4, atol=1e-5):
                return name.removeprefix("layer/")
    return None


def frozen(model: networks.TinyResNet, eager: Recording) -> None:
    """The ResNet after freezing: no modules, batch norms folded into the convolutions.

    `operators` lists the graph's operators that give a tensor, in order; `name` counts by kind
    (in-place and not in-place alike), `equals` is the eager layer of the same values.
    """
    module = torch.jit.freeze(torch.jit.script(model))
    save_archive(module, FOLDER / "frozen.pt")
    values = {name: eager.values[name] for name in ("input", "output")}
    operators: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for kind, value in graph_values(module.graph, values["input"]):
        stem = kind.removeprefix("aten::").rstrip("_")
        counts[stem] = counts.get(stem, 0) + 1
        name = f"{stem}.{counts[stem]}"
        values[f"operator/{name}"] = value
        operators.append(
            {
                "name": name,
                "operator": kind,
                "shape": list(value.shape),
                "equals": equal_layer(value, eager),
            }
        )
    assert all(entry["equals"] for entry in operators if entry["operator"] == "aten::conv2d")
    check_archive("frozen.pt", values["input"], values["output"])
    write_tensors("frozen.safetensors", values)
    write_json("frozen.json", {"case": "frozen", "archives": ["frozen.pt"], "operators": operators})


def control_flow() -> None:
    """`if` on the input, `if` on the training flag, two kinds of `for`, and a tuple."""
    model = networks.ControlFlow().eval().requires_grad_(False)
    batch = torch.rand(6, 8) + 0.1
    save_archive(torch.jit.script(model), FOLDER / "control_flow.pt")
    np.save(FOLDER / "control_flow.npy", batch.numpy())
    write_case("control_flow", ["control_flow.pt"], record(model, batch))


def identity() -> None:
    """Tracing leaves an `nn.Identity` without a tensor: there it is no layer."""
    model = networks.WithIdentity().eval().requires_grad_(False)
    batch = torch.randn(5, 16)
    save_archive(torch.jit.script(model), FOLDER / "identity_scripted.pt")
    save_archive(trace(model, batch), FOLDER / "identity_traced.pt")
    archives = ["identity_scripted.pt", "identity_traced.pt"]
    write_case("identity", archives, record(model, batch), no_tensor_when_traced=["skip"])


def mlp() -> None:
    """A network on vectors, its input in three file formats, and its weights alone."""
    model = nn.Sequential(
        nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(inplace=True), nn.Linear(8, 4)
    )
    model.eval().requires_grad_(False)
    batch = torch.randn(12, 16)
    save_archive(torch.jit.script(model), FOLDER / "mlp.pt")
    np.save(FOLDER / "mlp.npy", batch.numpy())
    np.savez(FOLDER / "mlp.npz", x=batch.numpy())
    write_tensors("mlp_input.safetensors", {"x": batch})
    write_case("mlp", ["mlp.pt"], record(model, batch))
    torch.save(model.state_dict(), FOLDER / "state_dict.pth")
    whole = (FOLDER / "mlp.pt").read_bytes()
    (FOLDER / "truncated.pt").write_bytes(whole[: len(whole) * 6 // 10])


def nan_layer() -> None:
    """The layer `root` of sample 5 holds a NaN, in feature 2; everything else is finite."""
    model = networks.NanLayer().eval().requires_grad_(False)
    batch = torch.rand(8, 4) + 0.1
    batch[5, 2] = -1.0
    recording = record(model, batch)
    hit = torch.nonzero(recording.values["layer/root"].isnan()).tolist()
    assert hit == [[5, 2]]
    save_archive(torch.jit.script(model), FOLDER / "nan_layer.pt")
    np.save(FOLDER / "nan_layer.npy", batch.numpy())
    write_case("nan_layer", ["nan_layer.pt"], recording, nan={"layer": "root", "sample": 5})


def constant_layer() -> None:
    """The layer `constant` has the same row for every sample."""
    model = networks.ConstantLayer().eval().requires_grad_(False)
    batch = torch.randn(8, 4)
    save_archive(torch.jit.script(model), FOLDER / "constant_layer.pt")
    np.save(FOLDER / "constant_layer.npy", batch.numpy())
    write_case("constant_layer", ["constant_layer.pt"], record(model, batch), constant="constant")


def varying() -> None:
    """`cell` fires once in a batch of the first four samples, three times in one of the others."""
    model = networks.Varying().eval().requires_grad_(False)
    batch = torch.randn(8, 4)
    batch[:4, 0], batch[4:, 0] = 1.0, 3.0
    save_archive(torch.jit.script(model), FOLDER / "varying.pt")
    np.save(FOLDER / "varying.npy", batch.numpy())
    write_case("varying", ["varying.pt"], record(model, batch), varies=["cell", "cell.linear"])


def forbidden() -> None:
    """Archives with operators that read or write files: to be refused, never run."""
    save_archive(torch.jit.script(networks.FileReader().eval()), FOLDER / "file_reader.pt")
    save_archive(torch.jit.script(networks.FileWriter().eval()), FOLDER / "file_writer.pt")
    save_archive(torch.jit.script(networks.SecretReader().eval()), FOLDER / "secret_reader.pt")
    operators = {
        "file_reader.pt": ["aten::from_file"],
        "file_writer.pt": ["aten::save"],
        "secret_reader.pt": ["aten::from_file"],
    }
    write_json("forbidden.json", {"case": "forbidden", "operators": operators})


def main() -> None:
    torch.manual_seed(20240229)
    torch.set_num_threads(1)
    resnet = make_tiny_resnet()
    eager = tiny_resnet(resnet, torch.randn(5, 3, 16, 16))
    frozen(resnet, eager)
    for make in (control_flow, identity, mlp, nan_layer, constant_layer, varying, forbidden):
        make()
    total = sum(path.stat().st_size for path in FOLDER.iterdir() if path.suffix != ".py")
    print(f"{math.ceil(total / 1024)} KiB written to {FOLDER}")


if __name__ == "__main__":
    main()
