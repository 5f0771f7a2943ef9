"""docs/reference/settings.md has every policy that describes its settings.

usage: check_settings.py [ROOT]     exit status 1 and one line per policy that it lacks
"""

import pathlib
import re
import sys

FAMILIES = ("attack", "score", "prune", "objective", "color")
PARTS = {"StraightThroughSgd", "Limits", "BasicDeepLift"}  # of others, whose tables have their settings


def offences(root):
    page = (root / "docs/reference/settings.md").read_text()
    for family in FAMILIES:
        for path in sorted((root / "include/serpette" / family).glob("*.hpp")):
            for name in sorted(set(re.findall(r"(?:setting|part)<&(\w+)::", path.read_text())) - PARTS):
                if f"`{name}" not in page:
                    yield (f"docs/reference/settings.md: should have {name} of {family}/{path.name}; add it to "
                           "tests/unit/core/settings.cpp and write the page anew")


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    found = list(offences(root))
    print("\n".join(found) or "settings: every policy that describes its settings is on the page")
    sys.exit(bool(found))
