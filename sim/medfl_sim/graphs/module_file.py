"""The author's own file, run at the author's own desk, and the network that it names."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from medfl_common.errors import ConfigError

EXAMPLE = "my_net.py:Net"
MODULE = "network_of_the_author"  # as which Python knows the file while it runs


def network_of(given: str, seed: int, weights: Path | None) -> nn.Module:
    """Run the author's file, and make the network that it names.

    Args:
        given: FILE.py:NAME; NAME is a class or a function that takes nothing, or a network.
        seed: Draws the first weights.
        weights: Weights for the network, in place of the drawn ones; a safetensors file, or a
            state dict that torch.save wrote.

    Raises ConfigError where there is no such network, or the weights are another's.
    """
    path, name = _split(given)
    with torch.random.fork_rng(devices=[]), _beside(path.parent):
        torch.manual_seed(seed)
        found = _run(path, name)
        module = found if isinstance(found, nn.Module) else _made(found, path, name)
    if weights is not None:
        _load(module, weights)
    return module


def part_of(given: str, gives: str) -> nn.Module:
    """Run the author's file, and give the function or module that it names, as a module.

    Args:
        given: FILE.py:NAME.
        gives: loss, of logits and targets; or image, of pixels.
    """
    path, name = _split(given)
    with _beside(path.parent):
        found = _run(path, name)
        if inspect.isclass(found):
            found = _made(found, path, name)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise ConfigError(f"{name} in {path} is no function", todo="name a function of tensors")
    return (_Loss if gives == "loss" else _Step)(found)


class _Loss(nn.Module):
    """A function of logits and targets as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Call it."""
        return self._function(logits, targets)


class _Step(nn.Module):
    """A function of pixels as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Call it."""
        return self._function(pixels)


def _split(given: str) -> tuple[Path, str]:
    file, _, name = given.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise ConfigError(f"{given!r} names no network", todo=f"name it as in {EXAMPLE}")
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"there is no file {path.resolve()}", todo=f"name it as in {EXAMPLE}")
    return path, name


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let the author's file import what lies beside it, as a script may."""
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


def _run(path: Path, name: str) -> object:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    namespace = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = namespace  # dataclasses look their module up
    try:
        spec.loader.exec_module(namespace)
    except Exception as error:  # whatever the author's file does
        raise _own_error(f"{path} does not load", path, error) from None
    if not hasattr(namespace, name):
        raise ConfigError(f"{path} has no {name}", todo=f"it has {_networks(namespace)}")
    return getattr(namespace, name)


def _networks(namespace: object) -> str:
    """Name the networks of a file, for one who mistyped."""
    own = [
        name
        for name, value in vars(namespace).items()
        if isinstance(value, nn.Module)
        or (inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == MODULE)
        or (inspect.isfunction(value) and value.__module__ == MODULE)
    ]
    return ", ".join(own) or "no class, function or network of its own"


def _made(found: object, path: Path, name: str) -> nn.Module:
    if not callable(found):
        raise ConfigError(f"{name} in {path} is no network", todo="name a torch.nn.Module")
    try:
        module = found()
    except Exception as error:  # whatever the author's class does
        raise _own_error(
            f"{name} in {path} cannot be made; it must need no arguments", path, error
        ) from None
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"{name} in {path} makes no network", todo="let it give a torch.nn.Module"
        )
    return module


def _own_error(what: str, path: Path, error: Exception) -> ConfigError:
    """Say what the author's code met, with the last line of the author's own file."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    where = "" if line is None else f" (line {line})"
    return ConfigError(f"{what}{where}: {error}")


def _load(module: nn.Module, weights: Path) -> None:
    state = _read(weights)
    own = module.state_dict()
    missing, others = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = [n for n in own.keys() & state.keys() if own[n].shape != state[n].shape]
    if missing or others or wrong:
        differ = [*wrong, *missing, *others]
        raise ConfigError(
            f"{weights} has the weights of another network: {len(wrong)} tensors have another "
            f"shape, {len(missing)} are missing, {len(others)} are more; {differ[0]} is the first",
            todo="name the weights of this network",
        )
    module.load_state_dict(state)


def _read(weights: Path) -> dict[str, torch.Tensor]:
    try:
        if weights.suffix == ".safetensors":
            return load_file(weights)
        found = torch.load(weights, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError):
        raise ConfigError(f"{weights} cannot be read") from None
    except Exception:  # pickle's and torch's own
        raise ConfigError(
            f"{weights} holds more than tensors, or is no file of torch.save",
            todo="save network.state_dict()",
        ) from None
    tensors = found if isinstance(found, dict) else {}
    if not tensors or not all(isinstance(one, torch.Tensor) for one in tensors.values()):
        raise ConfigError(f"{weights} holds no state dict", todo="save network.state_dict()")
    return tensors
