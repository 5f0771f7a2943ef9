"""The recipe for Conan 2: headers, and the sources of serpette::app and serpette::runtime, which a program compiles that
links them. LibTorch is no requirement of it: CMake finds the one that is installed (docs/guides/install.md).

The requirements are those of cmake/SerpetteDependencies.cmake; tests/scripts/check_packages.py holds them together.
"""

import re
from pathlib import Path

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import load

required_conan_version = ">=2.0"


class SerpetteConan(ConanFile):
    name = "serpette"
    description = "Pruning adversarially robust object detectors"
    license = "MIT"
    topics = ("pruning", "object-detection", "adversarial-robustness", "libtorch", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"tests": [True, False], "benchmarks": [True, False]}  # what a build of the sources needs besides
    default_options = {"tests": False, "benchmarks": False, "fmt/*:header_only": True, "boost/*:header_only": True}
    exports_sources = "CMakeLists.txt", "LICENSE", "cmake/*", "examples/*", "include/*", "share/demo/*", "src/*"
    no_copy_source = True

    def set_version(self):
        header = load(self, Path(self.recipe_folder) / "include/serpette/version.hpp")
        self.version = ".".join(re.findall(r"define SERPETTE_VERSION_[A-Z]+ (\d+)", header))

    def requirements(self):
        self.requires("boost/[>=1.74 <2]")
        self.requires("cli11/[>=2.1 <3]")
        self.requires("fmt/[>=8 <13]")
        self.requires("highway/[>=1.0 <2]")
        self.requires("libjpeg-turbo/[>=2 <4]")
        self.requires("libpng/[>=1.6 <2]")
        self.requires("libwebp/[>=1.2 <2]")
        self.requires("nlohmann_json/[>=3.9 <4]")
        self.requires("pugixml/[>=1.11 <2]")
        self.requires("range-v3/[>=0.12 <1]")
        self.requires("simdjson/[>=3 <5]")
        self.requires("yaml-cpp/[>=0.6 <1]")
        if self.options.tests:
            self.requires("catch2/[>=3.3 <4]")
        if self.options.benchmarks:
            self.requires("benchmark/[>=1.6 <2]")

    def validate(self):
        check_min_cppstd(self, 20)
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration(f"serpette is for Linux, got {self.settings.os}")

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["SERPETTE_BUILD_TESTS"] = bool(self.options.tests)
        toolchain.cache_variables["SERPETTE_BUILD_BENCHMARKS"] = bool(self.options.benchmarks)
        toolchain.generate()
        CMakeDeps(self).generate()

    def package(self):
        cmake = CMake(self)
        cmake.configure(variables={"SERPETTE_INSTALL_ONLY": True, "CMAKE_INSTALL_DOCDIR": "licenses"})
        cmake.install()

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")  # serpette-config.cmake is its own
        self.cpp_info.builddirs = ["share/cmake/serpette"]
        self.cpp_info.bindirs, self.cpp_info.libdirs = [], []
