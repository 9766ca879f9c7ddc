"""The pages of the documentation, and the code on them."""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
HOW_TO = DOCS / "how-to"


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
