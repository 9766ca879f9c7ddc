"""Comments in the code of a Chinese page, in Chinese: by docs/locale/zh_CN/comments.po, and the code as it stands.

Sphinx would have each block of code translated as a whole, and a program could change with its comments.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from docutils import nodes

LOCALE = Path(__file__).parent.parent / "locale"
COMMENT = re.compile(r"(?:^|(?<=\s))# (.+)$", re.MULTILINE)


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return the comments and their translations."""
    path = LOCALE / language / "comments.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id and message.string}


def translate(app: Any, tree: nodes.document) -> None:
    """Translate the comments of a page that is translated."""
    language = app.config.language
    if not (LOCALE / language / "LC_MESSAGES" / f"{app.env.docname}.po").exists():
        return
    known = catalogue(language)
    for block in tree.findall(nodes.literal_block):
        text = COMMENT.sub(lambda comment: f"# {known.get(comment[1], comment[1])}", block.astext())
        block.children = []
        block.append(nodes.Text(text))
        block.rawsource = text  # else Sphinx takes it for one without colours


def setup(app: Any) -> dict[str, Any]:
    """Translate comments once a page is read."""
    app.connect("doctree-read", translate)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
