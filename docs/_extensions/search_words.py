"""Full-text search: with numbers in both languages, and in Chinese by words.

Sphinx leaves numbers out, of the index and of a query, so that no code of the exchange would be found. Here numbers of
three digits and more are words.

Sphinx cuts Chinese pages with jieba, but leaves a query as it is typed: 结果未知 would be looked for as one word, which
no page has. Here a run of Chinese characters in a query is cut into the longest words that the index knows.

What the browser does is the splitter of queries, which Sphinx has for languages to replace.
"""

from typing import Any

import jieba
from sphinx.search.en import SearchEnglish
from sphinx.search.zh import SearchChinese

jieba.setLogLevel("WARNING")

LEAST_DIGITS = 3  # of a number that is a word; shorter ones are on every page

AS_WORD = r"""
// a number that answers as a word does when Sphinx's search asks it, by `match`, whether to leave it out
var asWord = (part) => (/^\d{3,}$/.test(part) ? Object.assign(new String(part), { match: () => null }) : part);
"""

SPLITTER = r"""
var splitQuery = (query) => (query.match(/[\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu) || []).map(asWord);
"""

CHINESE_SPLITTER = r"""
var splitQuery = (query) => {
  const known = (word) => Search._index && (Object.hasOwn(Search._index.terms, word) ||
    Object.hasOwn(Search._index.titleterms, word));
  const cut = (run) => {
    const words = [];
    for (let at = 0; at < run.length; ) {
      let end = Math.min(run.length, at + 8);
      while (end > at + 1 && !known(run.slice(at, end))) end--;
      if (end > at + 1 || run.length === 1) words.push(run.slice(at, end));
      at = end;
    }
    return words.length ? words : [run];
  };
  return (query.match(/\p{Script=Han}+|[\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu) || []).flatMap((part) =>
    /\p{Script=Han}/u.test(part) ? cut(part.match(/\p{Script=Han}+/u)[0]) : [asWord(part)]);
};
"""


class EnglishSearch(SearchEnglish):
    """Sphinx's English search, with numbers."""

    js_splitter_code = AS_WORD + SPLITTER

    def word_filter(self, word: str) -> bool:
        """Return whether a word is in the index: a number, too, if it is long enough."""
        return super().word_filter(word) or (word.isdecimal() and len(word) >= LEAST_DIGITS)


class ChineseSearch(SearchChinese):
    """Sphinx's Chinese search, which has numbers in its index, with a browser part that cuts queries as well."""

    lang = "zh_CN"
    language_name = "English"  # of the stemmer: Sphinx 9.0 looks for a ChineseStemmer, and its search is broken
    js_splitter_code = AS_WORD + CHINESE_SPLITTER

    def split(self, text: str) -> list[str]:
        """Return the words of a text of a page: Chinese ones once each, and the Latin ones."""
        return [word for word in super().split(text) if word.strip()]


def setup(app: Any) -> dict[str, Any]:
    """Register the search of both languages."""
    app.add_search_language(EnglishSearch)
    app.add_search_language(ChineseSearch)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
