"""The schemas of JSON in one folder of the site, under their own names, since they refer to each other by name.

Sphinx gives each file that a page offers a folder of its own, in which a schema would not find the next one.
"""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference

FOLDER = "reference/schemas"
EARLY = 400  # before Sphinx collects what is to be downloaded, at 500


def link_files(app: Any, tree: nodes.document) -> None:
    """Turn downloads of schemas into links to the folder."""
    page = PurePosixPath(app.env.docname)
    for link in list(tree.findall(download_reference)):
        file = page.parent / link["reftarget"]
        if file.parent == PurePosixPath(FOLDER):
            address = app.builder.get_relative_uri(page.as_posix(), file.as_posix()).removesuffix(".html")
            link.replace_self(nodes.reference("", "", *link.children, refuri=address, internal=True))


def copy_files(app: Any, failure: Exception | None) -> None:
    """Copy the folder into the built site."""
    if failure is None and app.builder.format == "html":
        target = Path(app.outdir) / FOLDER
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(app.srcdir) / FOLDER, target)


def setup(app: Any) -> dict[str, Any]:
    """Link the files while pages are read, and copy them at the end."""
    app.connect("doctree-read", link_files, priority=EARLY)
    app.connect("build-finished", copy_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
