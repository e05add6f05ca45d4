"""Bring the catalogues of seqlab/locale up to the code: collect, merge, compile.

    python scripts/translations.py          update the .po files and compile them
    python scripts/translations.py --check  change nothing; status 1 where something is missing

A translator edits the .po file, for example with Poedit, and runs this script.
"""

import importlib
import inspect
import io
import re
import sys
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir

from seqlab import catalogue

ROOT = Path(__file__).parent.parent / "seqlab"
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
LANGUAGES = ("zh",)


class Catalogue(Catalog):
    """A catalogue whose header holds nothing that changes by itself (dates, Babel's version): the
    same words give the same bytes, on every day and every machine.
    """

    def __init__(self, language: str | None = None) -> None:
        super().__init__(locale=language, charset="utf-8", fuzzy=False)
        name = self.locale.english_name if self.locale else ""
        self.header_comment = f"# {name} words of seqlab.\n"

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        language = self.locale.english_name if self.locale else ""
        return [
            ("Project-Id-Version", "seqlab"),
            ("Language", str(self.locale_identifier or "")),
            ("Language-Team", language),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]


def collected() -> Catalog:
    """Every sentence of the code: what is marked, and the paragraphs of the commands' help."""
    found = Catalogue()
    for name, line, message, _comments, _context in extract_from_dir(
        ROOT, method_map=[("**.py", "python")], keywords=KEYWORDS
    ):
        found.add(message, locations=[(f"seqlab/{name}", line)])
    for command in (*catalogue.EXPERIMENTS, *catalogue.TOOLS):
        module = importlib.import_module(command.module)
        place = f"{command.module.replace('.', '/')}.py"
        for described in (module, *getattr(module, "COMMANDS", {}).values()):
            for paragraph in (inspect.getdoc(described) or "").split("\n\n"):
                found.add(" ".join(paragraph.split()), locations=[(place, 1)])
    return found


def path_of(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES" / "seqlab.po"


def translated(language: str) -> Catalog:
    own = Catalogue(language)
    with path_of(language).open("rb") as stream:
        for message in pofile.read_po(stream, locale=language):
            if message.id:
                own[message.id] = message
    return own


def compiled(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    mofile.write_mo(buffer, catalog)
    return buffer.getvalue()


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{[^}]*\}", text))


def complaints(language: str) -> list[str]:
    """What is missing or wrong in one language."""
    there, found = translated(language), []
    for message in collected():
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        own = there.get(ids[0])
        texts = [] if own is None else own.string if own.pluralizable else [own.string]
        if not texts or not all(texts) or (own is not None and own.fuzzy):
            found.append(f"{language}: not translated: {ids[0]!r}")
        found += [
            f"{language}: other placeholders than {ids[-1]!r}: {text!r}"
            for text in texts
            if text and placeholders(text) != placeholders(ids[-1])
        ]
    if path_of(language).with_suffix(".mo").read_bytes() != compiled(there):
        found.append(f"{language}: the .mo file is not that of the .po file")
    return found


def update(language: str) -> None:
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    merged = translated(language) if path.exists() else Catalogue(language)
    merged.update(collected(), no_fuzzy_matching=True)
    merged.obsolete.clear()
    with path.open("wb") as stream:
        pofile.write_po(stream, merged, width=100, sort_output=True)
    path.with_suffix(".mo").write_bytes(compiled(translated(language)))


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not arguments:
        for language in LANGUAGES:
            update(language)
    found = [text for language in LANGUAGES for text in complaints(language)]
    print("\n".join(found) or "complete")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
