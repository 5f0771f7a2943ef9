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
    "core": {"version.hpp", "detail", TENSOR},
    "graph": {"core", TENSOR},
    "concepts": {"graph", "core", TENSOR},
    "io": {"graph", "core", "detail"},
    "formats": {"version.hpp", "graph", "core", "io", TENSOR},
    "metric": {"core", "detail", "io"},
    "data": {"concepts", "graph", "core", "detail", "io", TENSOR},
    "nn": {"concepts", "graph", "core", "detail", TENSOR, NN},
    "detector": {"concepts", "graph", "core", "detail", "io", "formats", "nn", TENSOR, NN},
    "distributed": {"core", "detail", TENSOR, NN},
    "deploy": {"concepts/named.hpp", "formats/darknet/cfg.hpp", "graph", "core", "detail", "io", TENSOR},
    "method": {"version.hpp", "scenario/scenario.hpp", "scenario/erased.hpp", "prune/mask.hpp", "prune/possible.hpp", "concepts", "graph", "core", "detail", "metric", "io", TENSOR, NN},
    "study": {"scenario/scenario.hpp", "scenario/catalogue.hpp", "method", "concepts", "graph", "core", "detail", "metric", "io", TENSOR, NN},
    "scenario": {"concepts", "graph", "core", "detail", "io", "score", "prune", "objective", "attack", "color", "detector",
                 "data", "deploy", "method", "study", TENSOR, NN},
}
for family in ("score", "prune", "objective", "attack", "color"):  # families meet only through a concept
    ALLOWED[family] = {"concepts", "graph", "core", "detail", TENSOR}
# The command line of scenarios stands on everything; the laws on what they are the laws of.
ALLOWED["app"] = set(ALLOWED) | {"version.hpp", TENSOR, NN}
ALLOWED["laws"] = {"concepts", "graph", "core", "prune", TENSOR}
# The library serpette_report: itself, and the tables that a study leaves.
REPORT = {"core", "detail", "io", "metric", "scenario/catalogue.hpp", "study/cells.hpp", "study/columns.hpp"}

# Otherwise than their folder.
SINGLE = {"scenario/scenario.hpp": {"concepts", "core", "objective/pgd_adversarial.hpp", "prune/chosen_allocation.hpp", "prune/per_layer.hpp", "prune/schedule.hpp"}, "scenario/catalogue.hpp": {"core"},
          "scenario/erased.hpp": {"concepts", "core", "prune/chosen_allocation.hpp", "prune/learned.hpp", "prune/mask.hpp", "prune/possible.hpp", "scenario/scenario.hpp"},
          "scenario/list.hpp": {"core", "scenario/erased.hpp"},
          "formats/torchscript/write_torchscript.hpp": {"formats", "graph", "core", NN}}
# No LibTorch at all: programs of only these start at once, and sanitizers run on them.
LIGHT = {"io", "metric", "formats/darknet/cfg.hpp", "formats/darknet/weights_file.hpp", "formats/darknet/known_mistakes.hpp",
         "formats/onnx/protobuf.hpp", "formats/onnx/model.hpp", "formats/onnx/layers.hpp", "formats/onnx/decode.hpp",
         "formats/torchscript/source.hpp",
         "graph/graph.hpp", "graph/channels.hpp", "graph/compaction.hpp", "graph/footprint.hpp", "graph/infer_shape.hpp",
         "data/letterbox_into.hpp", "detector/candidates.hpp", "deploy/execution.hpp", "deploy/our_forms.hpp", "deploy/plan_file.hpp",
         "core/ratio.hpp", "core/contract.hpp", "core/quantile.hpp", "scenario/catalogue.hpp", "study/cells.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)


for folders in ALLOWED.values():  # a + b between tensors: as cheap a door
    if TENSOR in folders:
        folders.update({"torch/operators.hpp", "torch/ops.hpp"})


def reaches_torch(root, header, seen):
    """Whether the header includes LibTorch, itself or through others of ours; the path to it if so."""
    if header in seen:
        return None
    seen.add(header)
    for mark, name in INCLUDE.findall((root / "include" / header).read_text()):
        if re.match(r"(ATen|c10|torch)/", name):
            return [header, name]
        if re.match(r"serpette(_report)?/", name) and (root / "include" / name).exists():
            path = reaches_torch(root, name, seen)
            if path:
                return [header, *path]
    return None


def offences(root):
    include = root / "include"
    for path in sorted([*include.rglob("*.hpp"), *include.rglob("*.cuh")]):
        full = path.relative_to(include).as_posix()
        library, header = full.split("/", 1)
        folder = header.split("/")[0]
        if library == "serpette_report":
            allowed = REPORT
        elif "/" not in header:  # serpette.hpp, version.hpp
            continue
        elif folder not in ALLOWED:
            yield f"{header}: folder '{folder}' is not in the table of tests/scripts/check_layers.py"
            continue
        else:
            allowed = SINGLE.get(header, ALLOWED[folder] | {folder})
        for mark, name in INCLUDE.findall(path.read_text()):
            if re.match(r"serpette(_report)?/", name):
                target = name.removeprefix("serpette/")
                if not (include / name).exists():
                    yield f"{full}: includes {name}, which does not exist"
                elif name.startswith("serpette_report/") and library == "serpette_report":
                    continue
                elif target not in allowed and target.split("/")[0] not in allowed:
                    yield f"{full}: should not include {name}; '{folder}' may include {', '.join(sorted(allowed))}"
            elif name.startswith("torch/") and folder != "torch" and NN not in allowed:
                yield f"{full}: should not include {name}; torch/ is opened by serpette/torch/nn.hpp alone"
        if library == "serpette_report" or folder in LIGHT or header in LIGHT:
            chain = reaches_torch(root, full, set())
            if chain:
                yield f"{full}: should need no LibTorch, got {' → '.join(chain)}"
    page = root / "docs/architecture.md"
    if page.exists():  # the same table for people: its first column names the folders that there are
        rows = re.findall(r"^\| (`.*?) \|", page.read_text().partition("## Who includes whom")[2].partition("\n## ")[0], re.MULTILINE)
        named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
        for folder in sorted(named ^ (set(ALLOWED) - {"torch", "detail"} | {"serpette_report"})):
            yield f"docs/architecture.md: '{folder}' should be a row of its table and a folder of include/"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    found = list(offences(root))
    print("\n".join(found) or "layers: every include stands in the table")
    sys.exit(bool(found))
