"""Holds the code in our Markdown pages to the compiled sources it is cut from. A page says where a block comes from:

    <!-- snippet: examples/activity_weighted.hpp [policy] -->
    ```cpp
    … the lines between the two lines `// [policy]` of that file …
    ```

A block of C++ that says no such thing is a fault: pages show what compiles.

usage: check_snippets.py [ROOT] [--write]     --write replaces the blocks by what the sources say
"""

import pathlib
import re
import sys
import textwrap

BLOCK = re.compile(r"<!-- snippet: (\S+) \[(\w+)\] -->\n```(\w+)\n(.*?)```\n", re.DOTALL)


def cut(root, file, marker):
    source = root / file
    if not source.exists():
        return None
    parts = re.split(rf"^[ \t]*// \[{marker}\]\n", source.read_text(), flags=re.MULTILINE)
    if len(parts) != 3:
        return None
    return textwrap.dedent(re.sub(r"^[ \t]*// \[\w+\]\n", "", parts[1], flags=re.MULTILINE))  # without others' markers


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--write"]
    root = pathlib.Path(words[0] if words else pathlib.Path(__file__).parents[2])
    faults = []
    for page in sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")]):
        text = page.read_text()

        def check(match):
            file, marker, language, code = match.groups()
            wanted = cut(root, file, marker)
            if wanted is None:
                faults.append(f"{page.relative_to(root)}: there is no snippet [{marker}] in {file}")
                return match[0]
            if wanted != code:
                faults.append(f"{page.relative_to(root)}: differs from {file} [{marker}]")
            return f"<!-- snippet: {file} [{marker}] -->\n```{language}\n{wanted}```\n"

        replaced = BLOCK.sub(check, text)
        if page.is_relative_to(root / "docs"):
            for loose in re.finditer(r"(?<!-->\n)^```(?:cpp|c)\n", text, re.MULTILINE):
                faults.append(f"{page.relative_to(root)}:{text.count(chr(10), 0, loose.start()) + 1}: should say which source the code is cut from")
        if "--write" in sys.argv and replaced != text:
            page.write_text(replaced)
    print("\n".join(faults) or "snippets: pages say what the sources say")
    if faults:
        print("bring them up to date: python3 tests/scripts/check_snippets.py --write")
    sys.exit(bool(faults) and "--write" not in sys.argv)
