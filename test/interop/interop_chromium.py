"""A real browser for tests: headless Chromium through chromedriver (Debian chromium, chromium-driver, python3-selenium).

Nothing it does leaves the machine: its own services are off and every host but loopback resolves to nothing.
"""
import base64
import os
import subprocess
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

FLAGS = ("--headless=new", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-gpu", "--disable-extensions", "--disable-default-apps", "--mute-audio",
         "--hide-scrollbars", "--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
PAGE_LIMIT_S = 30
MOST_TABS = 25


def can_sandbox():
    """Chromium's sandbox needs an ordinary user who may make user namespaces; in a container that is often forbidden."""
    return os.getuid() != 0 and subprocess.run(["unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Chromium:
    def __init__(self, folder):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, *([] if can_sandbox() else ["--no-sandbox"]), f"--user-data-dir={folder}/profile"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", log_path=f"{folder}/driver.log"), options=options)
        self.driver.set_page_load_timeout(PAGE_LIMIT_S)
        self.size(1280, 800)

    def stop(self):
        self.driver.quit()

    # ---- what the person has in hand

    def size(self, width, height=640):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")  # laid out anew
        assert self.driver.execute_script("return window.innerWidth") == width

    def language(self, tag):
        agent = self.driver.execute_script("return navigator.userAgent")
        self.driver.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": tag})

    def forget(self):
        """As a new person finds a shared tablet: no cookies, an empty console."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.get("about:blank")
        self.driver.get_log("browser")

    # ---- what the person does

    def open(self, url):
        self.driver.get(url)

    @property
    def url(self):
        return self.driver.current_url

    @property
    def text(self):
        return self.driver.find_element("css selector", "body").text

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def has(self, selector):
        return bool(self.driver.find_elements("css selector", selector))

    def click(self, selector):
        self._leave(self.find(selector).click)

    def fill(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def _leave(self, act):
        """Acts, and waits until another document is there and loaded."""
        before = self.driver.execute_script("return performance.timeOrigin")
        act()
        self.until(lambda: self.driver.execute_script("return [performance.timeOrigin, document.readyState]") not in (
            [before, "loading"], [before, "interactive"], [before, "complete"]), "the page did not change")
        self.until(lambda: self.driver.execute_script("return document.readyState") == "complete", "the page did not load")

    def until(self, what, why):
        deadline = time.monotonic() + PAGE_LIMIT_S
        while not what():
            assert time.monotonic() < deadline, f"{why}: {self.url}: {self.text[:500]}"
            time.sleep(0.02)

    # ---- by keyboard alone

    def press(self, key):
        ActionChains(self.driver).send_keys(key).perform()

    def tab_to(self, selector):
        """Tab until the element has the focus; a focus that cannot be seen is a failure."""
        for _ in range(MOST_TABS):
            self.press(Keys.TAB)
            if self.driver.execute_script("return document.activeElement.matches(arguments[0])", selector):
                seen = self.driver.execute_script(
                    "const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' && s.outlineWidth !== '0px'")
                assert seen, f"the focus on {selector} cannot be seen at {self.url}"
                return
        raise AssertionError(f"{selector} cannot be reached with Tab at {self.url}")

    def enter(self):
        self._leave(lambda: self.press(Keys.ENTER))

    # ---- what is to be judged

    def complaints(self, origin):
        """Console errors and CSP violations on pages of `origin`, but not that a page came with an error status on purpose."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
                and (entry["message"].startswith(origin) or "Content Security Policy" in entry["message"])
                and not (entry["source"] == "network" and "status of" in entry["message"] and "favicon" not in entry["message"])]

    def overflow(self):
        """By how many pixels the page is wider than the window, and which elements stick out."""
        return self.driver.execute_script("""
            const wide = document.documentElement.clientWidth;
            const over = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - wide;
            const out = e => e.getBoundingClientRect().right > wide + 0.5 || e.getBoundingClientRect().left < -0.5;
            const named = [...document.querySelectorAll('body *')].filter(out).map(e => e.outerHTML.slice(0, 80));
            return over <= 0 ? [] : [over, ...named]""")

    def picture(self, width):
        """The whole page as PNG bytes: the window is made as tall as the page is."""
        self.size(width, 200)
        self.size(width, self.driver.execute_script("return document.documentElement.scrollHeight"))
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
