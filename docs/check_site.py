#!/usr/bin/env python3
"""Holds the built documentation together: every link of its pages leads to a file of the site, and every word that people
type into its search is found there.

usage: check_site.py SITE        SITE is what `./run docs` builds, build/docs/site
"""

import html.parser
import json
import pathlib
import sys
import urllib.parse

WORDS = ["filters=", "classes=", "anchors", "resume", "learning rate", "VOC", "YOLO", "ONNX", "nan", "patch", "faster", "smaller", "epsilon",
         "batch", "data.yaml", "force"]


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src") and value]


def main(site):
    faults = []
    for page in sorted(site.rglob("*.html")):
        if page.is_relative_to(site / "cpp"):
            continue  # Doxygen's own links are Doxygen's
        links = Links()
        links.feed(page.read_text())
        for link in links.found:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc or not url.path or page.name == "404.html":
                continue
            target = (page.parent / urllib.parse.unquote(url.path)).resolve()
            if not target.exists():
                faults.append(f"{page.relative_to(site)}: {link} should be a file of the site")
    index = json.loads((site / "search/search_index.json").read_text())
    text = " ".join(f"{entry['title']} {entry['text']}" for entry in index["docs"]).lower()
    faults += [f"search: should find \"{word}\"" for word in WORDS if word.lower() not in text]
    main_page = (site / "cpp/index.html").read_text()
    if "ScoreInit" not in main_page:
        faults.append("cpp/index.html: should be a main page with the concepts, got an empty one")
    print("\n".join(faults) or "site: links lead somewhere, and searched words are found")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
