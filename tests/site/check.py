"""What is wrong with the pages: `make docs-check`, after `make docs`.

Broken links, resources from outside and misspelled names fail it. Links that lead outside are listed, since nothing is
asked of the network, and so are paragraphs whose translation is stale: they are shown in English until it is mended.
"""

import sys
from pathlib import Path

from tests.site import links, names, translations

ROOT = Path(__file__).parents[2]
SITE, TEMPLATES = ROOT / "build" / "site", ROOT / "build" / "gettext"
CATALOGUES = ROOT / "docs" / "locale" / "zh_CN" / "LC_MESSAGES"
_SHOWN = 72


def main() -> int:
    """Print everything that was found; return 1 if something must be mended."""
    found = links.check(SITE)
    wrong = names.check()
    stale = list(translations.check(TEMPLATES, CATALOGUES))
    _print("Broken links", [f"{page}: {address}" for page, address in found.broken])
    _print("Fetched from outside", [f"{page}: {address}" for page, address in found.fetched])
    _print("Names that are not in the source", wrong)
    _print(
        "Links that lead outside, not asked for",
        [f"{address}  ({pages[0]}, {len(pages)} pages)" for address, pages in sorted(found.outside.items())],
    )
    _print("Paragraphs without their translation", [f"{page}: {why}: {text[:_SHOWN]}" for page, why, text in stale])
    return bool(found.broken or found.fetched or wrong)


def _print(title: str, lines: list[str]) -> None:
    print(f"{title}: {len(lines) or 'none'}")
    for line in lines:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
