"""Lists the longest headers. A policy header is 60 to 200 lines; one of more than 400 usually holds two ideas, and one of
more than 600 fails.

usage: report_lengths.py [ROOT]
"""

import pathlib
import statistics
import sys

if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    lengths = sorted(((len(path.read_text().splitlines()), path.relative_to(root).as_posix())
                      for path in (root / "include").rglob("*.hpp")), reverse=True)
    print(f"{len(lengths)} headers, median {statistics.median(n for n, _ in lengths):g} lines; the longest:")
    for count, name in lengths[:10]:
        print(f"{count:6} {name}{'   (more than 400: two ideas?)' if count > 400 else ''}")
    sys.exit(lengths[0][0] > 600)
