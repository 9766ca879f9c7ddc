"""Full-text search that finds numbers: codes of the exchange, statuses of HTTP.

Sphinx leaves numbers out, twice: of the index, and of a query. Here numbers of three digits and more are words. The
browser's part is the splitter of queries, which is there to be replaced.
"""

from typing import Any

from sphinx.search.en import SearchEnglish

LEAST_DIGITS = 3  # of a number that is looked for; shorter ones are in every page

AS_WORD = r"""
// what Sphinx's search asks of a word to leave numbers out, a number answers as a word does
var asWord = (part) => (/^\d{3,}$/.test(part) ? Object.assign(new String(part), { match: () => null }) : part);
"""

SPLITTER = r"""
var splitQuery = (query) => (query.match(/[\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu) || []).map(asWord);
"""


class EnglishSearch(SearchEnglish):
    """Sphinx's English search, with numbers."""

    js_splitter_code = AS_WORD + SPLITTER

    def word_filter(self, word: str) -> bool:
        """Return whether a word is in the index: a number, too, if it is long enough."""
        return super().word_filter(word) or (word.isdecimal() and len(word) >= LEAST_DIGITS)


def setup(app: Any) -> dict[str, Any]:
    """Register the search of the English site."""
    app.add_search_language(EnglishSearch)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
