"""Text made fit for a terminal: harmless, measurable, and in ASCII when that is asked for.

All text that a figure shows passes through :func:`fit`, because labels come from users: a control
character would reach the terminal, a joiner or a variation selector has another width in every
terminal, and a mathematical sign does not exist on a 7-bit line.
"""

import math
import unicodedata
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from seqlab.locale import _

SHADES, SHADES_ASCII = " ░▒▓█", " .:-=+*#%@"  # from none to full, for drawings without colour
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_WORDS = {
    "∂": "d", "∇": "grad ", "Δ": "D", "‖": "||", "×": "x", "·": ".", "⊙": "*", "−": "-",
    "–": "-", "—": "-", "…": "...", "→": "->", "←": "<-", "↑": "^", "↓": "v", "⇒": "=>",
    "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "≡": "==", "∞": "inf", "√": "sqrt ", "Σ": "sum ",
    "∑": "sum ", "∏": "prod ", "Π": "prod ", "∈": " in ", "▸": ">", "✓": "ok", "✗": "failed",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "eps", "η": "eta", "θ": "theta",
    "λ": "lambda", "μ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi",
    "ω": "omega", "‘": "'", "’": "'", "“": '"', "”": '"', "█": "#", "▓": "=", "▒": "+", "░": ".",
    "│": "|", "─": "-", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "┌": "+", "┐": "+",
    "└": "+", "┘": "+", "▀": "#", "▄": "#", "■": "#", "●": "o", "␛": "<ESC>", "␀": "<NUL>",
    "÷": "/", "±": "+/-", "′": "'", "½": "1/2", "⟨": "<", "⟩": ">", "ᐧ": ".", "°": " deg",
    "，": ", ", "。": ".", "：": ": ", "；": "; ", "（": "(", "）": ")", "、": ", ", "？": "?",
    "§": "sec. ", "Ω": "Omega", "⌈": "ceil(", "⌉": ")", "⌊": "floor(", "⌋": ")", "！": "!",
    "⊕": "(+)", "⊗": "(x)", "␣": "_",
}  # fmt: skip
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx"))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵏⁿᵗᵈ", "0123456789+-Tkntd"))


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Return `text` with everything removed or replaced that a terminal might act upon.

    Control characters become their visible pictures (ESC becomes ␛), a tab or a line break becomes
    a space, direction marks, joiners, variation selectors and skin tones go, and what is left
    unprintable becomes the replacement character. A combining mark stays only on a base.
    """
    out: list[str] = []
    for character in text:
        code = ord(character)
        if 0x20 <= code < 0x7F:
            out.append(character)
        elif character in "\t\n\r\v\f":
            out.append(" ")
        elif code < 0x20 or code == 0x7F:
            out.append("\N{SYMBOL FOR DELETE}" if code == 0x7F else chr(0x2400 + code))
        elif _is_decoration(code):
            continue
        else:
            out.append(_printable(character, follows=bool(out) and out[-1] != " "))
    return "".join(out)


def _is_decoration(code: int) -> bool:
    """Variation selectors, joiners and skin tones: terminals disagree about their widths."""
    return (
        0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
        or 0x1F3FB <= code <= 0x1F3FF
        or code in (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD)
    )


def _printable(character: str, follows: bool) -> str:
    category = unicodedata.category(character)
    if category in ("Mn", "Me"):
        return character if follows and cell_len(character) == 0 else ""
    if category[0] == "C":
        return REPLACEMENT
    if category in ("Zs", "Zl", "Zp"):
        return " " * max(1, cell_len(character))
    if 0x1F1E6 <= ord(character) <= 0x1F1FF:  # a flag is two of these; show its letters
        return chr(ord(character) - 0x1F1E6 + ord("A"))
    return character


@lru_cache(maxsize=4096)
def to_ascii(text: str) -> str:
    """Spell `text` in 7-bit ASCII: ∂L/∂hₜ₋₁ becomes dL/dh[t-1], ρᵏ rho^k, é e, 你 ??."""
    if text.isascii():
        return text
    out: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        for table, opening in ((_SUBSCRIPTS, "_"), (_SUPERSCRIPTS, "^")):
            end = position
            while end < len(text) and text[end] in table:
                end += 1
            if end > position:
                index = "".join(table[c] for c in text[position:end])
                bracket = opening == "_" and len(index) > 1
                out.append(f"[{index}]" if bracket else opening + index)
                position = end
                break
        else:
            out.append(_ascii_character(character))
            position += 1
    return "".join(out)


def _ascii_character(character: str) -> str:
    if character.isascii():
        return character
    if character in _WORDS:
        return _WORDS[character]
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    if plain:
        return plain
    return "?" * cell_len(character)


def fit(text: str, ascii_only: bool = False) -> str:
    """Return `text` ready to be measured and drawn: :func:`clean`, and ASCII where it must be."""
    text = clean(text)
    return to_ascii(text) if ascii_only else text


def shorten(text: str, width: int, ascii_only: bool = False) -> str:
    """Cut fitted `text` to at most `width` cells, with an ellipsis where something went."""
    if cell_len(text) <= width:
        return text
    dots = "..." if ascii_only else "…"
    if width <= len(dots):
        return set_cell_size(text, max(0, width))
    return set_cell_size(text, width - len(dots)).rstrip() + dots


def percent(*shares: float) -> str:
    """Shares of 1 in percent, their range if they differ; only all of it is 100 %.

    Above 99 there is a digit more. Shares that are no number have no percent: "-".
    """

    def written(share: float) -> str:
        return number(min(100 * share, 99.9), 3) if 0.99 < share < 1 else number(100 * share)

    low, high = written(min(shares)), written(max(shares))
    if low == high:
        return low if low == "-" else f"{low} %"
    return _("{low} to {high} %").format(low=low, high=high)


def number(value: float, digits: int = 2) -> str:
    """Write `value` with `digits` significant digits, short: 0.0052, 1.2e-13, 4.6e+08 as 4.6e8."""
    value = float(value)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    rounded = f"{value:.{digits - 1}e}"
    if int(rounded.split("e")[1]) != exponent:  # 0.996 rounds up into the next decade
        exponent = int(rounded.split("e")[1])
    if -4 <= exponent < max(digits, 5):
        text = f"{value:.{max(0, digits - 1 - exponent)}f}"
        return text.rstrip("0").rstrip(".") if "." in text and digits > 3 else text
    mantissa = rounded.split("e")[0]
    return f"{mantissa}e{exponent}"


def power(log10: float, digits: int = 2) -> str:
    """Write 10**`log10` like :func:`number`, also where a float would under- or overflow."""
    if math.isnan(log10) or math.isinf(log10):
        return "-" if math.isnan(log10) else ("∞" if log10 > 0 else "0")
    if -4 <= log10 < 5:
        return number(10.0**log10, digits)
    exponent = math.floor(log10)
    mantissa = f"{10.0 ** (log10 - exponent):.{digits - 1}f}"
    if float(mantissa) >= 10:
        mantissa, exponent = f"{1:.{digits - 1}f}", exponent + 1
    return f"{mantissa}e{exponent}"


def count(value: int) -> str:
    """Write a whole number with a comma every three digits."""
    return f"{value:,}"
