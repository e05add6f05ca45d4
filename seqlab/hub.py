"""Models of the Hugging Face hub: those in the local cache, and fetching those that are not.

The cache is looked into by hand, and huggingface_hub imported only to fetch: importing it takes as
long as reading a model does.
"""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from seqlab.lab import BadInput, Watch
from seqlab.locale import _

Get = Callable[[str], Path | None]
"""From the name of a file to where it lies; None where the model has no such file."""

_NAME = re.compile(r"[A-Za-z0-9](?!.*(--|\.\.))[\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_LARGE = (".safetensors", ".bin")  # files worth a progress bar
_PATIENCE = 10  # seconds until the hub has to answer
_POLL = 0.1  # seconds between two looks at how much has come


def is_name(text: str) -> bool:
    """Whether a text could name a model of the hub: `bert-base-uncased`, `owner/model`."""
    return len(text) <= 96 and _NAME.fullmatch(text) is not None


def find(name: str, wanted: Callable[[Get], bool], watch: Watch | None) -> Path:
    """The folder in the cache with the files of the model, fetched first where some are missing.

    `wanted` gets the files it needs, one by one, and returns whether it had all of them.

    Raises:
        BadInput: the hub cannot be reached, or does not give the model out.
    """
    cached = _cached(name)
    if cached is not None and wanted(partial(_present, cached)):
        return cached
    _knock(name)
    wanted(partial(_fetch, name, watch))
    fetched = _cached(name)
    if fetched is None or not _present(fetched, "config.json"):
        raise BadInput(
            _("{name}: no config.json on the hub").format(name=name),
            _("a model of the library transformers"),
            "bert-base-uncased",
        )
    return fetched


def _present(folder: Path, file: str) -> Path | None:
    return folder / file if (folder / file).is_file() else None


def _cache() -> Path:
    """The folder where huggingface_hub keeps what it has fetched."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or os.path.join(home, "huggingface")
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expandvars(os.path.expanduser(hub or os.path.join(home, "hub"))))


def _folder(name: str) -> Path:
    """Where the cache keeps a model: `refs/main` names the newest of the `snapshots`."""
    return _cache() / f"models--{name.replace('/', '--')}"


def _cached(name: str) -> Path | None:
    try:
        commit = (_folder(name) / "refs" / "main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    folder = _folder(name) / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


# Fetching


def _knock(name: str) -> None:
    """See that the hub can be reached: huggingface_hub itself tries for half a minute."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    try:
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE)
    except Exception as problem:  # whatever its network library raises
        raise _unreachable(name, problem) from problem


def _fetch(name: str, watch: Watch | None, file: str) -> Path | None:
    """Fetch one file into the cache, if the model has it."""
    import huggingface_hub
    from huggingface_hub import errors

    try:
        with _quiet(), _told(name, file, watch):
            return Path(huggingface_hub.hf_hub_download(name, file))
    except errors.GatedRepoError as problem:
        raise BadInput(
            _("{name}: its owner asks for an agreement first").format(name=name),
            _("a model that is given to anyone"),
            f"https://huggingface.co/{name}",
        ) from problem
    except errors.RepositoryNotFoundError as problem:
        raise BadInput(
            _("{name}: neither a folder here nor a public model on the hub").format(name=name),
            _("a folder with config.json and model.safetensors, or a model's name on the hub"),
            "storyteller · bert-base-uncased",
        ) from problem
    except errors.LocalEntryNotFoundError as problem:
        raise _unreachable(name, problem.__cause__ or problem) from problem
    except errors.EntryNotFoundError:
        return None
    except Exception as problem:  # whatever its network library raises, or a disk that is full
        raise _unreachable(name, problem) from problem


def _unreachable(name: str, problem: BaseException) -> BadInput:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE"
    else:
        reason = getattr(problem, "strerror", None) or type(problem).__name__
    return BadInput(
        _("{name}: not here, and it cannot be fetched from the hub ({reason})").format(
            name=name, reason=reason
        ),
        _("a folder, a model in the local cache, or a way to the network"),
        "storyteller",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no warnings of huggingface_hub's own."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger, silent = logging.getLogger("huggingface_hub"), are_progress_bars_disabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        if not silent:
            disable_progress_bars()
        yield
    finally:
        if not silent:
            enable_progress_bars()
        logger.setLevel(level)


@contextlib.contextmanager
def _told(name: str, file: str, watch: Watch | None) -> Iterator[None]:
    """Tell `watch` how much of a large file has come, as the size of what is on the disk so far."""
    if watch is None or not file.endswith(_LARGE):
        yield
        return
    import huggingface_hub

    sentence = _("fetching {file} of {name}").format(file=file, name=name)
    ended = threading.Event()

    def look() -> None:
        try:
            url = huggingface_hub.hf_hub_url(name, file)
            total = huggingface_hub.get_hf_file_metadata(url).size
        except Exception:  # the download itself meets the same, and says so
            total = None
        while total and not ended.wait(_POLL):
            parts = (_folder(name) / "blobs").glob("*.incomplete")
            have = sum(_size(part) for part in parts)
            watch(min(1.0, have / total), sentence)

    looker = threading.Thread(target=look, daemon=True)
    watch(0.0, sentence)
    looker.start()
    try:
        yield
    finally:
        ended.set()
        looker.join(1.0)  # it may still wait for the network


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it has just been moved to where it belongs
        return 0
