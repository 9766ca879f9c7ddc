"""The built site in headless Chromium: `make site-test`. Not collected by `make test`.

Pictures of every page that is looked at are in build/site-test. The site is served from this machine; the browser can
reach nothing else, and whatever it asks for is recorded.
"""

import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).parents[2]
SITE, PICTURES = ROOT / "build" / "site", ROOT / "build" / "site-test"
LANGUAGES = ("en", "zh_CN")
PAGES = {
    "landing": "index.html",
    "how-to": "how-to/flatten.html",
    "errors": "how-to/handle-unknown.html",
    "reference": "reference/api/client.html",
    "outcomes": "reference/api/closes.html",
    "command-line": "reference/cli.html",
}
SIZES = {"wide": (1440, 1200), "narrow": (390, 1400)}
SCHEMES = ("light", "dark")
SEARCHES = (
    ("en", "unknown outcome", "how-to/handle-unknown"),
    ("en", "max_wait", "reference/api/client"),
    ("en", "51023", "reference/codes"),
    ("en", "50011 too many requests", "reference/codes"),
    ("en", "429", "how-to/migrate-from-aiohttp"),
    ("en", "partial", "how-to/close-a-part"),
    ("zh_CN", "51023", "reference/codes"),
    ("zh_CN", "51043 逐仓", "reference/codes"),
    ("zh_CN", "未知", "how-to/handle-unknown"),
    ("zh_CN", "结果未知", "how-to/handle-unknown"),
    ("zh_CN", "全平", "how-to/flatten"),
    ("zh_CN", "模拟盘", "how-to/go-live"),
    ("zh_CN", "flatten", "reference/api/flatten"),
)
LOOKS = list(product(SIZES, SCHEMES))
WIDE = [("wide", "light")]


class Recorder(SimpleHTTPRequestHandler):
    """Serves the site, and notes what it could not serve."""

    missing: list[str]

    def __init__(self, *args: Any, missing: list[str], **options: Any) -> None:
        self.missing = missing
        super().__init__(*args, **options)

    def log_request(self, code: int | str = "-", _size: int | str = "-") -> None:
        """Note the path of a request that failed."""
        if str(code) not in {"200", "304"}:
            self.missing.append(f"{code} {self.path}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Browser:
    """One browser with its screen, the address of the site, and what was asked for in vain."""

    driver: Any
    site: str
    look: str
    missing: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Open a page of the site."""
        self.driver.get(f"{self.site}/{path}")

    def picture(self, name: str) -> None:
        """Keep what is seen."""
        # once it was painted: before, the browser refuses once in a while
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        seen = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        (PICTURES / f"{name}.png").write_bytes(b64decode(seen["data"]))

    def results(self, language: str, words: str) -> list[str]:
        """Search by the field of the sidebar, and return the pages that are found, best first."""
        self.open(f"{language}/index.html")
        self.driver.execute_script(
            "const form = document.querySelector('.sidebar-search-container');"
            "form.elements.q.value = arguments[0]; form.submit();",
            words,
        )
        ended = (By.CSS_SELECTOR, "#search-results .search-summary")

        def done(driver: Any) -> bool:
            said = [each.text for each in driver.find_elements(*ended)]
            return bool(said) and "…" not in said[0] and "..." not in said[0] and bool(said[0].strip())

        WebDriverWait(self.driver, 20).until(done)
        found = self.driver.find_elements(By.CSS_SELECTOR, "#search-results ul.search li a")
        links = [each.get_attribute("href").partition("?")[0].partition("#")[0] for each in found]
        return [link.removeprefix(f"{self.site}/{language}/").removesuffix(".html") for link in links]

    def complaints(self) -> list[str]:
        """Return, and forget, what went wrong since the last call: in the console, at the server, or on the way out."""
        said = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        asked = self.driver.execute_script(
            "return performance.getEntries().filter(e => e.name.includes('://')).map(e => e.name)"
        )
        left = [address for address in asked if not address.startswith((self.site, "data:"))]
        missing, self.missing[:] = list(self.missing), []
        return said + left + missing


@pytest.fixture(scope="module", autouse=True)
def pictures() -> None:
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    size, scheme = request.param
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not (chromium and driver):
        pytest.fail("there is no Chromium with its driver: apt-get install chromium chromium-driver")
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no site: run `make docs`")
    missing: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Recorder, directory=str(SITE), missing=missing))
    Thread(target=server.serve_forever, daemon=True).start()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (
        "--headless=new",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-features=BackForwardCache,Prerender2,RenderDocument",
        "--hide-scrollbars",
        "--lang=en",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium has no sandbox for root
    ):
        options.add_argument(argument)
    driving = webdriver.Chrome(options=options, service=Service(driver))
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driving.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driving.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        yield Browser(driving, f"http://127.0.0.1:{server.server_port}", f"{size}-{scheme}", missing)
    finally:
        driving.quit()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("browser", LOOKS, indirect=True, ids="-".join)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole(browser: Browser, page: str, language: str) -> None:
    browser.open(f"{language}/{PAGES[page]}")
    browser.picture(f"{page}-{language}-{browser.look}")
    run = browser.driver.execute_script
    assert run("return document.documentElement.scrollWidth - innerWidth") <= 0, "the page must be moved sideways"
    pictures = run("return [...document.images].filter(i => i.offsetParent).map(i => [i.src, i.naturalWidth])")
    assert [source for source, width in pictures if not width] == []
    if page == "landing":
        assert [source.endswith(f"-{browser.look.partition('-')[2]}.svg") for source, _ in pictures] == [True]
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", WIDE, indirect=True, ids="-".join)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_leads_to_itself_in_the_other_language(browser: Browser, page: str) -> None:
    browser.open(f"en/{PAGES[page]}")
    browser.driver.find_element(By.CSS_SELECTOR, ".languages a").click()
    assert browser.driver.current_url == f"{browser.site}/zh_CN/{PAGES[page]}"
    browser.driver.find_element(By.CSS_SELECTOR, ".languages a").click()
    assert browser.driver.current_url == f"{browser.site}/en/{PAGES[page]}"
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", WIDE, indirect=True, ids="-".join)
@pytest.mark.parametrize(("language", "words", "page"), SEARCHES)
def test_a_search_finds_the_page(browser: Browser, language: str, words: str, page: str) -> None:
    assert page in browser.results(language, words)[:8]
    browser.picture(f"search-{language}-{words.replace(' ', '-')}")
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", WIDE, indirect=True, ids="-".join)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_is_found_at_its_row(browser: Browser, language: str) -> None:
    assert browser.results(language, "51108")[0] == "reference/codes"
    first = browser.driver.find_element(By.CSS_SELECTOR, "#search-results ul.search li")
    assert first.find_element(By.TAG_NAME, "a").get_attribute("href").endswith("#code-51108")
    WebDriverWait(browser.driver, 20).until(lambda _: "51108" in first.text)
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", LOOKS, indirect=True, ids="-".join)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_search_can_be_read(browser: Browser, language: str) -> None:
    assert browser.results(language, "OutcomeUnknownError")
    browser.picture(f"search-{language}-{browser.look}")
    assert browser.driver.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", WIDE, indirect=True, ids="-".join)
def test_the_chinese_index_is_of_words(browser: Browser) -> None:
    assert browser.results("zh_CN", "全平")
    words = browser.driver.execute_script(
        r"return Object.keys(Search._index.terms).filter(word => /^\p{Script=Han}+$/u.test(word))"
    )
    assert {"全平", "限速", "持仓方向", "逐仓", "全仓", "模拟盘", "未知"} <= set(words)
    assert max(map(len, words)) <= 8, "sentences, not words"
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", WIDE, indirect=True, ids="-".join)
def test_the_root_leads_to_the_readers_language(browser: Browser) -> None:
    browser.open("")
    WebDriverWait(browser.driver, 10).until(lambda driver: driver.current_url.endswith("/en/index.html"))
    assert browser.complaints() == []


@pytest.mark.parametrize("browser", WIDE, indirect=True, ids="-".join)
def test_what_is_asked_of_other_machines_would_be_seen(browser: Browser) -> None:
    browser.open("en/index.html")
    browser.driver.execute_script("document.body.append(Object.assign(new Image(), {src: 'http://example.invalid/x'}))")
    WebDriverWait(browser.driver, 10).until(
        lambda driver: driver.execute_script("return performance.getEntriesByName('http://example.invalid/x').length")
    )
    assert any("example.invalid" in complaint for complaint in browser.complaints())
