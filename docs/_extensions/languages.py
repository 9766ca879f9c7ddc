"""The link from each page to the same page in the other language, and the note on a page that is not translated."""

from pathlib import Path
from typing import Any

# as the folders of build/site are called, and as readers of the language call it
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
LOCALE = Path(__file__).parent.parent / "locale"


def add_links(app: Any, page: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Tell the templates the languages of this page: (folder, name, address relative to the page, is it this one)."""
    up = "../" * (page.count("/") + 1)
    context["languages"] = [
        (folder, name, f"{up}{folder}/{page}.html", folder == app.config.language) for folder, name in LANGUAGES.items()
    ]
    catalogue = LOCALE / app.config.language / "LC_MESSAGES" / f"{page}.po"
    context["untranslated"] = app.config.language != "en" and page in app.env.found_docs and not catalogue.exists()


def setup(app: Any) -> dict[str, Any]:
    """Add the links to every page."""
    app.connect("html-page-context", add_links)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
