"""The questions of a newcomer: each leads to a section of a page that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
QUESTIONS = Path(__file__).parent / "questions.md"


def answers() -> list[list[str]]:
    """Return the places that answer each question: pages below docs, with the anchor of a section."""
    entries = re.split(r"^\d+\. ", QUESTIONS.read_text(), flags=re.MULTILINE)[1:]
    return [re.findall(r"\]\(\.\./\.\./docs/([^)]+)\)", entry) for entry in entries]


def sections(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check() -> list[str]:
    """Return a line for each question without a place, and for each place that does not exist."""
    found = []
    for number, places in enumerate(answers(), 1):
        if not places:
            found.append(f"question {number} has no answer")
        for place in places:
            name, _, anchor = place.partition("#")
            page = ROOT / "docs" / name
            if not page.is_file() or (anchor and anchor not in sections(page)):
                found.append(f"question {number}: no {place}")
    return found
