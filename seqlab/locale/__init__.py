"""The language of what seqlab says: English in the code, other languages in gettext catalogues.

A sentence is written `_("The {cell} keeps {kept}.").format(...)`: the catalogue translates the
pattern, never the finished sentence. What is spoken before the language is known (option help) is
marked with :func:`N_` and translated where it is shown.
"""

import gettext as _gettext
import os
from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache, reduce
from pathlib import Path

LANGUAGES = ("en", "zh")

_language: ContextVar[str] = ContextVar("language", default="en")


@cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    return _gettext.translation(
        "seqlab", localedir=Path(__file__).parent, languages=[language], fallback=True
    )


def speak(language: str) -> None:
    """Say everything from here on in `language`, one of LANGUAGES."""
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r}: expected one of {', '.join(LANGUAGES)}")
    _language.set(language)


def spoken() -> str:
    """The language in force."""
    return _language.get()


def preferred(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> str:
    """The language that the environment asks for: SEQLAB_LANG, else the locale, else English."""
    for name in ("SEQLAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def _(message: str) -> str:
    """Translate `message`."""
    return _catalogue(_language.get()).gettext(message) if message else ""


def ngettext(one: str, many: str, n: float) -> str:
    """Translate by number: `one` for exactly 1, `many` otherwise."""
    return _catalogue(_language.get()).ngettext(one, many, 1 if n == 1 else 2)


def listed(words: Iterable[str]) -> str:
    """Several words in one sentence: with commas, which Chinese writes as 、 between such."""
    return _(", ").join(words)


def sentences(several: Iterable[str]) -> str:
    """Sentences one after the other: with a space between them, which Chinese has not."""
    parts = list(several) or [""]
    return reduce(lambda a, b: _("{first} {second}").format(first=a, second=b), parts)


def N_(message: str) -> str:
    """Mark `message` for the catalogue; it is translated where it is shown."""
    return message
