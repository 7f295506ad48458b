"""Makes the goldens of inputs that are overwritten and of values that depend on more than the sample.

    python make_draws.py

Everything is written beside this script. `input.npy` holds the samples that all networks take.

* `depends.json`: what forward hooks of the eager modules showed, for each archive. A layer depends on
  the draw where its output differs over seeds, on the batch where the output of the first sample
  differs with the samples beside it under one seed. `aliases` are the layers whose hooks were given
  the same tensor object in the same version, in evaluation mode.
* `writers.json`: CKA (linear, unbiased HSIC, float64) of the layer `fc` of `plain.pt` and of each network
  that writes into its input, each on samples of its own.
* `grey.json`, `orders.json`: CKA of the layers `conv` and `fc` of `grey.pt` over `grey.npy`, and of `orders.pt`.
* `one_image_falls.json`: by how much the score of the predicted class of `one_image.pt` falls on average with
  each channel of `conv` at 0, in float64.
* `keeps.json`: CKA of `net.conv` and `net.fc` of `keeps.pt`, a network that keeps lists, new for every sample,
  and `keeps_falls.json` how far the score of the predicted class falls with each channel of `net.conv` at 0.
* `complex.json`: CKA of the layers of `complex.pt`, with real and imaginary parts as features.
"""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import networks

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent
SEEDS = range(24)


def listen(model: nn.Module, batch: Tensor) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Copies of what the modules gave, the output last, and the names that share a tensor."""
    values: dict[str, Tensor] = {}
    objects: dict[str, tuple[Tensor, int]] = {}
    calls: dict[str, int] = {}

    def hook_for(path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, result: Any) -> None:
            calls[path] = calls.get(path, 0) + 1
            name = path if calls[path] == 1 else f"{path}:{calls[path]}"
            values[name] = result.detach().clone()
            objects[name] = (result, result._version)

        return hook

    modules = [(path, module) for path, module in model.named_modules() if path]
    handles = [module.register_forward_hook(hook_for(path)) for path, module in modules]
    with torch.no_grad():
        values["output"] = model(batch.clone()).clone()
    for handle in handles:
        handle.remove()
    same = {
        a: [b for b in objects if b != a and objects[a][0] is objects[b][0] and objects[a][1] == objects[b][1]]
        for a in objects
    }
    return values, same


def depends(model: nn.Module, batch: Tensor) -> dict[str, list[str]]:
    """For each layer, and for the output, what its values were seen to depend on."""

    def run(samples: Tensor, seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return listen(model, samples)[0]

    other = torch.cat([batch[:1], 3 * batch[1:] + 1])
    runs = [run(batch, seed) for seed in SEEDS]
    beside = [run(other, seed) for seed in SEEDS]
    found = {}
    for name in runs[0]:
        draw = any(not torch.equal(runs[0][name], one[name]) for one in runs)
        company = [
            not torch.allclose(one[name][0], two[name][0], rtol=1e-4, atol=1e-5)
            for one, two in zip(runs, beside)
        ]
        found[name] = ["draw"] * draw + ["batch"] * any(company)
    return found


def case(model: nn.Module, batch: Tensor) -> dict[str, Any]:
    values, same = listen(model, batch)
    on = depends(model, batch)
    layers = [
        {"name": name, "aliases": same[name], "depends_on": on[name]} for name in values if name != "output"
    ]
    return {"layers": layers, "output": on["output"]}


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """CKA of features by HSIC₁ (Song et al. 2012)."""

    def hsic(k: np.ndarray, l: np.ndarray) -> float:
        n = len(k)
        k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
        inner = k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ l).sum()
        return float((np.trace(k @ l) + inner) / (n * (n - 3)))

    x, y = (a - a.mean(0) for a in (x, y))
    k, l = x @ x.T, y @ y.T
    return hsic(k, l) / float(np.sqrt(hsic(k, k) * hsic(l, l)))


def rows(value: Tensor) -> np.ndarray:
    real = torch.view_as_real(value) if value.is_complex() else value
    return real.flatten(1).double().numpy()


def writers(batch: Tensor) -> None:
    """Networks that change their input; the value of each is with an input of its own."""
    plain = networks.Plain().eval()
    save_archive(torch.jit.script(plain), FOLDER / "plain.pt")
    own = rows(listen(plain, batch)[0]["fc"])
    found = {}
    for kind in networks.WRITERS:
        model = kind().eval()
        name = kind.__name__.lower()
        scripted = torch.jit.script(model)
        before = batch.clone()
        scripted(before)
        assert not torch.equal(before, batch), name
        save_archive(scripted, FOLDER / f"{name}.pt")
        found[name] = cka(own, rows(listen(model, batch)[0]["fc"]))
    traced = networks.Normalises().eval()
    save_archive(torch.jit.trace(traced, batch[:2].clone(), check_trace=False), FOLDER / "traced.pt")
    found["traced"] = cka(own, rows(listen(traced, batch)[0]["fc"]))
    write("writers.json", found)


def dependent(batch: Tensor) -> None:
    found = {}

    def add(name: str, model: nn.Module, archive: torch.jit.ScriptModule) -> None:
        save_archive(archive, FOLDER / f"{name}.pt")
        found[name] = case(model, batch)

    model = networks.TrainingTrace().train()
    add("training_trace", model, torch.jit.trace(model, batch[:2], check_trace=False))
    model = networks.TrainingTrace().train()
    scripted = torch.jit.script(model)
    add("training_script", model.eval(), scripted)
    for name, kind in {
        "no_running": networks.NoRunning,
        "monte_carlo": networks.MonteCarlo,
        "noise": networks.Noise,
        "drop_path": networks.DropPath,
        "centres": networks.Centres,
        "wrapped": networks.Wrapped,
        "complex": networks.Complex,
    }.items():
        model = kind().eval()
        add(name, model, torch.jit.script(model))
    write("depends.json", found)
    values, _ = listen(model, batch)
    names = ["conv", "fft", "fc"]
    matrix = [[cka(rows(values[a]), rows(values[b])) for b in names] for a in names]
    write("complex.json", {"layers": names, "cka": matrix})


def others(batch: Tensor) -> None:
    """Recurrent networks, and one that takes a single image."""
    for name, kind in {"lstm": nn.LSTM, "gru": nn.GRU}.items():
        save_archive(torch.jit.script(networks.Recurrent(kind).eval()), FOLDER / f"{name}.pt")
    model = networks.OneImage().eval()
    save_archive(torch.jit.trace(model, batch[:1]), FOLDER / "one_image.pt")
    one = [listen(model, image[None])[0]["conv"] for image in batch]
    other = [listen(model, image[None])[0]["fc"] for image in batch]
    write("one_image.json", cka(rows(torch.cat(one)), rows(torch.cat(other))))
    torch.manual_seed(7)
    flattens = networks.Flattens().eval()
    save_archive(torch.jit.script(flattens), FOLDER / "flattens.pt")
    seen = listen(flattens, batch)[0]
    write("flattens.json", cka(rows(seen["conv"]), rows(seen["fc"])))
    save_archive(torch.jit.script(networks.Times().eval()), FOLDER / "times.pt")
    viewing(batch)
    falls(model.double(), batch.double())
    torch.manual_seed(8)
    save_archive(torch.jit.script(networks.FastPath().eval()), FOLDER / "fast_path.pt")


def viewing(batch: Tensor) -> None:
    torch.manual_seed(9)
    grey = batch.mean(1, keepdim=True).contiguous()
    np.save(FOLDER / "grey.npy", grey.numpy())
    for name, network, data in [("grey", networks.Grey(), grey), ("orders", networks.Orders(), batch)]:
        network = network.eval()
        save_archive(torch.jit.script(network), FOLDER / f"{name}.pt")
        seen = listen(network, data)[0]
        write(f"{name}.json", cka(rows(seen["conv"]), rows(seen["fc"])))


def falls(model: nn.Module, batch: Tensor) -> None:
    def ablated(channel: int | None) -> Tensor:
        def hook(_module: nn.Module, _inputs: Any, result: Tensor) -> Tensor:
            keep = torch.ones(4, dtype=result.dtype)
            if channel is not None:
                keep[channel] = 0.0
            return result * keep[:, None, None]

        handle = model.conv.register_forward_hook(hook)
        with torch.no_grad():
            logits = torch.cat([model(image[None]) for image in batch])
        handle.remove()
        return logits

    intact = ablated(None)
    classes = intact.argmax(1, keepdim=True)
    score = intact.gather(1, classes)
    write("one_image_falls.json", [float((score - ablated(c).gather(1, classes)).mean()) for c in range(4)])


def keeping(batch: Tensor) -> None:
    torch.manual_seed(11)
    model = networks.Keeps().eval()
    save_archive(torch.jit.script(model), FOLDER / "keeps.pt")
    each = [listen(copy.deepcopy(model), image[None])[0] for image in batch]
    conv, fc = (torch.cat([seen[name] for seen in each]) for name in ["net.conv", "net.fc"])
    write("keeps.json", cka(rows(conv), rows(fc)))
    with torch.no_grad():
        intact = torch.cat([copy.deepcopy(model)(image[None]) for image in batch])
        classes = intact.argmax(1, keepdim=True)
        kept = intact.gather(1, classes)
        dropped = []
        for channel in range(4):
            new = copy.deepcopy(model)
            new.net.conv.weight[channel] = 0.0
            new.net.conv.bias[channel] = 0.0
            logits = torch.cat([copy.deepcopy(new)(image[None]) for image in batch])
            dropped.append(float((kept - logits.gather(1, classes)).mean()))
    write("keeps_falls.json", dropped)


def write(name: str, content: Any) -> None:
    (FOLDER / name).write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    torch.manual_seed(20240401)
    torch.set_num_threads(1)
    batch = torch.randn(12, 3, 5, 5)
    np.save(FOLDER / "input.npy", batch.numpy())
    writers(batch)
    dependent(batch)
    others(batch)
    keeping(batch)
    total = sum(path.stat().st_size for path in FOLDER.iterdir() if path.suffix != ".py")
    print(f"{total // 1024} KiB written to {FOLDER}")


if __name__ == "__main__":
    main()
