"""Makes networks whose maps are known exactly, and what is known of them.

    python make_closed_form.py

Versions: see `reference.py`. Nothing here is measured: every number in the JSON comes from the
formula, in fractions of powers of two, which float32 holds exactly; the script then asserts that
autograd and captum give the same. Written beside this script:

* `linear.pt` (scripted): N x 1 x 4 x 4 -> N x 3, flatten, then `linear.weight` (3, 16), no bias;
* `quadratic.pt` (scripted): N x 1 x 4 x 4 -> N x 3, f_k(x) = sum_i a_ki x_i^2 + b_ki x_i with the
  parameters `a` and `b` (3, 16);
* `cam.pt` (scripted): N x 1 x 4 x 4 -> N x 3, `conv` (1x1, 1 -> 2 channels, weights 1 and -1, no
  bias), `relu`, mean over positions, `fc` (2 -> 3) without bias;
* `closed_form.json`: `input` (2, 1, 4, 4), the same for the three; and for each network
  - `logits` (2, 3); `gradient` [image][class] (4, 4), of the logit by the input;
  - of the linear and the quadratic one also, [image][class] (4, 4): `gradient-x-input`;
    `integrated-gradients` from `baseline` (a constant image of 1/2) and `baseline_logits` (3):
    (x - x0) * (a (x + x0) + b), which the middle rule meets exactly with any number of steps, as
    the gradient is linear along the path; `occlusion`: windows 2x2 at stride 2, filled with 0: the
    fall of the logit, for every pixel of the window; and
    `finite_difference`: `h` and, [image][class][h], (f(x + h e) - f(x)) / h for the pixel `pixel`
    (row, column), which is the derivative plus a h;
  - of `cam.pt`: `layer` (`relu`), [image][class] (4, 4), before the ReLU of the method: `gradcam`
    = `hirescam` = sum_k w_ck A_k / 16, `layercam` = sum_k max(w_ck, 0) A_k / 16, and
    `degenerate` [image][class], whether the map after the ReLU is zero everywhere. Class 2 has
    negative weights alone: its map has nothing positive for any image. Class 1 has the weight 0
    for the channel of positive pixels. The second image is zero in its lower half, where all
    maps are zero; the gradient of ReLU at zero is taken as zero (torch).
"""

from fractions import Fraction

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from torch import Tensor, nn

from reference import FOLDER, save_archive, write_json

SIDE, CLASSES = 4, 3
PIXELS = SIDE * SIDE
START = Fraction(1, 2)
PIXEL = (1, 2)
STEPS = [Fraction(1, 2**k) for k in range(1, 8)]
CAM_WEIGHTS = ((2, -1), (0, 3), (-1, -2))
Table = list[list[Fraction]]


class Linear(nn.Module):
    def __init__(self, weights: Table) -> None:
        super().__init__()
        self.linear = nn.Linear(PIXELS, CLASSES, bias=False)
        self.linear.weight.data = to_tensor(weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.flatten(x, 1))


class Quadratic(nn.Module):
    def __init__(self, a: Table, b: Table) -> None:
        super().__init__()
        self.a = nn.Parameter(to_tensor(a))
        self.b = nn.Parameter(to_tensor(b))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.flatten(x, 1).unsqueeze(1)
        return (self.a * flat * flat + self.b * flat).sum(2)


class Cam(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(2, CLASSES, bias=False)
        self.fc.weight.data = torch.tensor(CAM_WEIGHTS, dtype=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).mean([2, 3]))


def to_tensor(table: Table) -> Tensor:
    return torch.tensor([[float(x) for x in row] for row in table])


def square(values: list[Fraction]) -> list[list[float]]:
    return [[float(x) for x in values[i : i + SIDE]] for i in range(0, PIXELS, SIDE)]


def draw(seed: int, rows: int) -> Table:
    """Multiples of 1/8 in -1..1."""
    numbers = np.random.default_rng(seed).integers(-8, 9, (rows, PIXELS))
    return [[Fraction(int(x), 8) for x in row] for row in numbers]


def make_images() -> Table:
    images = draw(1, 2)
    images[1][PIXELS // 2 :] = [Fraction(0)] * (PIXELS // 2)
    return images


def polynomial(a: Table, b: Table, images: Table) -> dict[str, object]:
    """All that is known of f_k(x) = sum_i a_ki x_i^2 + b_ki x_i."""
    place = PIXEL[0] * SIDE + PIXEL[1]

    def each(function) -> list[list[list[list[float]]]]:
        def one(k: int, x: list[Fraction]) -> list[list[float]]:
            return square([function(a[k][i], b[k][i], x[i]) for i in range(PIXELS)])

        return [[one(k, x) for k in range(CLASSES)] for x in images]

    def value(k: int, x: list[Fraction]) -> Fraction:
        return sum((a[k][i] * x[i] ** 2 + b[k][i] * x[i] for i in range(PIXELS)), Fraction(0))

    def slopes(k: int, x: list[Fraction]) -> list[float]:
        derivative = 2 * a[k][place] * x[place] + b[k][place]
        return [float(derivative + a[k][place] * h) for h in STEPS]

    def hidden(k: int, x: list[Fraction]) -> list[list[float]]:
        terms = [a[k][i] * x[i] ** 2 + b[k][i] * x[i] for i in range(PIXELS)]
        corners = [i // SIDE // 2 * 2 * SIDE + i % SIDE // 2 * 2 for i in range(PIXELS)]
        return square([sum(terms[c + d] for d in (0, 1, SIDE, SIDE + 1)) for c in corners])

    return {
        "logits": [[float(value(k, x)) for k in range(CLASSES)] for x in images],
        "gradient": each(lambda a, b, x: 2 * a * x + b),
        "gradient-x-input": each(lambda a, b, x: (2 * a * x + b) * x),
        "baseline": float(START),
        "baseline_logits": [float(value(k, [START] * PIXELS)) for k in range(CLASSES)],
        "integrated-gradients": each(lambda a, b, x: (x - START) * (a * (x + START) + b)),
        "occlusion": [[hidden(k, x) for k in range(CLASSES)] for x in images],
        "finite_difference": {
            "pixel": PIXEL,
            "h": [float(h) for h in STEPS],
            "values": [[slopes(k, x) for k in range(CLASSES)] for x in images],
        },
    }


def maps_of_cam(images: Table) -> dict[str, object]:
    def each(weigh) -> list:
        results = []
        for x in images:
            channels = [[max(v, 0) for v in x], [max(-v, 0) for v in x]]
            rows = []
            for weights in CAM_WEIGHTS:
                pair = [Fraction(weigh(w), PIXELS) for w in weights]
                rows.append([pair[0] * p + pair[1] * q for p, q in zip(*channels, strict=True)])
            results.append(rows)
        return results

    maps = each(lambda w: w)

    def slope(weights: tuple[int, int], v: Fraction) -> Fraction:
        return Fraction(weights[0] if v > 0 else -weights[1] if v < 0 else 0, PIXELS)

    return {
        "layer": "relu",
        "logits": [[float(sum(row)) for row in rows] for rows in maps],
        "gradient": [[square([slope(w, v) for v in x]) for w in CAM_WEIGHTS] for x in images],
        "gradcam": [[square(row) for row in rows] for rows in maps],
        "hirescam": [[square(row) for row in rows] for rows in maps],
        "layercam": [[square(row) for row in rows] for rows in each(lambda w: max(w, 0))],
        "degenerate": [[max(row) <= 0 for row in rows] for rows in maps],
    }


def check(model: nn.Module, facts: dict, x: Tensor) -> None:
    """The formulas against autograd and captum, in float64."""
    model, x = model.double(), x.double()

    def same(found: Tensor, key: str, k: int) -> None:
        assert torch.equal(found.detach()[:, 0], torch.tensor(facts[key]).double()[:, k]), key

    assert torch.equal(model(x), torch.tensor(facts["logits"]).double())
    for k in range(CLASSES):
        inputs = x.clone().requires_grad_()
        same(torch.autograd.grad(model(inputs)[:, k].sum(), inputs)[0], "gradient", k)
        if "layer" in facts:
            same(LayerGradCam(model, model.relu).attribute(x, k), "gradcam", k)
            continue
        start = torch.full_like(x, float(START))
        integral = IntegratedGradients(model)
        found = integral.attribute(x, start, k, n_steps=8, method="riemann_middle")
        same(found, "integrated-gradients", k)
        same(Occlusion(model).attribute(x, (1, 2, 2), (1, 2, 2), 0, k), "occlusion", k)
        moved = x.clone()
        moved[:, 0, PIXEL[0], PIXEL[1]] += float(STEPS[3])
        slopes = (model(moved) - model(x))[:, k] / float(STEPS[3])
        known = torch.tensor(facts["finite_difference"]["values"]).double()[:, k, 3]
        assert torch.equal(slopes, known)


def main() -> None:
    images = make_images()
    x = to_tensor(images).reshape(-1, 1, SIDE, SIDE)
    weights, a, b = draw(2, CLASSES), draw(3, CLASSES), draw(4, CLASSES)
    nothing = [[Fraction(0)] * PIXELS for _ in range(CLASSES)]
    networks = {
        "linear": (Linear(weights), polynomial(nothing, weights, images)),
        "quadratic": (Quadratic(a, b), polynomial(a, b, images)),
        "cam": (Cam(), maps_of_cam(images)),
    }
    content: dict[str, object] = {"input": x.numpy()}
    for name, (model, facts) in networks.items():
        save_archive(torch.jit.script(model.eval()), FOLDER / f"{name}.pt")
        check(model, facts, x)
        content[name] = facts
    content["linear"]["weight"] = [square(row) for row in weights]
    content["quadratic"] |= {"a": [square(r) for r in a], "b": [square(r) for r in b]}
    content["cam"]["fc"] = CAM_WEIGHTS
    write_json("closed_form", content)


if __name__ == "__main__":
    main()
