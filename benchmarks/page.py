"""Put the tables and pictures of a run into docs/benchmarks.md, between its markers.

Run: python -m benchmarks.page FOLDER (the `--folder` of the benchmarks; `make bench` does both)
"""

import argparse
import json
import re
import shutil
from pathlib import Path

PAGE, PICTURES = Path("docs/benchmarks.md"), Path("docs/images")


def filled(page: str, name: str, lines: list[str]) -> str:
    """Return the page with other lines between the markers of that name; a page without them stays as it is."""
    begin, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    text = "\n".join([begin, *lines, end])
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: text, page, count=1, flags=re.DOTALL)


def main() -> None:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    page = PAGE.read_text()
    files = sorted(folder.glob("*.json"))
    if not files:
        parser.error(f"there are no JSON files in {folder}")
    for file in files:
        record = json.loads(file.read_text())
        page = filled(page, file.stem, [*record["table"], "", *record["provenance"]])
        if record["subjects"]:
            rows = [f"| {name} | {how} |" for name, how in record["subjects"]]
            page = filled(page, record["place"], ["| name | what was built |", "|---|---|", *rows])
    PAGE.write_text(page)
    PICTURES.mkdir(exist_ok=True)
    for picture in (*folder.glob("*.png"), *folder.glob("*.svg")):
        shutil.copyfile(picture, PICTURES / picture.name)


if __name__ == "__main__":
    main()
