"""Golden values of stitching, by torch, NumPy and scikit-learn.

    python3 tests/golden/stitching/make_stitching.py [REPORT.json]

torch 2.13.0, torchvision 0.28.0, NumPy 2.4, scikit-learn 1.8. Writes beside itself:

* maps.npz, fits.json: least squares between arrays of several shapes. Maps are brought to the target's
  size by torch.nn.functional.interpolate (bilinear, antialias), the affine map over channels is
  sklearn.linear_model.Ridge with alpha = ridge * trace(scatter) / channels, its prediction on the first
  sample is kept.
* plain.pt, shuffled.pt: a small network with random weights, and the same with its channels in another
  order (the weights of both ends permuted): two networks that compute the same function.
* networks.json: two of the example networks stitched by ordinary least squares (numpy.linalg.lstsq in
  float64), with forward hooks, on the example images, all in float64: accuracy, agreement, KL
  divergence, and close, the share of held-out samples whose two largest logits are within CLOSE. The
  held-out samples are those that a report of `repsim stitch` on these images lists.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.linear_model import Ridge

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "examples/models"))
from train import NarrowResNet, save_archive  # noqa: E402

# Two logits closer than this may change places where a network rounds to float32.
CLOSE = 1e-3


def rows(x):
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy() if x.dim() == 4 else x.reshape(-1, x.shape[-1]).numpy()


def brought(x, size):
    if x.dim() != 4 or tuple(x.shape[2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)


def fits():
    g = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)
    n = 12
    sources = {"large": draw(n, 5, 8, 6), "small": draw(n, 4, 3, 3), "same": draw(n, 3, 4, 5), "vector": draw(n, 5), "tokens": draw(n, 7, 4)}
    targets = {"maps": draw(n, 6, 4, 5), "wide": draw(n, 2, 2, 9), "point": draw(n, 3, 1, 1), "vector": draw(n, 3), "tokens": draw(n, 7, 2)}
    # Something to find, and means that are not zero.
    targets["maps"] += 2 * torch.einsum("oc,nchw->nohw", draw(6, 5), brought(sources["large"], (4, 5))) + 1.5
    targets["maps"] += torch.einsum("oc,nchw->nohw", draw(6, 4), brought(sources["small"], (4, 5)))
    sources["same"] += 3
    arrays = {f"a_{k}": v.float() for k, v in sources.items()} | {f"b_{k}": v.float() for k, v in targets.items()}
    np.savez(HERE / "maps.npz", **{k: v.numpy() for k, v in arrays.items()})
    out = []
    for a, b, ridge in [("large", "maps", 0.0), ("small", "maps", 0.0), ("same", "maps", 0.0), ("same", "maps", 0.1),
                        ("small", "maps", 0.5), ("large", "wide", 0.0), ("small", "wide", 0.01), ("same", "point", 0.0),
                        ("vector", "vector", 0.0), ("vector", "vector", 1.0), ("tokens", "tokens", 0.0)]:
        x, y = arrays[f"a_{a}"].double(), arrays[f"b_{b}"].double()
        size = tuple(y.shape[2:])
        there = brought(x, size)
        X, Y = rows(there), rows(y)
        centred = X - X.mean(0)
        alpha = ridge * np.trace(centred.T @ centred) / X.shape[1]
        fit = Ridge(alpha=alpha, solver="cholesky" if ridge else "svd").fit(X, Y)
        error = ((fit.predict(X) - Y) ** 2).sum()
        explained = 1 - error / ((Y - Y.mean(0)) ** 2).sum()
        first = fit.predict(rows(there[:1]))
        out.append({"a": a, "b": b, "ridge": ridge, "weight": fit.coef_.T.tolist(), "bias": fit.intercept_.tolist(),
                    "explained": explained, "rank": int(np.linalg.matrix_rank(centred)), "first": first.tolist()})
    (HERE / "fits.json").write_text(json.dumps(out) + "\n")


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 12, 3, padding=1)
        self.relu = torch.nn.ReLU()
        self.second = torch.nn.Conv2d(12, 8, 3, stride=2, padding=1)
        self.fc = torch.nn.Linear(8, 10)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = torch.tanh(self.second(x))
        return self.fc(x.mean(dim=(2, 3)))


def shuffled():
    torch.manual_seed(3)
    net = Small().eval()
    with torch.no_grad():
        net.fc.weight *= 20
    other = Small().eval()
    other.load_state_dict(net.state_dict())
    order, last = torch.randperm(12), torch.randperm(8)
    with torch.no_grad():
        other.first.weight.copy_(net.first.weight[order])
        other.first.bias.copy_(net.first.bias[order])
        other.second.weight.copy_(net.second.weight[last][:, order])
        other.second.bias.copy_(net.second.bias[last])
        other.fc.weight.copy_(net.fc.weight[:, last])
    x = torch.randn(4, 3, 28, 28)
    assert torch.allclose(net(x), other(x), atol=1e-5)
    save_archive(torch.jit.script(net), HERE / "plain.pt")
    save_archive(torch.jit.script(other), HERE / "shuffled.pt")


def example_network(name):
    net = NarrowResNet()
    net.load_state_dict(torch.jit.load(ROOT / f"examples/models/{name}").state_dict())
    return net.eval().double()


def close(logits):
    """The share of rows whose two largest logits are close."""
    highest = logits.topk(2, dim=1).values
    return float((highest[:, 0] - highest[:, 1] <= CLOSE).double().mean())


def example_images():
    folders = sorted(p for p in (ROOT / "examples/images").iterdir() if p.is_dir())
    images, labels = [], []
    for label, folder in enumerate(folders):
        for path in sorted(folder.iterdir()):
            pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) / 255
            images.append(torch.from_numpy((pixels - 0.2860) / 0.3530).permute(2, 0, 1))
            labels.append(label)
    return torch.stack(images).double(), np.array(labels)


def networks(report):
    split = json.loads(pathlib.Path(report).read_text())["results"]["held_out"]
    a, b = example_network("fashion-seed0-scripted.pt"), example_network("fashion-seed1-traced.pt")
    images, labels = example_images()
    held = np.array(split)
    fitted = np.setdiff1d(np.arange(len(labels)), held)
    kept = {}

    def tap(key):
        def hook(module, inputs, output):
            kept[key] = output.detach().clone()
        return hook

    names = ["conv1", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
    for name in names:
        a.get_submodule(name).register_forward_hook(tap("a." + name))
        b.get_submodule(name).register_forward_hook(tap("b." + name))
    with torch.no_grad():
        logits_a, logits_b = a(images), b(images)
        own = dict(kept)
        out = {"held_out": split, "accuracy_a": float((logits_a.argmax(1).numpy() == labels)[held].mean()),
               "accuracy_b": float((logits_b.argmax(1).numpy() == labels)[held].mean()),
               "close_a": close(logits_a[held]), "close_b": close(logits_b[held]), "pairs": []}
        pairs = [("layer2", "layer2"), ("layer3", "layer3"), ("layer4", "layer2"), ("layer2", "layer4"), ("avgpool", "avgpool"), ("fc", "fc"), ("layer4", "avgpool")]
        for name_a, name_b in pairs:
            x, y = own["a." + name_a], own["b." + name_b]
            there = brought(x, tuple(y.shape[2:]))
            X, Y = rows(there[fitted]), rows(y[fitted])
            ones = np.ones((len(X), 1))
            solution = np.linalg.lstsq(np.hstack([X, ones]), Y, rcond=None)[0]
            stitched = torch.from_numpy(np.hstack([rows(there[held]), np.ones((len(held) * (len(X) // len(fitted)), 1))]) @ solution)
            if y.dim() == 4:
                stitched = stitched.reshape(len(held), *y.shape[2:], y.shape[1]).permute(0, 3, 1, 2)
            stitched = stitched.contiguous()
            handle = b.get_submodule(name_b).register_forward_hook(lambda m, i, o, s=stitched: s)
            logits = b(images[held])
            handle.remove()
            p, q = logits_b[held].log_softmax(1), logits.log_softmax(1)
            said = logits.argmax(1)
            out["pairs"].append({"layer_a": name_a, "layer_b": name_b, "accuracy": float((said.numpy() == labels[held]).mean()),
                                 "agreement": float((said == logits_b[held].argmax(1)).double().mean()), "close": close(logits),
                                 "kl": float((p.exp() * (p - q)).sum(1).mean())})
    (HERE / "networks.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    fits()
    shuffled()
    if len(sys.argv) > 1:
        networks(sys.argv[1])
