"""docs/reference/quick.md has every word of the command line and every option that it shows: scenarios, attacks, scores and budgets
from the registries, options from the programs' sources.

usage: check_quick.py [ROOT]     exit status 1 and one line per word that it lacks, or that no program has
"""

import pathlib
import re
import sys


def offences(root):
    page = (root / "docs/reference/quick.md").read_text()
    include = root / "include/serpette"
    for kind, file, pattern in (("scenario", "scenario/catalogue.hpp", r'CatalogueEntry\{"(\w+)"'),
                                ("attack", "attack/registry.hpp", r'Entry<\w+>\{"([\w-]+)"'),
                                ("score", "score/registry.hpp", r'Entry<\w+>\{"([\w-]+)"'),
                                ("budget", "method/budgets.hpp", r'\{\{?"(\w+)",$')):
        code = re.sub(r"///.*", "", (include / file).read_text())
        for word in re.findall(pattern, code, re.MULTILINE):
            if f"`{word}`" not in page:
                yield f"docs/reference/quick.md: should have the {kind} `{word}`"
    sources = "".join(path.read_text() for folder in ("include/serpette/app", "programs", "src/app")
                      for path in sorted((root / folder).rglob("*.[ch]pp")))
    settings = (root / "docs/reference/settings.md").read_text()
    for option in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) - {"--help"}):
        if f'"{option}"' not in sources and f'"{option},' not in sources and f',{option}"' not in sources and option not in settings \
                and f'"{option[2:]}"' not in sources:
            yield f"docs/reference/quick.md: shows {option}, which no program has"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    found = list(offences(root))
    print("\n".join(found) or "quick reference: it has every word, and no other option")
    sys.exit(bool(found))
