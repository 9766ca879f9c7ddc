"""Put the tables of a run into docs/benchmarks.md, between its markers.

Run: python -m benchmarks.page FOLDER (of the JSON files that the benchmarks wrote; `make bench` does both)
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

PAGE = Path("docs/benchmarks.md")
PICTURES = Path("docs/images")


def filled(page: str, name: str, text: str) -> str:
    """Return the page with `text` between the markers of that name; a page without them stays as it is."""
    begin, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    return re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", page, count=1, flags=re.DOTALL
    )


def main() -> None:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    page = PAGE.read_text()
    files = sorted(args.folder.glob("*.json"))
    if not files:
        parser.error(f"there are no JSON files in {args.folder}")
    for file in files:
        record = json.loads(file.read_text())
        if "table" in record:
            page = filled(page, file.stem, "\n".join([*record["table"], "", *record["provenance"]]))
            configured = [f"| {one['name']} | {one['how']} |" for one in record["peers"]]
            if configured:  # a table without peers says nothing of them
                page = filled(page, record["place"], "\n".join(["| name | what was built |", "|---|---|", *configured]))
    PAGE.write_text(page)
    for picture in args.folder.glob("*.png"):
        PICTURES.mkdir(exist_ok=True)
        shutil.copyfile(picture, PICTURES / picture.name)


if __name__ == "__main__":
    main()
