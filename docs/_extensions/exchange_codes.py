"""Each code of the exchange in the index, with a place of its own: the row of its table, `codes.html#code-51023`."""

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes

PAGE = "reference/codes"
_CODE = re.compile(r"\d{5}")


def name_rows(app: Any, tree: nodes.document) -> None:
    """Give each row whose first cell is a code its place, and an entry of the index."""
    if app.env.docname != PAGE:
        return
    for row in tree.findall(nodes.row):
        cell = row.children[0]
        if _CODE.fullmatch(code := cell.astext()):
            place = f"code-{code}"
            row["ids"].append(place)
            cell.insert(0, addnodes.index(entries=[("single", code, place, "main", None)]))


def setup(app: Any) -> dict[str, Any]:
    """Name the rows once a page is read."""
    app.connect("doctree-read", name_rows)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
