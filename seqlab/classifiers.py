"""Five small networks that read the same pictures: what experiments on pictures train.

Each is a page of the book in a size of about 17,000 parameters for pictures of 8 × 8 pixels.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

from seqlab.book import conv, mixer, mlp, swin, vit
from seqlab.book.ops import UNDRAWN, Array, Generator

Name = Literal["cnn", "mlp", "mixer", "vit", "swin"]

NAMES: dict[Name, str] = {  # as the field writes them
    "cnn": "CNN",
    "mlp": "MLP",
    "mixer": "Mixer",
    "vit": "ViT",
    "swin": "Swin",
}


class Classifier(NamedTuple):
    """A network: the sizes that its page needs, and the page's functions."""

    name: Name
    config: Any  # the Config of its page
    page_init: Callable[[Any, Generator], Any]
    page_scores: Callable[[Any, Array, Any], Array]

    def init(self, rng: Generator = UNDRAWN) -> Any:
        """Its parameters."""
        return self.page_init(self.config, rng)

    def scores(self, p: Any, x: Array) -> Array:
        """Pictures (b, 1, n1, n2) -> the scores of the classes (b, k)."""
        return self.page_scores(p, x, self.config)


def make(
    name: Name,
    image: int = 8,
    classes: int = 10,
    patch: int = 2,
    *,
    class_token: bool = True,
    positions: vit.Positions = "learned",
    mean: bool = False,
    convolve: conv.Convolution = conv.conv2d,
) -> Classifier:
    """A network for grey pictures of so many pixels a side.

    `patch` concerns ViT and Mixer, `class_token` and `positions` ViT, `mean` (over all places)
    and `convolve` CNN.
    """
    sizes: dict[str, Any] = {"image": image, "c": 1, "classes": classes}
    if name == "mlp":
        return Classifier(name, mlp.Config(**sizes), mlp.init, _plain)
    if name == "cnn":
        scores = partial(conv.scores, convolve=convolve)
        return Classifier(name, conv.Config(**sizes, mean=mean), conv.init, scores)
    if name == "swin":  # pixel by pixel, in windows of half the picture
        small = swin.Config(
            **sizes, p=1, d=16, depths=(2, 1), heads=(2, 4), window=image // 2, ratio=2
        )
        return Classifier(name, small, swin.init, swin.scores)
    sizes |= {"p": patch, "d": 32, "layers": 2}
    if name == "mixer":
        return Classifier(
            name, mixer.Config(**sizes, token=32, channel=112), mixer.init, mixer.scores
        )
    transformer = vit.Config(**sizes, h=4, m=64, class_token=class_token, positions=positions)
    return Classifier(name, transformer, vit.init, vit.scores)


def _plain(p: mlp.MLP, x: Array, _config: mlp.Config) -> Array:
    return mlp.scores(p, x)
