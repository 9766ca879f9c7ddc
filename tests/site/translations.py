"""The paragraphs of the pages whose translation is missing, or was made for an earlier text."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po


class Stale(NamedTuple):
    """One paragraph that is shown in English."""

    page: str
    why: str
    text: str


def check(templates: Path, catalogues: Path) -> Iterator[Stale]:
    """Compare the paragraphs of the pages (.pot) with their translations (.po).

    Only pages that have a file of translations are looked at: the others are meant to be in English.
    """
    for file in sorted(catalogues.rglob("*.po")):
        page = file.relative_to(catalogues).with_suffix("").as_posix()
        template = templates / f"{page}.pot"
        if not template.is_file():
            yield Stale(page, "no such page", "")
            continue
        found, wanted = _read(file), _read(template)
        for message in wanted:
            if not message.id:
                continue
            translated = found.get(message.id)
            if translated is None:
                yield Stale(page, "new: run make docs-po", str(message.id))
            elif not translated.string:
                yield Stale(page, "not translated", str(message.id))
            elif translated.fuzzy:
                yield Stale(page, "changed since", str(message.id))


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)
