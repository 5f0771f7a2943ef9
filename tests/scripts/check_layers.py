"""Holds the table of who may include whom (docs/architecture.md): reads every #include "serpette/…" line.

usage: check_layers.py [ROOT]     exit status 1 and one line per offence
"""

import pathlib
import re
import sys

# A folder may include itself and what is named here; a name with a slash is that one header.
TENSOR, NN = "torch/tensor.hpp", "torch/nn.hpp"
ALLOWED = {
    "torch": set(),
    "detail": {"version.hpp"},
    "core": {"fwd.hpp", "version.hpp", "detail", TENSOR},
    "concepts": {"fwd.hpp", "core", TENSOR},
    "statistics": {"core", "detail"},
    "metric": {"concepts", "core", "detail", "io"},
    "report": {"core", "detail", "io", "metric", "statistics"},
    "io": {"concepts", "core", "detail"},
    "data": {"concepts", "core", "detail", "io", TENSOR},
    "model": {"concepts", "core", "detail", "io", TENSOR, NN},
    "distributed": {"core", "detail", TENSOR, NN},
    "deploy": {"model", "core", "detail", "io", TENSOR, NN},
    "pipeline": {"scenario/scenario.hpp", "concepts", "core", "detail", "metric", "io", TENSOR, NN},
    "scenario": {"concepts", "core", "detail", "io", "score", "granularity", "attack", "color", "model", "data",
                 "pipeline", TENSOR, NN},
}
for family in ("score", "granularity", "attack", "color"):  # families meet only through a concept
    ALLOWED[family] = {"concepts", "core", "detail", TENSOR}

# Stricter than their folder.
SINGLE = {"scenario/scenario.hpp": {"concepts", "core"}}
# No LibTorch at all: programs of only these start at once, and sanitizers run on them.
LIGHT = {"io", "metric", "statistics", "report", "model/cfg.hpp", "core/graph.hpp", "core/channels.hpp",
         "core/compaction.hpp", "core/footprint.hpp", "core/ratio.hpp", "core/contract.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)


for folders in ALLOWED.values():  # a + b between tensors: as cheap a door
    if TENSOR in folders:
        folders.add("torch/operators.hpp")


def reaches_torch(root, header, seen):
    """Whether the header includes LibTorch, itself or through others of ours; the path to it if so."""
    if header in seen:
        return None
    seen.add(header)
    for mark, name in INCLUDE.findall((root / "include/serpette" / header).read_text()):
        if re.match(r"(ATen|c10|torch)/", name):
            return [header, name]
        if name.startswith("serpette/") and (root / "include" / name).exists():
            path = reaches_torch(root, name.removeprefix("serpette/"), seen)
            if path:
                return [header, *path]
    return None


def offences(root):
    include = root / "include/serpette"
    for path in sorted([*include.rglob("*.hpp"), *include.rglob("*.cuh")]):
        header = path.relative_to(include).as_posix()
        folder = header.split("/")[0]
        if "/" not in header:  # serpette.hpp, fwd.hpp, version.hpp
            continue
        if folder not in ALLOWED:
            yield f"{header}: folder '{folder}' is not in the table of tests/scripts/check_layers.py"
            continue
        allowed = SINGLE.get(header, ALLOWED[folder] | {folder})
        for mark, name in INCLUDE.findall(path.read_text()):
            if name.startswith("serpette/"):
                target = name.removeprefix("serpette/")
                if not (include / target).exists():
                    yield f"{header}: includes {name}, which does not exist"
                elif target not in allowed and target.split("/")[0] not in allowed:
                    yield f"{header}: should not include {name}; '{folder}' may include {', '.join(sorted(allowed))}"
            elif name.startswith("torch/") and folder != "torch" and NN not in allowed:
                yield f"{header}: should not include {name}; torch/ is opened by serpette/torch/nn.hpp alone"
        if folder in LIGHT or header in LIGHT:
            chain = reaches_torch(root, header, set())
            if chain:
                yield f"{header}: should need no LibTorch, got {' → '.join(chain)}"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    found = list(offences(root))
    print("\n".join(found) or "layers: every include stands in the table")
    sys.exit(bool(found))
