"""The same version and the same libraries everywhere: what CMake looks for (cmake/SerpetteDependencies.cmake) is what the
installed package looks for, what `./run setup` installs, what the .deb depends on, and what vcpkg.json and conanfile.py name;
and one LibTorch is pinned.

usage: check_packages.py [ROOT]     exit status 1 and one line per disagreement
"""

import json
import pathlib
import re
import sys

# CMake's name: (Debian, vcpkg, Conan). LibTorch is in none: CMake finds the one that is installed.
NAMES = {
    "Boost": ("libboost-dev", ("boost-hana", "boost-math"), "boost"),
    "CLI11": ("libcli11-dev", ("cli11",), "cli11"),
    "Catch2": (None, ("catch2",), "catch2"),  # Debian 12's is too old: setup.sh has it from elsewhere
    "JPEG": ("libjpeg-dev", ("libjpeg-turbo",), "libjpeg-turbo"),
    "PNG": ("libpng-dev", ("libpng",), "libpng"),
    "WebP": ("libwebp-dev", ("libwebp",), "libwebp"),
    "benchmark": (None, ("benchmark",), "benchmark"),
    "fmt": ("libfmt-dev", ("fmt",), "fmt"),
    "hwy": ("libhwy-dev", ("highway",), "highway"),
    "nlohmann_json": ("nlohmann-json3-dev", ("nlohmann-json",), "nlohmann_json"),
    "pugixml": ("libpugixml-dev", ("pugixml",), "pugixml"),
    "range-v3": ("librange-v3-dev", ("range-v3",), "range-v3"),
    "simdjson": ("libsimdjson-dev", ("simdjson",), "simdjson"),
    "yaml-cpp": ("libyaml-cpp-dev", ("yaml-cpp",), "yaml-cpp"),
}
FEATURES = {"app": "CLI11", "tests": "Catch2", "benchmarks": "benchmark"}  # of vcpkg.json
OPTIONAL = set(FEATURES.values())
ELSEWHERE = {"libhwy-dev"}  # installed by setup.sh apart from its list, since Ubuntu 22.04's is too old


def number(version):
    parts = [int(part) for part in version.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return parts


def differences(name, found, wanted):
    for word in sorted(wanted - found):
        yield f"{name}: should name {word}, which CMake looks for"
    for word in sorted(found - wanted):
        yield f"{name}: names {word}, which CMake does not look for"


def offences(root):
    def read(name):
        return (root / name).read_text()

    cmake = re.sub(r"#.*", "", read("cmake/SerpetteDependencies.cmake"))
    oldest = dict(re.findall(r'^\s*serpette_dependency\(([\w-]+) "?([\d.]*)"?', cmake, re.M))
    oldest |= {name: "" for name in re.findall(r"^\s*find_package\(([\w-]+)", cmake, re.M) if name != "LibTorch"}
    yield from differences("tests/scripts/check_packages.py", set(NAMES), set(oldest))
    known = set(NAMES) & set(oldest)
    always = known - OPTIONAL

    config = set(re.findall(r"find_(?:dependency|package)\(([\w-]+)", read("cmake/serpette-config.cmake.in")))
    yield from differences("cmake/serpette-config.cmake.in", config - {"LibTorch"}, always | {"CLI11"})

    debian = {NAMES[name][0] for name in known} - {None}
    setup = set(re.search(r"readonly libraries=\(([^)]*)\)", read("cmake/setup.sh"))[1].split())
    yield from differences("cmake/setup.sh", setup, debian - ELSEWHERE)
    install = read("cmake/SerpetteInstall.cmake")
    depends = re.search(r"string\(CONCAT CPACK_DEBIAN_PACKAGE_DEPENDS([^)]*)\)", install)[1]
    recommends = re.search(r'CPACK_DEBIAN_PACKAGE_RECOMMENDS "([^"]*)"', install)[1]
    yield from differences("cmake/SerpetteInstall.cmake", set(re.findall(r"[\w-]+-dev", depends + recommends)), debian)

    pinned = re.search(r"LIBTORCH_PINNED_VERSION ([\d.]+)", read("cmake/FindLibTorch.cmake"))[1]
    for name, pattern in (("cmake/setup.sh", r"libtorch_version=([\d.]+)"), ("docs/guides/install.md", r"torch==([\d.]+)")):
        for named in re.findall(pattern, read(name)):
            if named != pinned:
                yield f"{name}: LibTorch should be {pinned} as in cmake/FindLibTorch.cmake, got {named}"

    version = ".".join(re.findall(r"define SERPETTE_VERSION_[A-Z]+ (\d+)", read("include/serpette/version.hpp")))
    vcpkg = json.loads(read("vcpkg.json"))
    if vcpkg["version"] != version:
        yield f"vcpkg.json: version should be {version} as in include/serpette/version.hpp, got {vcpkg['version']}"
    ports = set(vcpkg["dependencies"])
    yield from differences("vcpkg.json", ports, {port for name in always for port in NAMES[name][1]})
    for feature, name in FEATURES.items():
        if name in known:
            yield from differences(f"vcpkg.json, feature {feature}", set(vcpkg["features"][feature]["dependencies"]),
                                   set(NAMES[name][1]))

    recipe = dict(re.findall(r'requires\("([\w.-]+)/\[>=([\d.]+)', read("conanfile.py")))
    yield from differences("conanfile.py", set(recipe), {NAMES[name][2] for name in known})
    for name in sorted(known):
        taken = recipe.get(NAMES[name][2])
        if taken and oldest[name] and number(taken) != number(oldest[name]):
            yield f"conanfile.py: {NAMES[name][2]} should be {oldest[name]} or newer as in CMake, got {taken}"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    found = list(offences(root))
    print("\n".join(found) or "packages: CMake, Debian, vcpkg and Conan name the same libraries")
    sys.exit(bool(found))
