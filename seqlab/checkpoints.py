"""Trained models from files: BERT and its kin, GPT-2, ViT, and storyteller, which seqlab brings.

    model = load("bert-base-uncased")      # a folder, a name on the Hugging Face hub, "storyteller"
    tokens = tokenise(model, "The animal didn't cross the street.")
    trace = model.read(tokens.ids)         # states and attention weights of every layer

All is NumPy: neither torch nor transformers is imported, and only safetensors are read.
"""

import contextlib
import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import hub, tokens, trees
from seqlab.book import gpt
from seqlab.book.gpt import GPT
from seqlab.families import Config, assemble, kind_of
from seqlab.lab import BadInput, Watch, require
from seqlab.locale import _
from seqlab.models import STORYTELLER, Camera, Model, shown
from seqlab.tokens import Tokens
from seqlab.weights import SafeTensors, Shards

__all__ = ["STORYTELLER", "UNTRAINED", "Camera", "Model", "Tokens", "load", "tokenise"]

UNTRAINED = "untrained"
BUNDLED = Path(__file__).parent / "data" / STORYTELLER

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_PLAIN = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)  # a name of a shard


def tokenise(model: Model, text: str) -> Tokens:
    """The text as the tokens that the model reads.

    Raises:
        BadInput: they are more than the model can read, or it reads no text.
    """
    if model.tokenizer is None:
        raise BadInput(
            _("{name} reads pictures").format(name=shown(model.name)),
            _("a model that reads text"),
            STORYTELLER,
        )
    found = tokens.tokenise(model.tokenizer, text)
    if len(found.ids) > model.longest:
        raise BadInput(
            _("a text of {t} tokens").format(t=len(found.ids)),
            _("at most {longest}, which is what {name} can read").format(
                longest=model.longest, name=shown(model.name)
            ),
            _("a shorter text"),
        )
    return found


# From names to folders


def load(name: str, watch: Watch | None = None, seed: int = 0) -> Model:
    """A trained model.

    Args:
        name: a folder; the name of a model on the Hugging Face hub (`bert-base-uncased`), which is
            fetched unless the local cache has it; `storyteller`, which seqlab brings; `untrained`,
            the same with weights drawn at random.
        watch: told how much has been fetched.
        seed: of the weights of `untrained`.

    Raises:
        BadInput: there is no such model, or its files cannot be read.
    """
    require(seed, "seed", 0)
    try:
        folder = BUNDLED if name in (STORYTELLER, UNTRAINED) else _find(name, watch)
        model = _open(folder, name)
    except OSError as problem:  # no permission, as a rule
        raise BadInput(
            f"{shown(name)}: {problem.strerror}", _("a folder of files that you may read")
        ) from problem
    return _untrained(model, seed) if name == UNTRAINED else model


def _find(name: str, watch: Watch | None) -> Path:
    folder, there = Path(name), False
    # a name too long, or with a NUL; a home of nobody's
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        folder = folder.expanduser()
        if folder.is_dir() and name:
            return folder
        there = folder.exists() and bool(name)
    if there:
        raise BadInput(
            _("{name}: a file").format(name=shown(name)),
            _("the folder with config.json and model.safetensors"),
            shown(str(folder.parent)) if (folder.parent / "config.json").is_file() else STORYTELLER,
        )
    if hub.is_name(name):
        return hub.find(name, lambda get: _has_all(get, name), watch)
    raise BadInput(
        _("{name}: no such folder").format(name=shown(name)),
        _("a folder with config.json and model.safetensors, or a model's name on the hub"),
        shown(_neighbour(folder)) if name else STORYTELLER,
    )


def _neighbour(folder: Path) -> str:
    """A folder beside it of nearly this name, or the models that are always there."""
    beside: list[Path] = []
    with contextlib.suppress(OSError, ValueError):
        beside = [each for each in list(folder.parent.iterdir())[:1000] if each.is_dir()]
    names = {each.name: str(each) for each in beside} | {STORYTELLER: STORYTELLER}
    close = difflib.get_close_matches(folder.name, names, n=1, cutoff=0.75)
    return names[close[0]] if close else f"{STORYTELLER} · bert-base-uncased"


def _has_all(get: hub.Get, name: str) -> bool:
    """Whether `get` finds all files of a model; the small ones, which may refuse it, come first."""
    path = get("config.json")
    if path is None:
        return False
    title = shown(name)
    kind = kind_of(_config(path, title), title)
    if kind.pictures:
        get("preprocessor_config.json")
        tokenizer = True
    else:
        tokenizer = bool(get("tokenizer.json"))
        if not tokenizer:  # BERT's, of before 2020
            get("tokenizer_config.json")
            tokenizer = bool(get("vocab.txt"))
    if get("model.safetensors"):
        return tokenizer
    index = get("model.safetensors.index.json")
    if index is None:
        return False
    files = set(_shards(index, title).values())
    return all([get(file) for file in sorted(files)]) and tokenizer


# From folders to models


def _open(folder: Path, name: str) -> Model:
    """The model of a folder, with its tokenizer, or with what it wants of pictures."""
    title = shown(name)  # in messages
    config = _config(folder / "config.json", title)
    kind = kind_of(config, title)
    model = assemble(config, _tensors(folder, title), name)
    if not kind.pictures:
        return replace(model, tokenizer=tokens.read(folder, title))
    path = folder / "preprocessor_config.json"
    if model.camera is None or not path.is_file():
        return model
    return replace(model, camera=_focused(model.camera, _json(path, title), title))


def _focused(camera: Camera, settings: Mapping[str, Any], title: str) -> Camera:
    """The camera with the colours that preprocessor_config.json asks for."""
    config, c = Config(settings, title, "preprocessor_config.json"), len(camera.mean)
    scale, mean, std = 1.0, (0.0,) * c, (1.0,) * c
    if config.one_of("do_rescale", True, False):
        scale = config.real("rescale_factor", 1 / 255)
    if config.one_of("do_normalize", True, False):
        mean, std = config.channels("image_mean", c, 0.5), config.channels("image_std", c, 0.5)
    if 0 in std:
        raise config.wrong("image_std", std, _("numbers to divide by"))
    return camera._replace(scale=scale, mean=mean, std=std)


def _untrained(model: Model, seed: int) -> Model:
    """The same shape with weights drawn at random."""
    p = model.parameters
    assert isinstance(p, GPT)
    v, d = p.embed.shape
    m = p.blocks[0].feed_forward.b_1.shape[0]
    drawn = gpt.init(np.random.default_rng(seed), v, d, m, len(p.blocks))
    single = trees.convert(lambda x: x.astype(np.float32), drawn)
    return replace(model, parameters=single)


def _tensors(folder: Path, title: str) -> Mapping[str, Any]:
    """The weights of a folder, in one file or in shards."""
    if (folder / "model.safetensors").is_file():
        return SafeTensors(folder / "model.safetensors", title)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = _shards(index, title)
        for file in sorted(set(files.values())):
            if not (folder / file).is_file():
                raise BadInput(
                    _("{name}: no {file}").format(name=title, file=shown(file)),
                    _("all files that model.safetensors.index.json names"),
                    _("fetching it again"),
                )
        return Shards(folder, files, title)
    pickles = [each.name for suffix in _PICKLED for each in sorted(folder.glob(suffix))]
    convert = f"AutoModel.from_pretrained('{title}').save_pretrained('FOLDER')"
    if pickles:
        wrong = _("{name}: only {file}, a pickle, which could run any program")
        raise BadInput(
            wrong.format(name=title, file=shown(pickles[0])),
            "model.safetensors",
            _("{code} in transformers").format(code=convert),
        )
    raise BadInput(
        _("{name}: no model.safetensors").format(name=title),
        _("weights as safetensors, the only format that is read"),
        _("{code} in transformers").format(code=convert),
    )


def _shards(index: Path, title: str) -> dict[str, str]:
    """In which file each tensor lies."""
    files = _json(index, title).get("weight_map")
    # plain names only: nothing outside of the folder is opened or fetched
    if not isinstance(files, dict) or not all(_PLAIN.fullmatch(str(x)) for x in files.values()):
        raise BadInput(
            _("{name}: {file} is damaged").format(name=title, file=index.name),
            _("the file's name for every tensor"),
            _("fetching it again"),
        )
    return dict(files)


def _config(path: Path, title: str) -> dict[str, Any]:
    if not path.is_file():
        within = sorted(each.parent for each in path.parent.glob("*/config.json"))
        raise BadInput(
            _("{name}: no config.json").format(name=title),
            _("a folder with config.json, model.safetensors and tokenizer.json"),
            shown(str(within[0])) if within else STORYTELLER,
        )
    return _json(path, title)


def _json(path: Path, title: str) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        reason = "" if isinstance(values, dict) else type(values).__name__
    except (OSError, ValueError, RecursionError) as problem:
        values, reason = None, str(getattr(problem, "strerror", None) or problem)
    if reason:
        raise BadInput(
            _("{name}: {file} is damaged ({reason})").format(
                name=title, file=path.name, reason=shown(reason)
            ),
            _("an object in JSON"),
            _("fetching it again"),
        )
    return values  # type: ignore[no-any-return]
