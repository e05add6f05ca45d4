"""Colours: one for each architecture in every experiment, ramps for heatmaps, two grounds.

The hues are those of Okabe & Ito (2008), which colour-blind readers can tell apart; the sequential
ramp is viridis (Smith & van der Walt 2015), baked. A figure never decides between truecolor and
none: it asks :func:`depth` what the console can do, and draws accordingly.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from rich.color import Color
from rich.console import Console, ConsoleOptions
from rich.style import Style
from rich.theme import Theme

if TYPE_CHECKING:  # a screen without a heatmap (the help) must not wait for NumPy
    import numpy as np

Depth = Literal["truecolor", "256", "16", "none"]
RGB = tuple[int, int, int]


class Ink(NamedTuple):
    """How one series looks: its colour on either ground, with 16 colours, and its two markers."""

    dark: str
    light: str
    ansi: str
    marker: str
    ascii: str


INKS: Mapping[str, Ink] = {
    "rnn": Ink("#e8662a", "#c44e00", "bright_red", "●", "o"),
    "lstm": Ink("#56b4e9", "#1b7fb8", "bright_blue", "■", "#"),
    "gru": Ink("#00b083", "#007a58", "green", "▲", "^"),
    "attention": Ink("#e69f00", "#a87200", "yellow", "◆", "*"),
    "cnn": Ink("#4c8fd9", "#0060a8", "blue", "□", "%"),
    "vit": Ink("#cc79a7", "#a8437a", "magenta", "○", "@"),
    "swin": Ink("#f0e442", "#8a7f00", "bright_yellow", "△", "&"),
    "mixer": Ink("#b39ddb", "#5e4a94", "bright_magenta", "◇", "+"),
    "linear": Ink("#c8c8c8", "#4a4a4a", "white", "+", "x"),
    "theory": Ink("#909090", "#707070", "bright_black", "·", "."),
}
_EXTRA = ("lstm", "rnn", "gru", "attention", "vit", "swin", "mixer", "cnn", "linear")

_VIRIDIS = (
    "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e "
    "1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725"
)
_GROUND = {"dark": "#161616", "light": "#ffffff"}
_WORDS = {  # name of a style: (dark, light, 16 colours)
    "title": ("bold", "bold", "bold"),
    "equation": ("#9a9a9a", "#606060", "default"),
    "muted": ("#9a9a9a", "#606060", "default"),
    "axis": ("#808080", "#808080", "default"),
    "good": ("#00b083", "#007a58", "green"),
    "bad": ("#e8662a", "#c44e00", "bright_red"),
    "point": ("#e69f00", "#a87200", "yellow"),
}


def theme(ground: Literal["dark", "light"] = "dark") -> Theme:
    """The Rich theme that tells figures which ground they are drawn on, and colours Markdown."""
    point = _WORDS["point"][ground == "light"]
    words = {"markdown.code": point, "markdown.code_block": point, "markdown.link": "none"}
    words |= {"markdown.h1": "bold", "markdown.h2": "bold", "markdown.block_quote": "italic"}
    return Theme({"seqlab.ground": f"on {_GROUND[ground]}", **words}, inherit=True)


def ground(console: Console) -> Literal["dark", "light"]:
    """The ground of `console`: dark, unless it was made with the light :func:`theme`."""
    colour = console.get_style("seqlab.ground", default=f"on {_GROUND['dark']}").bgcolor
    return "light" if colour is not None and colour.name == _GROUND["light"] else "dark"


def ground_rgb(console: Console) -> RGB:
    """The colour of the ground as three bytes."""
    return _rgb(_GROUND[ground(console)])


def depth(console: Console) -> Depth:
    """How many colours `console` can show."""
    if console.no_color or console.color_system is None:
        return "none"
    system = console.color_system
    return "truecolor" if system == "truecolor" else "256" if system == "256" else "16"


def half_blocks(console: Console, options: ConsoleOptions) -> bool:
    """Whether two colours fit into a cell; 16 colours cannot show a picture, shades can."""
    return depth(console) in ("truecolor", "256") and not options.ascii_only


def ink(key: str, index: int = 0) -> Ink:
    """The ink of architecture `key`; for any other key the `index`-th of a fixed cycle."""
    return INKS[key] if key in INKS else INKS[_EXTRA[index % len(_EXTRA)]]


def inks(keys: Sequence[str]) -> list[Ink]:
    """An ink for each of `keys`: architectures have theirs, the others take those left in turn."""
    free = [name for name in _EXTRA if name not in keys] or _EXTRA
    others = (INKS[free[i % len(free)]] for i in range(len(keys)))
    return [INKS[key] if key in INKS else next(others) for key in keys]


def style_of(console: Console, chosen: Ink, *, bold: bool = False) -> Style:
    """A fresh Style for `chosen`; without colour only its weight is left."""
    level = depth(console)
    if level == "none":
        return Style(bold=bold)
    name = chosen.ansi if level == "16" else getattr(chosen, ground(console))
    return Style(color=Color.parse(name), bold=bold)


def style(console: Console, name: str) -> Style:
    """A fresh Style by `name`: an architecture, or a word such as title, muted, axis, good, bad."""
    if name in INKS:
        return style_of(console, INKS[name])
    dark, light, ansi = _WORDS[name]
    level = depth(console)
    chosen = ansi if level in ("16", "none") else dark if ground(console) == "dark" else light
    if chosen == "bold":
        return Style(bold=True)
    if level == "none" or chosen == "default":
        return Style()
    return Style(color=Color.parse(chosen))


def sequential(values: "np.ndarray") -> "np.ndarray":
    """Viridis: `values` in 0..1, of any shape (...), to bytes (..., 3)."""
    return _interpolate(values, [_rgb(f"#{code}") for code in _VIRIDIS.split()])


def diverging(values: "np.ndarray", on: RGB) -> "np.ndarray":
    """`values` in 0..1 to bytes (..., 3): blue below 0.5, the ground's colour `on` there, orange.

    Zero takes the colour of the paper, so that ink means size; hue means sign.
    """
    dark = sum(on) < 384
    low, high = ((86, 180, 233), (230, 140, 0)) if dark else ((0, 96, 168), (196, 78, 0))
    middle = blend(on, (128, 128, 128), 0.88)
    return _interpolate(values, [low, middle, high])


def blend(over: RGB, under: RGB, share: float) -> RGB:
    """`share` of colour `over`, the rest `under`."""
    r, g, b = (round(share * o + (1 - share) * u) for o, u in zip(over, under, strict=True))
    return r, g, b


def readable_on(background: RGB) -> RGB:
    """Black or white, whichever can be read on `background` (relative luminance, WCAG 2)."""
    linear = [(c / 255) ** 2.2 for c in background]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.18 else (255, 255, 255)


def rgb(console: Console, chosen: Ink) -> RGB:
    """The bytes of `chosen` on the console's ground."""
    return _rgb(chosen.dark if ground(console) == "dark" else chosen.light)


def _rgb(code: str) -> RGB:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def _interpolate(values: "np.ndarray", colours: Sequence[RGB]) -> "np.ndarray":
    import numpy as np

    anchors = np.array(colours)
    position = np.clip(np.nan_to_num(values), 0.0, 1.0) * (len(anchors) - 1)
    low = np.minimum(position.astype(int), len(anchors) - 2)
    share = (position - low)[..., None]
    mixed: np.ndarray = np.rint(anchors[low] * (1 - share) + anchors[low + 1] * share)
    return mixed.astype(np.uint8)
