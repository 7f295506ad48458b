"""Makes `relatives.json` and `relatives.npz`: the scores beside FID, by the packages that publish them.

    pip install vendi-score
    git clone https://github.com/layer6ai-labs/dgm-eval
    git clone https://github.com/sayakpaul/cmmd-pytorch
    python make_relatives.py dgm-eval cmmd-pytorch

Made with Python 3.11, numpy 2.4.6, scipy 1.17.1, scikit-learn, torch 2.13.0, torch-fidelity 0.4.0, vendi-score 0.0.3, pytorch-fid 0.3.0;
the JSON repeats the versions. Features `real` and `fake` are those of `features.npz`.

`relatives.npz` holds float32 arrays:

* `logits` (53, 7), of which the Inception Score is taken;
* `training`, `held_out`, `generated`, `copies` (·, 5): three clusters well apart, so that any k-means finds them;
  `copies` are training samples with little noise;
* `wide_training`, … (·, 66): the same clusters in more than 64 features, of which C_T takes principal components.

`relatives.json`:

* `isc`: `{splits, shuffle, mean, std}` by torch_fidelity.metric_isc.isc_features_to_metric; `order`: numpy's
  RandomState(2020).permutation(40), in which samples are shuffled;
* `cmmd`: cmmd-pytorch's `distance.mmd` of the rows of `real` and `fake` as they are, and scaled to length 1, in float64;
* `vendi`: vendi_score.vendi.score_X, score_dual, and dgm-eval's compute_vendi_score, of `real` and of `fake`;
* `authpct`: dgm-eval's compute_authpct of `real` (training) and `fake`, and of `training` and `generated` and `copies`;
* `ct`: dgm-eval's compute_CTscore of the narrow and wide sets;
* `network`: of `picture(0)`…`picture(29)` and `picture(30)`…`picture(65)` of `make_arrays.py`, in sub-folders of the even and the odd ones,
  through `../capture/tiny_resnet_scripted.pt`: `isc` of the latter in 3 splits, and `sfid` of the first channel of `layer3`, by
  pytorch-fid's distance;
* `class_fid`: pytorch-fid's distance of the rows of `real` and `fake` whose number is 0, 1 or 2 modulo 3.
"""

import importlib.metadata
import sys

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy.stats import mannwhitneyu
from torch_fidelity.metric_isc import isc_features_to_metric
from vendi_score import vendi

from make_arrays import NETWORK, pictures
from reference import FOLDER, Array, write_json

CLASSES = 3
CHANNELS = 1


def clusters(random: np.random.Generator, width: int) -> dict[str, Array]:
    centres = 6 * np.linalg.qr(random.standard_normal((width, 3)))[0].T
    stretch = random.uniform(0.3, 0.6, width)

    def draw(counts: tuple[int, int, int], spread: float) -> Array:
        labels = np.repeat(np.arange(3), counts)
        random.shuffle(labels)
        noise = stretch * spread * random.standard_normal((len(labels), width))
        return (centres[labels] + noise).astype(np.float32)

    training = draw((40, 30, 30), 1)
    copied = random.integers(0, len(training), 80)
    noise = 0.05 * random.standard_normal((80, width))
    return {
        "training": training,
        "held_out": draw((22, 14, 12), 1),
        # The third cluster has too few of them to count.
        "generated": draw((40, 25, 15), 1.2),
        "copies": (training[copied] + noise).astype(np.float32),
    }


def make_arrays() -> dict[str, Array]:
    random = np.random.default_rng(2026)
    logits = (2 * random.standard_normal((53, 7))).astype(np.float32)
    wide = {f"wide_{name}": rows for name, rows in clusters(random, 66).items()}
    return {"logits": logits, **clusters(random, 5), **wide}


def through_network() -> dict:
    network = torch.jit.load(NETWORK).eval().double()

    def run(numbers: list[int]) -> tuple[Array, torch.Tensor]:
        ordered = sorted(numbers, key=lambda number: (number % 2, number))
        images = np.concatenate([pictures(1, number) for number in ordered])
        x = torch.from_numpy(images).double() / 255
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        spatial = network.layer3(network.layer2(network.layer1(x)))
        x = network.layer4(spatial)
        return spatial[:, :CHANNELS].flatten(1).numpy(), network.fc(network.avgpool(x).flatten(1))

    with torch.no_grad():
        (real, _), (fake, logits) = run(list(range(30))), run(list(range(30, 66)))
    statistics = [(rows.mean(0), np.cov(rows, rowvar=False)) for rows in (real, fake)]
    found = isc_features_to_metric(logits, 3, True, 2020)
    return {
        "isc": found["inception_score_mean"],
        "isc_std": found["inception_score_std"],
        "sfid": float(calculate_frechet_distance(*statistics[0], *statistics[1])),
        "dims": real.shape[1],
    }


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def main() -> None:
    sys.path[:0] = sys.argv[1:]
    import distance as cmmd
    from dgm_eval.metrics import authpct, ct
    from dgm_eval.metrics import vendi as dgm_vendi

    # Newer versions of scipy give an array for a column, which the package does not expect.
    ct.mannwhitneyu = lambda x, y, alternative: mannwhitneyu(x.ravel(), y.ravel(), alternative=alternative)
    arrays = make_arrays()
    np.savez_compressed(FOLDER / "relatives.npz", **arrays)
    stored = np.load(FOLDER / "features.npz")
    real, fake = (stored[name].astype(np.float64) for name in ("real", "fake"))

    def isc(splits: int, shuffle: bool) -> dict:
        found = isc_features_to_metric(torch.from_numpy(arrays["logits"]), splits, shuffle, 2020)
        mean, std = found["inception_score_mean"], found["inception_score_std"]
        return {"splits": splits, "shuffle": shuffle, "mean": mean, "std": std}

    def ct_of(prefix: str, generated: str) -> float:
        names = ("training", "held_out", generated)
        np.random.seed(0)
        return float(ct.compute_CTscore(*(arrays[prefix + name].astype(np.float64) for name in names)))

    def of_class(rows: Array, number: int) -> tuple[Array, Array]:
        own = rows[number::CLASSES]
        return own.mean(0), np.cov(own, rowvar=False)

    class_fid = [
        float(calculate_frechet_distance(*of_class(real, c), *of_class(fake, c))) for c in range(CLASSES)
    ]
    both = {"real": real, "fake": fake}
    packages = ("numpy", "scipy", "scikit-learn", "torch", "torch-fidelity", "vendi-score", "pytorch-fid")
    write_json(
        "relatives",
        {
            "versions": {name: importlib.metadata.version(name) for name in packages},
            "isc": [isc(splits, shuffle) for splits in (1, 4, 10) for shuffle in (False, True)],
            "order": np.random.RandomState(2020).permutation(40).tolist(),
            "cmmd": {
                "as_they_are": float(cmmd.mmd(real, fake)),
                "unit": float(cmmd.mmd(unit(real), unit(fake))),
            },
            "vendi": {
                name: {
                    "score_X": float(vendi.score_X(rows)),
                    "score_dual": float(vendi.score_dual(rows)),
                    "dgm_eval": float(dgm_vendi.compute_vendi_score(rows)),
                }
                for name, rows in both.items()
            },
            "authpct": {
                "fake": authpct.compute_authpct(real, fake),
                **{
                    name: authpct.compute_authpct(arrays["training"], arrays[name])
                    for name in ("generated", "copies")
                },
            },
            "ct": {
                prefix + name: ct_of(prefix, name)
                for prefix in ("", "wide_")
                for name in ("generated", "copies")
            },
            "class_fid": class_fid,
            "network": through_network(),
        },
    )


if __name__ == "__main__":
    main()
