"""Looks at a snapshot in a real Datasette with a real browser.

    check.py DATASETTE SNAPSHOT METADATA PICTURES

Starts DATASETTE (its command) on SNAPSHOT, asks every page and canned query that METADATA describes for
its JSON, then opens the pages that people open in headless Chromium, clicks, types, and reads what stands
there. Leaves screenshots in the folder PICTURES. Wants selenium, chromium and chromedriver; run it by
test.sh, which finds them.
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

DATABASE = "microcms"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check(is_so, what):
    if not is_so:
        raise AssertionError(what)


class Site:
    """A Datasette and what it answers."""

    def __init__(self, command, snapshot, metadata):
        self.base = f"http://127.0.0.1:{free_port()}"
        port = self.base.rsplit(":", 1)[1]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [command, "-i", snapshot, "--metadata", metadata, "--port", port]
            + ["--setting", "sql_time_limit_ms", "10000"],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        end = time.monotonic() + 60
        while True:
            try:
                self.get("/-/versions.json")
                return
            except (urllib.error.URLError, ConnectionError):
                check(self.process.poll() is None, f"datasette ended before it answered:\n{self.said()}")
                check(time.monotonic() < end, "datasette did not start within a minute")
                time.sleep(0.2)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=60) as answer:
            return answer.read().decode()

    def rows(self, path, **arguments):
        arguments["_shape"] = "objects"
        answer = json.loads(self.get(f"{path}.json?{urllib.parse.urlencode(arguments)}"))
        check(answer.get("ok", True) and not answer.get("error"), f"{path}: {answer.get('error')}")
        return answer["rows"]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def check_answers(site, described):
    """Every table and view of the database, and every canned query, answers; what is described exists."""
    tables = json.loads(site.get(f"/{DATABASE}.json"))
    present = {table["name"] for table in tables["tables"]} | {view["name"] for view in tables["views"]}
    for name in described["tables"]:
        check(name in present, f"metadata describes `{name}`, which the snapshot does not have")
        columns = described["tables"][name].get("columns", {})
        if columns:
            rows = site.rows(f"/{DATABASE}/{name}", _size=1)
            check(rows, f"`{name}` is empty: its columns cannot be checked")
            missing = set(columns) - set(rows[0])
            check(not missing, f"`{name}` has no column {sorted(missing)}")
    counted = {name: len(site.rows(f"/{DATABASE}/{name}", _size=5)) for name in sorted(present)}
    print(f"{len(counted)} tables and views answer")
    for name, query in described["queries"].items():
        check(query.get("title") and query.get("description"), f"`{name}` does not say what it is for")
    return counted


class Pages:
    """What a person sees."""

    def __init__(self, site, pictures):
        self.site = site
        self.pictures = pathlib.Path(pictures)
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.profile = tempfile.TemporaryDirectory()
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1200,1000", f"--user-data-dir={self.profile.name}",
        ]:
            options.add_argument(word)
        service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
        self.browser = webdriver.Chrome(options=options, service=service)

    def open(self, path):
        self.browser.get(self.site.base + path)
        text = self.text()
        for trouble in ["Invalid SQL", "Error 500", "no such table", "no such column", "interrupted"]:
            check(trouble not in text, f"{path} says `{trouble}`:\n{text[:2000]}")
        return text

    def text(self):
        # In one question: an element asked for and then read can belong to a page that has gone since.
        return self.browser.execute_script("return document.body ? document.body.innerText : ''")

    def wait_for(self, what):
        WebDriverWait(self.browser, 30).until(lambda _browser: what in self.text(), f"`{what}` on the page")

    def cells(self):
        return self.browser.execute_script(
            "return [...document.querySelectorAll('table.rows-and-columns td')].map(cell => cell.innerText)"
        )

    def has_field(self, name):
        return bool(self.browser.find_elements(By.NAME, name))

    def picture(self, name):
        check(self.browser.save_screenshot(str(self.pictures / name)), f"{name} could not be written")

    def close(self):
        self.browser.quit()
        self.profile.cleanup()


def check_pages(site, pages, described):
    text = pages.open("/")
    check(described["title"] in text, "the front page has the title")
    text = pages.open(f"/{DATABASE}")
    for query in described["queries"].values():
        check(query["title"] in text, f"`{query['title']}` stands on the database's page")
    pages.picture("database.png")

    # Every canned query, opened as a link of the page.
    for name, query in described["queries"].items():
        text = pages.open(f"/{DATABASE}/{urllib.parse.quote(name)}")
        check(query["title"] in text, f"`{name}` opens")
        for parameter in re.findall(r":(\w+)", query["sql"]):
            check(pages.has_field(parameter), f"`{name}` asks for `{parameter}`")

    # Somebody searches in Japanese, in the form of the page.
    pages.open(f"/{DATABASE}/search")
    field = pages.browser.find_element(By.NAME, "words")
    field.clear()
    field.send_keys("モンブラン")
    field.submit()
    pages.wait_for("秋の新メニュー")
    check(any("モンブラン" in cell for cell in pages.cells()), "the search shows where it found the words")
    pages.picture("search.png")
    pages.open(f"/{DATABASE}/search?{urllib.parse.urlencode({'words': '休業'})}")
    check(any("休業" in cell for cell in pages.cells()), "two characters are found, too")
    nobody = urllib.parse.urlencode({"words": 'nobody wrote "this'})
    pages.open(f"/{DATABASE}/search?{nobody}")
    check(not pages.cells(), "what nobody wrote is not found")

    # …and asks what an article said before it was changed.
    changed = site.rows(f"/{DATABASE}/contents_history", _size=1)
    check(changed, "the snapshot has history")
    then = changed[0]
    asked = urllib.parse.urlencode({"endpoint": then["endpoint"], "id": then["id"], "t": then["valid_from"]})
    text = pages.open(f"/{DATABASE}/as_of?{asked}")
    check(then["valid_from"] in text, "the version of that time is shown")
    pages.picture("as-of.png")


def main():
    command, snapshot, metadata, pictures = sys.argv[1:]
    described = yaml.safe_load(pathlib.Path(metadata).read_text())
    database = described["databases"][DATABASE]
    database["title"] = described["title"]
    site = Site(command, snapshot, metadata)
    try:
        counted = check_answers(site, database)
        pages = Pages(site, pictures)
        try:
            check_pages(site, pages, database)
        finally:
            pages.close()
    finally:
        site.stop()
    print(f"{len(database['queries'])} canned queries answer; {sum(map(bool, counted.values()))} tables and views have rows")


if __name__ == "__main__":
    main()
