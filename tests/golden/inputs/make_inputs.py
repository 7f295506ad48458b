"""Makes small networks of several inputs, data for them, and what forward hooks saw.

    python make_inputs.py

Everything is written beside this script:

* `gpt2.pt2` (`input_ids`) and `bert.pt2` (`input_ids`, `attention_mask`): torch.export, float64, batch and
  length dynamic;
* `double.pt`: scripted, float64; `mixed.pt`: scripted; `forward(image, ids, scale, shift=0.5, flag=False)` with a float tensor, ids, a float
  and two optional arguments; `embedding.pt`: scripted, ids into an embedding; `adder.pt`: scripted, a linear
  layer; `recurrent.pt`: scripted, `forward(x, state: Tuple[Tensor, Tensor])`;
* `ids.npz`, `ids.npy`, `ids.safetensors`: N×L ids alone, `bert.npz` and `bert.safetensors` with a mask and
  labels, `mixed.npz`; `texts.txt` and `tokenizer.json` (words, with padding and a template);
* `cases.json`: for each network the layers, in the order in which the calls ended (name, shape, sum of the
  absolute values, some values); for a pair of layers linear CKA with the unbiased HSIC of Song et al. (2012),
  of whole features and `reduced` with padding left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.export import Dim, export
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive, save_program  # noqa: E402

FOLDER = Path(__file__).resolve().parent
SAMPLES, LENGTH, VOCABULARY = 8, 7, 40
PLACES = 5


class Mixed(nn.Module):
    """A network of an image, token ids and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.embed = nn.Embedding(VOCABULARY, 4)
        self.join = nn.Linear(8, 6)
        self.act = nn.ReLU()
        self.fc = nn.Linear(6, 3)

    def forward(self, image: Tensor, ids: Tensor, scale: float, shift: float = 0.5, flag: bool = False) -> Tensor:
        both = torch.cat([self.conv(image).mean([2, 3]), self.embed(ids).mean(1)], 1)
        y = self.act(self.join(both)) * scale + shift
        return self.fc(-y if flag else y)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.fc(self.embed(ids).mean(1))


class Classes(nn.Module):
    """Classes of texts: a mean over the tokens that the mask leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 8)
        self.body = nn.Linear(8, 6)
        self.act = nn.ReLU()
        self.fc = nn.Linear(6, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        tokens = self.act(self.body(self.embed(input_ids)))
        weights = attention_mask[..., None].to(tokens.dtype)
        return self.fc((tokens * weights).sum(1) / weights.sum(1))


def sensitivity(model: Classes, given: dict[str, Tensor]) -> list[float]:
    """Mean absolute derivative of the logit of the predicted class by each channel of `act`, times the
    channel's deviation: over the tokens that the mask leaves."""
    heard: list[Tensor] = []

    def hook(_m: nn.Module, _i: Any, out: Tensor) -> None:
        out.retain_grad()
        heard.append(out)

    handle = model.act.register_forward_hook(hook)
    model(**given).max(1).values.sum().backward()
    handle.remove()
    kept = given["attention_mask"].bool()
    values, slopes = heard[0].detach()[kept], heard[0].grad[kept]
    return (slopes.abs().mean(0) * values.std(0, correction=0)).tolist()


def falls(model: Classes, given: dict[str, Tensor]) -> dict[str, Any]:
    """How far the logit of the predicted class falls, on average, with each channel of `act` zeroed."""
    with torch.no_grad():
        logits = model(**given)
        best = logits.argmax(1, keepdim=True)
        score = logits.gather(1, best).mean()
        found = []
        for channel in range(6):
            zeroed = model.act.register_forward_hook(
                lambda _m, _i, out, c=channel: out.index_fill(-1, torch.tensor([c]), 0)
            )
            found.append((score - model(**given).gather(1, best).mean()).item())
            zeroed.remove()
    return {"mean_logit": score.item(), "drop_zero": found, "sensitivity": sensitivity(model, given)}


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 5)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y, state = self.rnn(x, state)
        return self.fc(y), state


def summary(tensor: Tensor) -> dict[str, Any]:
    flat = tensor.detach().double().flatten()
    places = [k * flat.numel() // PLACES for k in range(min(PLACES, flat.numel()))]
    return {
        "shape": list(tensor.shape),
        "sum": flat.abs().sum().item(),
        "samples": [[place, flat[place].item()] for place in places],
    }


def first(result: Any) -> Tensor | None:
    if isinstance(result, Tensor):
        return result
    if isinstance(result, dict):
        result = list(result.values())
    return first(result[0]) if isinstance(result, (list, tuple)) and result else None


def hear(model: nn.Module, **given: Any) -> dict[str, Tensor]:
    """The first tensor of each call of a module, by name, in the order in which they ended."""
    heard: dict[str, Tensor] = {}

    def hook_for(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, result: Any) -> None:
            tensor = first(result)
            if tensor is not None:
                name = path if path not in heard else f"{path}:2"
                heard[name] = tensor.detach().clone()

        return hook

    handles = [m.register_forward_hook(hook_for(path)) for path, m in model.named_modules() if path]
    with torch.no_grad():
        model(**given)
    for handle in handles:
        handle.remove()
    return heard


def hsic(k: np.ndarray, l: np.ndarray) -> float:
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    ones = k.sum() * l.sum() / ((n - 1) * (n - 2))
    return float((np.trace(k @ l) + ones - 2 / (n - 2) * (k @ l).sum()) / (n * (n - 3)))


def cka(a: Tensor, b: Tensor) -> float:
    grams = []
    for features in (a, b):
        rows = features.double().flatten(1).numpy()
        rows = rows - rows.mean(0)
        grams.append(rows @ rows.T)
    k, l = grams
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def reduced(features: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Rows of N×T×D features, of the tokens whose mask is 1."""
    weights = mask.double()[..., None]
    means = (features * weights).sum(1) / weights.sum(1)
    places = [int(row.nonzero().max()) for row in mask]
    last = torch.stack([features[i, place] for i, place in enumerate(places)])
    rows = features[mask.bool()]
    return {"tokens-mean": means, "last": last, "spatial": rows}


def ckas(heard: dict[str, Tensor], pair: list[str], mask: Tensor) -> dict[str, float]:
    """CKA of two layers for each of these reductions."""
    a, b = (reduced(heard[name], mask) for name in pair)
    return {name: cka(a[name], b[name]) for name in a}


def layers(heard: dict[str, Tensor]) -> list[dict[str, Any]]:
    return [{"name": name} | summary(tensor) for name, tensor in heard.items()]


def tokenizer() -> Tokenizer:
    words = "[PAD] [UNK] [CLS] [SEP] the a cat dog bird fish sat ran flew swam on under near mat tree sea sky .".split()
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return made


TEXTS = [
    "The cat sat on the mat .",
    "A dog ran under the tree .",
    "The bird flew near the sky",
    "A fish swam",
    "the dog sat near a wolf .",
    "The fish swam under the sea near a bird on a tree near the sea .",
    "cat",
    "A bird sat on a tree .",
]


OTHERS = ["The sky", "a cat ran", "A wolf sat near the tree .", "the bird", "a dog flew"]


def features(bert: BertModel, words: Tokenizer, texts: list[str]) -> np.ndarray:
    """Means over the tokens of the texts, padded to the longest, behind the last layer."""
    encoded = words.encode_batch(texts)
    ids = torch.tensor([one.ids for one in encoded])
    mask = torch.tensor([one.attention_mask for one in encoded])
    heard = hear(bert, input_ids=ids, attention_mask=mask)["encoder.layer.1"]
    return ((heard * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()


def distances(sets: list[np.ndarray]) -> dict[str, Any]:
    """Fréchet distance of two sets of fewer samples than features: the trace of the root of the product of
    their covariances is the sum of the singular values of the product of their centred rows."""
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in sets)
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    between = ((sets[0].mean(0) - sets[1].mean(0)) ** 2).sum()
    return {"fid": between + (a**2).sum() + (b**2).sum() - 2 * root, "mean": sets[0].mean(0).tolist()}


def main() -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, VOCABULARY, (SAMPLES, LENGTH))
    lengths = torch.tensor([7, 5, 3, 7, 1, 6, 2, 4])
    mask = (torch.arange(LENGTH)[None] < lengths[:, None]).long()
    sizes = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}
    small = {"vocab_size": VOCABULARY, "num_hidden_layers": 2, "num_attention_heads": 2}
    cases: dict[str, Any] = {}

    tiny = GPT2Config(vocab_size=VOCABULARY, n_positions=16, n_embd=16, n_layer=1, n_head=2, use_cache=False)
    gpt2 = GPT2LMHeadModel(tiny).eval().double()
    with torch.no_grad():
        program = export(gpt2, (), {"input_ids": ids}, dynamic_shapes={"input_ids": sizes})
        save_program(program, FOLDER / "gpt2.pt2")
    heard = hear(gpt2, input_ids=ids)
    pair = ["transformer.wte", "transformer.h.0"]
    cases["gpt2"] = {"layers": layers(heard), "pair": pair, "cka": cka(*(heard[name] for name in pair))}

    config = BertConfig(**small, hidden_size=16, intermediate_size=32, max_position_embeddings=24)
    bert = BertModel(config, add_pooling_layer=False).eval().double()
    given = {"input_ids": ids, "attention_mask": mask}
    with torch.no_grad():
        shapes = {name: sizes for name in given}
        save_program(export(bert, (), given, dynamic_shapes=shapes), FOLDER / "bert.pt2")
    heard = hear(bert, **given)
    pair = ["embeddings", "encoder.layer.1"]
    cases["bert"] = {"layers": layers(heard), "pair": pair, "cka": cka(*(heard[name] for name in pair))}
    cases["bert"]["reduced"] = ckas(heard, pair, mask)

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        classes = Classes().eval().double()
        save_program(export(classes, (), given, dynamic_shapes=shapes), FOLDER / "classes.pt2")
    cases["classes"] = falls(classes, given)

    image, scale = torch.randn(SAMPLES, 3, 8, 8), 2.0
    mixed = Mixed().eval()
    save_archive(torch.jit.script(mixed.eval()), FOLDER / "mixed.pt")
    cases["mixed"] = {"layers": layers(hear(mixed, image=image, ids=ids, scale=scale))}
    cases["mixed_flag"] = {"layers": layers(hear(mixed, image=image, ids=ids, scale=3.0, shift=1.0, flag=True))}
    embedded = Embedded().eval()
    save_archive(torch.jit.script(embedded.eval()), FOLDER / "embedding.pt")
    cases["embedding"] = {"layers": layers(hear(embedded, ids=ids))}
    adder = nn.Sequential(nn.Linear(LENGTH, 4), nn.ReLU()).eval()
    save_archive(torch.jit.script(adder.eval()), FOLDER / "adder.pt")
    heard = {}
    cases["adder"] = {"layers": layers(hear(adder, input=ids.float()))}
    save_archive(torch.jit.script(Recurrent().eval()), FOLDER / "recurrent.pt")
    double = nn.Sequential(nn.Linear(LENGTH, 4), nn.Tanh()).eval().double()
    save_archive(torch.jit.script(double.eval()), FOLDER / "double.pt")
    heard = hear(double, input=ids.double())
    cases["double"] = {"layers": layers(heard), "pair": ["0", "1"], "cka": cka(heard["0"], heard["1"])}

    words = tokenizer()
    words.save(str(FOLDER / "tokenizer.json"), pretty=False)
    (FOLDER / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    words.enable_padding(pad_id=0, pad_token="[PAD]")
    words.enable_truncation(12)
    encoded = words.encode_batch(TEXTS)
    tokens = torch.tensor([one.ids for one in encoded])
    of_text = torch.tensor([one.attention_mask for one in encoded])
    heard = hear(bert, input_ids=tokens, attention_mask=of_text)
    cases["texts"] = {"ids": tokens.tolist(), "mask": of_text.tolist(), "layers": layers(heard)}
    cases["texts"] |= {"pair": pair, "cka": cka(*(heard[name] for name in pair))}
    cases["texts"]["reduced"] = ckas(heard, pair, of_text)
    words.no_truncation()
    cases["sets"] = {"texts": OTHERS} | distances([features(bert, words, texts) for texts in (TEXTS, OTHERS)])

    plain = {"input_ids": ids.numpy()}
    np.save(FOLDER / "ids.npy", plain["input_ids"])
    np.save(FOLDER / "doubles.npy", plain["input_ids"].astype(np.float64))
    np.savez(FOLDER / "ids.npz", **plain)
    save_file(plain, FOLDER / "ids.safetensors")
    both = plain | {"attention_mask": mask.numpy(), "labels": np.arange(SAMPLES) % 3}
    np.savez(FOLDER / "bert.npz", **both)
    save_file(both, FOLDER / "bert.safetensors")
    np.savez(FOLDER / "mixed.npz", ids=ids.int().numpy(), image=image.numpy())
    (FOLDER / "cases.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
