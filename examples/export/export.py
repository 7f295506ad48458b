"""Exports a network of torchvision, timm or transformers, or one of your own, for repsim.

    python export.py torchvision:resnet18 resnet18.pt2
    python export.py timm:vit_tiny_patch16_224 vit.pt2 --weights random
    python export.py transformers:google/vit-base-patch16-224 vit.pt2
    python export.py mypackage.nets:small_net net.pt2 --input 3x32x32 --weights epoch9.pth
    python export.py torchvision:resnet18 resnet18.pt

The ending says the format: `.pt2` is torch.export's, for batches of any size; `.pt` is TorchScript, traced,
which PyTorch has deprecated. The weights are the library's pretrained ones, `random`, or a checkpoint; of
`module:function` they are what the function gives, or a checkpoint. What the network's own configuration states
of preprocessing is written beside it, as `NAME.repsim.toml`, which repsim reads when it is given none.
"""

import argparse
import importlib
import inspect
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

PREFIXES = ("module.", "_orig_mod.")
KEYS = ("state_dict", "model_state_dict", "model")
LONGEST = 400
FRAMES = 16
HEAD = "# What the configuration of the network states; repsim reads it when it is given no preprocessing."


class Mistake(Exception):
    """Something that was asked for and is not there."""


class Network:
    """A network, what it takes, and the steps before it."""

    def __init__(self, module: nn.Module, inputs: dict[str, Tensor], steps: dict[str, Any] | None) -> None:
        self.module, self.inputs, self.steps = module.eval().requires_grad_(False), inputs, steps


def images(shape: list[int]) -> Tensor:
    return torch.rand(2, *shape)


def side(value: int | list[int] | tuple[int, ...]) -> int | str:
    """A size as repsim takes it: the shorter side, or HEIGHTxWIDTH."""
    if isinstance(value, int):
        return value
    return value[0] if len(value) == 1 else f"{value[0]}x{value[1]}"


def of_torchvision(name: str, weights: str, shape: list[int] | None) -> Network:
    import torchvision

    pretrained = torchvision.models.get_model_weights(name).DEFAULT
    given: dict[str, Any] = {"weights": pretrained if weights == "pretrained" else None}
    takes = inspect.signature(torchvision.models.get_model_builder(name)).parameters
    if weights != "pretrained" and "weights_backbone" in takes:
        given["weights_backbone"] = None
    module = torchvision.models.get_model(name, **given)
    preset = pretrained.transforms()
    crop = list(getattr(preset, "crop_size", [224]))
    is_video = "Video" in type(preset).__name__
    steps = None
    if hasattr(preset, "resize_size") and not is_video:
        steps = {"resize": side(preset.resize_size), "interpolation": preset.interpolation.value}
        if hasattr(preset, "crop_size"):
            steps["crop"] = side(preset.crop_size)
        steps |= {"mean": list(preset.mean), "std": list(preset.std)}
    frames = [FRAMES] if is_video else []
    return Network(module, {"x": images(shape or [3, *frames, crop[0], crop[-1]])}, steps)


def of_timm(name: str, weights: str, shape: list[int] | None) -> Network:
    import timm

    module = timm.create_model(name, pretrained=weights == "pretrained")
    config = timm.data.resolve_model_data_config(module)
    return Network(module, {"x": images(shape or list(config["input_size"]))}, steps_of_timm(config))


def steps_of_timm(config: dict[str, Any]) -> dict[str, Any] | None:
    """timm resizes to the size that it crops over `crop_pct`: the shorter side, or all of the picture."""
    height, width = config["input_size"][1:]
    whole = [int(length / config["crop_pct"]) for length in (height, width)]
    match config["crop_mode"]:
        case "squash":
            resize = side(whole)
        case "center" if height == width:
            resize = whole[0]
        case _:
            return None
    return {
        "resize": resize,
        "interpolation": config["interpolation"],
        "crop": side([height, width]),
        "mean": list(config["mean"]),
        "std": list(config["std"]),
    }


def of_transformers(name: str, weights: str, shape: list[int] | None) -> Network:
    import transformers

    config = transformers.AutoConfig.from_pretrained(name)
    kind = getattr(transformers, (config.architectures or ["AutoModel"])[0])
    if weights == "pretrained" or Path(weights).is_dir():
        module = kind.from_pretrained(name if weights == "pretrained" else weights)
    else:
        module = kind.from_config(config) if kind is transformers.AutoModel else kind(config)
    module.config.use_cache = False
    if module.main_input_name != "pixel_values":
        ids = torch.randint(0, config.vocab_size, (2, 16))
        return Network(module, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, None)
    size = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
    return Network(module, {"pixel_values": images(shape or [3, size, size])}, steps_of_processor(name))


def steps_of_processor(name: str) -> dict[str, Any] | None:
    import transformers

    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name)
    except OSError:
        return None
    steps: dict[str, Any] = {}
    size = dict(processor.size or {})
    if processor.do_resize and size:
        steps["resize"] = size.get("shortest_edge") or f"{size['height']}x{size['width']}"
        filters = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
        steps["interpolation"] = filters[int(processor.resample)]
    if getattr(processor, "do_center_crop", False):
        crop = dict(processor.crop_size)
        steps["crop"] = f"{crop['height']}x{crop['width']}"
    if not processor.do_rescale:
        steps["range"] = "0..255"
    elif abs(processor.rescale_factor - 1 / 255) > 1e-9:
        return None
    if processor.do_normalize:
        steps |= {"mean": list(processor.image_mean), "std": list(processor.image_std)}
    return steps


def of_function(name: str, shape: list[int] | None) -> Network:
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise Mistake(f"{name} is no torchvision:NAME, timm:NAME, transformers:NAME or module:function")
    if shape is None:
        raise Mistake("nothing says what your module takes: give --input 3x224x224")
    sys.path.insert(0, os.getcwd())
    made = importlib.import_module(module)
    for part in function.split("."):
        made = getattr(made, part)
    made = made() if isinstance(made, type) or not isinstance(made, nn.Module) else made
    if not isinstance(made, nn.Module):
        raise Mistake(f"{name} gives a {type(made).__name__}, and no torch.nn.Module")
    return Network(made, {"x": images(shape)}, None)


def load(name: str, weights: str, shape: list[int] | None) -> Network:
    library, _, rest = name.partition(":")
    is_path = weights not in ("pretrained", "random")
    if is_path and not Path(weights).exists():
        raise Mistake(f"there is no checkpoint {weights} (--weights: pretrained, random or a file)")
    known = {"torchvision": of_torchvision, "timm": of_timm, "transformers": of_transformers}
    network = known[library](rest, weights, shape) if library in known else of_function(name, shape)
    if is_path and not Path(weights).is_dir():
        load_checkpoint(network.module, Path(weights))
    if network.steps is not None:
        taken, end = list(next(iter(network.inputs.values())).shape[2:]), ends_at(network.steps)
        if taken != end:
            stated = "pictures of many sizes" if end is None else f"{end[0]}x{end[1]}"
            print(f"no preprocessing: its configuration ends at {stated}, and it is exported for {taken[0]}x{taken[1]}")
            network.steps = None
    return network


def ends_at(steps: dict[str, Any]) -> list[int] | None:
    """The height and width that steps make, where these are the same of all pictures."""
    match steps.get("crop", steps.get("resize")):
        case str(size):
            return [int(length) for length in size.split("x")]
        case int(length) if "crop" in steps:
            return [length, length]
        case _:
            return None


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Loads a state dict and nothing but tensors, without the names of wrappers."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise Mistake(f"{path} is no checkpoint of tensors alone: save model.state_dict()") from error
    for key in KEYS:
        state = state.get(key, state) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise Mistake(f"{path} holds a {type(state).__name__}, and no state dict: save model.state_dict()")
    for prefix in PREFIXES:
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    module.load_state_dict(state)


def save_exported(network: Network, output: Path) -> None:
    """For batches, and texts, of any size; where the network fixes it, for that size, and says so."""
    names = network.inputs
    lengths = {0: torch.export.Dim.DYNAMIC}
    tokens = lengths | {1: torch.export.Dim.DYNAMIC}
    shapes = {name: tokens if value.dtype == torch.int64 else lengths for name, value in names.items()}
    signature = inspect.signature(network.module.forward).parameters
    by_name = all(name in signature for name in names)
    dynamic = shapes if by_name else tuple(shapes.values())

    def exported(dynamic: Any) -> torch.export.ExportedProgram:
        # Tensors of their own: exporting marks them.
        own = {name: value.clone() for name, value in names.items()}
        arguments, keywords = ((), own) if by_name else (tuple(own.values()), None)
        return torch.export.export(network.module, arguments, keywords, dynamic_shapes=dynamic)

    try:
        program = exported(dynamic)
    except Exception as error:
        program = exported(None)
        print(f"exported for inputs of this size alone, because the network fixes it: {one_line(error)}")
    torch.export.save(program, output)


class Traceable(nn.Module):
    """A module of transformers as tracing takes it: with its first output."""

    def __init__(self, module: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = module, names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(**dict(zip(self.names, inputs)), return_dict=True)[0]


def save_traced(network: Network, output: Path, name: str) -> None:
    module = network.module
    if name.startswith("transformers:"):
        module = Traceable(module, list(network.inputs))
    torch.jit.trace(module, tuple(network.inputs.values()), check_trace=False).save(output)


def toml_value(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(repr(float(number)) for number in value) + "]"
    return str(value)


def write_steps(steps: dict[str, Any], output: Path, name: str) -> Path:
    path = output.with_suffix(".repsim.toml")
    lines = [HEAD, "[preprocess]", 'channels = "rgb"']
    lines += [f"{key} = {toml_value(value)}" for key, value in steps.items()]
    lines += ["", "[model]", f"name = {toml_value(name)}", ""]
    path.write_text("\n".join(lines))
    return path


def remove_steps(output: Path) -> None:
    """Those of an earlier export are not this network's; a file that was written by hand is left."""
    path = output.with_suffix(".repsim.toml")
    if not path.is_file():
        return
    if path.read_text().startswith(HEAD):
        path.unlink()
        print(f"{path} was that of an earlier export, and is removed")
    else:
        print(f"repsim reads {path}, which is not from here, when it is given no preprocessing")


def parse_shape(text: str) -> list[int]:
    try:
        shape = [int(size) for size in text.split("x")]
    except ValueError:
        shape = [0]
    if min(shape) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no shape such as 3x224x224")
    return shape


def one_line(error: Exception) -> str:
    """What is wrong, without line breaks."""
    said = " ".join(str(error).split()) or "no reason given"
    said = said if len(said) < LONGEST else f"{said[:LONGEST]} …"
    return said if isinstance(error, Mistake) else f"{type(error).__name__}: {said} (--traceback shows where)"


def run(arguments: argparse.Namespace) -> None:
    folder = arguments.output.resolve().parent
    if not folder.is_dir():
        raise Mistake(f"there is no folder {folder} to write to")
    network = load(arguments.model, arguments.weights, arguments.input)
    if arguments.output.suffix == ".pt2":
        save_exported(network, arguments.output)
    else:
        save_traced(network, arguments.output, arguments.model)
    if network.steps is None:
        remove_steps(arguments.output)
    else:
        print(f"preprocessing: {write_steps(network.steps, arguments.output, arguments.model)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="torchvision:NAME, timm:NAME, transformers:NAME, or module:function")
    parser.add_argument("output", type=Path, help="the file to write: .pt2, or .pt for TorchScript")
    parser.add_argument("--weights", default="pretrained", help="pretrained, random, or a checkpoint (of transformers its folder)")
    parser.add_argument("--input", type=parse_shape, help="shape of one sample, such as 3x224x224")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    arguments = parser.parse_args()
    if arguments.output.suffix not in (".pt2", ".pt"):
        parser.error("end the name of the output in .pt2 or .pt")
    try:
        run(arguments)
    except Exception as error:
        if arguments.traceback:
            raise
        parser.exit(2, f"error: {one_line(error)}\n")


if __name__ == "__main__":
    main()
