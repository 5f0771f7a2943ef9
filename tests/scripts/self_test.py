"""The checks of this folder, checked: each must pass a sound tree and name the fault in an unsound one."""

import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "benchmarks/peers"))
import compare  # noqa: E402


class Checks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("include/serpette/core/box.hpp", "#pragma once\n")
        self.write("include/serpette/score/random.hpp", '#include "serpette/core/box.hpp"\n')
        self.write("include/serpette/serpette.hpp", "")
        self.run_check("check_umbrella.py", "--write")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_check(self, script, *options):
        done = subprocess.run([sys.executable, HERE / script, self.root, *options], capture_output=True, text=True)
        return done.returncode, done.stdout

    def expect(self, script, status, *words):
        code, output = self.run_check(script)
        self.assertEqual(code, status, output)
        for word in words:
            self.assertIn(word, output)

    def test_engines_are_given_the_network_that_our_plan_has_today(self):
        folder, made = self.root / "models/net-none", self.root / "models/net-none.new"
        saved = {"network.cfg": "[net]", "network.weights": "1", "heads.f32": "1", "choices.txt": "conv_0 direct"}

        def save(**changed):
            for name, text in {**saved, **changed}.items():
                self.write(f"models/net-none.new/{name}", text)

        save()
        self.assertFalse(compare.keep(made, folder))
        (folder / "network.onnx").write_text("of 1")
        save(**{"heads.f32": "1.1"})  # of a newer plan
        self.assertTrue(compare.keep(made, folder))
        self.assertEqual((folder / "heads.f32").read_text(), "1.1")
        self.assertEqual((folder / "network.onnx").read_text(), "of 1")
        save(**{"network.weights": "2"})  # of another network of that name
        self.assertFalse(compare.keep(made, folder))
        self.assertFalse((folder / "network.onnx").exists())
        self.assertEqual((folder / "network.weights").read_text(), "2")
        self.assertFalse(made.exists())

    def test_engines_that_do_not_start_or_die_are_left_out(self):
        none = compare.Peer("none", [self.root / "no/python"], {})
        self.assertFalse(none.ready)
        none.quit()
        mortal = compare.Peer("mortal", [sys.executable, "-c", "print('READY', flush=True); input(); print(2.5)"], {})
        self.assertTrue(mortal.ready)
        self.assertEqual((mortal.ask(), mortal.ready), (2.5, True))
        self.assertEqual((mortal.ask(), mortal.ready), (None, False))
        self.assertTrue(math.isnan(mortal.ask_awake()))
        self.assertEqual(mortal.burst(), [])
        mortal.quit()
        counts = "print('READY', flush=True)\nfor i, _ in enumerate(iter(input, 'quit')): print(i, flush=True)"
        alive = compare.Peer("alive", [sys.executable, "-c", counts], {})
        first = alive.burst()
        self.assertEqual(first, list(range(len(first))))
        self.assertGreater(alive.ask_awake(), len(first))
        self.assertEqual((alive.ready, alive.times), (True, []))
        alive.quit()

    def test_sound_tree(self):
        for script in ("check_layers.py", "check_umbrella.py", "check_paths.py", "report_lengths.py", "check_snippets.py"):
            self.expect(script, 0)

    def test_the_quick_reference_has_every_word_and_no_other_option(self):
        self.write("include/serpette/scenario/catalogue.hpp", 'CatalogueEntry{"structured_hydra", "Structured HYDRA"}\n')
        self.write("include/serpette/attack/registry.hpp", '/// Entry<Mine>{"mine"}\nEntry<Pgd>{"pgd"}\n')
        self.write("include/serpette/score/registry.hpp", 'Entry<Taylor>{"taylor"}\n')
        self.write("include/serpette/method/budgets.hpp", '{{"smoke",\n')
        self.write("programs/detect.cpp", 'app.add_option("--draw", o.draw);\n')
        self.write("docs/reference/settings.md", "")
        self.write("docs/reference/quick.md", "`structured_hydra` `pgd` `taylor` `smoke` `detect --draw 3`\n")
        self.expect("check_quick.py", 0)
        self.write("docs/reference/quick.md", "`structured_hydra` `taylor` `smoke` `detect --drow 3`\n")
        self.expect("check_quick.py", 1, "should have the attack `pgd`", "shows --drow, which no program has")

    def test_families_do_not_meet(self):
        self.write("include/serpette/attack/pgd.hpp", '#include "serpette/score/random.hpp"\n')
        self.expect("check_layers.py", 1, "attack/pgd.hpp: should not include serpette/score/random.hpp")

    def test_light_headers_reach_no_libtorch(self):
        self.write("include/serpette/torch/tensor.hpp", "#include <ATen/core/Tensor.h>\n")
        self.write("include/serpette/core/box.hpp", '#include "serpette/torch/tensor.hpp"\n')
        self.write("include/serpette/metric/iou.hpp", '#include "serpette/core/box.hpp"\n')
        self.expect("check_layers.py", 1, "metric/iou.hpp: should need no LibTorch", "core/box.hpp")

    def test_only_the_doors_open_libtorch(self):
        self.write("include/serpette/score/random.hpp", "#include <torch/torch.h>\n")
        self.expect("check_layers.py", 1, "score/random.hpp: should not include torch/torch.h")

    def test_unknown_folder_and_missing_header(self):
        self.write("include/serpette/misc/a.hpp", "")
        self.write("include/serpette/core/b.hpp", '#include "serpette/core/gone.hpp"\n')
        self.expect("check_layers.py", 1, "folder 'misc'", "core/gone.hpp, which does not exist")

    def test_umbrella_lacks_a_header(self):
        self.write("include/serpette/score/new.hpp", "")
        self.expect("check_umbrella.py", 1, 'lacks #include "serpette/score/new.hpp"')

    def test_umbrella_leaves_out_internals(self):
        self.write("include/serpette/score/new.hpp", "#pragma once\n\n/// @internal Of another.\n")
        self.write("include/serpette/score/detail/newer.hpp", "")
        self.write("include/serpette/app/newest.hpp", "")
        self.expect("check_umbrella.py", 0)

    def test_umbrella_names_a_header_that_went(self):
        (self.root / "include/serpette/score/random.hpp").unlink()
        self.expect("check_umbrella.py", 1, "should not have")

    def test_machine_paths(self):
        self.write("docs/a.md", "see /home/someone/notes\n")
        self.write("docs/b.md", "fetch from pypi.org\n")
        self.write("docs/c.md", "see ~/work/notes, $HOME/work/x and build/root/x\n")
        self.expect("check_paths.py", 1, "docs/a.md:1", "docs/b.md:1")
        self.assertNotIn("docs/c.md", self.run_check("check_paths.py")[1])

    def test_names_of_programs(self):
        self.write("programs/export_network.cpp", "")
        self.expect("check_program_names.py", 0)
        self.write("programs/export.cpp", "")
        self.write("programs/split.cpp", "")
        self.write("include/serpette/scenario/registry.hpp", 'shipped<Mine>(\n    "test")')
        self.expect("check_program_names.py", 1, "export.cpp: program `export`", "program `split`", "registry.hpp: program `test`")

    def test_a_header_of_700_lines(self):
        self.write("include/serpette/score/long.hpp", "//\n" * 700)
        self.expect("report_lengths.py", 1, "700 include/serpette/score/long.hpp")

    def test_snippets(self):
        page = "<!-- snippet: examples/a.cpp [part] -->\n```cpp\nint a;\n```\n"
        self.write("docs/a.md", page)
        self.write("examples/a.cpp", "int b;\n// [part]\nint a;\n// [part]\n")
        self.expect("check_snippets.py", 0)
        self.write("examples/a.cpp", "// [part]\nint c;\n// [part]\n")
        self.expect("check_snippets.py", 1, "docs/a.md: differs from examples/a.cpp [part]")
        self.run_check("check_snippets.py", "--write")
        self.expect("check_snippets.py", 0)
        self.write("examples/a.cpp", "int c;\n")
        self.expect("check_snippets.py", 1, "there is no snippet [part]")
        self.write("docs/a.md", "Words.\n\n```cpp\nint a;\n```\n")
        self.expect("check_snippets.py", 1, "docs/a.md:3: should say which source the code is cut from")

    def test_packages_name_the_same_libraries(self):
        for name in ("cmake/SerpetteDependencies.cmake", "cmake/serpette-config.cmake.in", "cmake/setup.sh", "cmake/SerpetteInstall.cmake",
                     "cmake/FindLibTorch.cmake", "docs/guides/install.md", "include/serpette/version.hpp", "vcpkg.json", "conanfile.py"):
            self.write(name, (HERE.parents[1] / name).read_text())
        self.expect("check_packages.py", 0)

        def change(name, old, new):
            text = (self.root / name).read_text()
            self.assertIn(old, text)
            self.write(name, text.replace(old, new))

        change("docs/guides/install.md", "--no-deps torch==", "--no-deps torch==1.")
        change("vcpkg.json", '"pugixml",', '"tinyxml2",')
        change("vcpkg.json", '"version": "', '"version": "9.')
        change("conanfile.py", "fmt/[>=8 ", "fmt/[>=9 ")
        change("conanfile.py", "simdjson/", "rapidjson/")
        change("cmake/setup.sh", "libwebp-dev ", "")
        change("cmake/SerpetteInstall.cmake", "libcli11-dev", "")
        change("cmake/serpette-config.cmake.in", "find_dependency(PNG)", "")
        self.expect("check_packages.py", 1, "install.md: LibTorch should be", "vcpkg.json: should name pugixml", "vcpkg.json: names tinyxml2", "vcpkg.json: version should be",
                    "conanfile.py: fmt should be 8 or newer", "conanfile.py: should name simdjson",
                    "setup.sh: should name libwebp-dev", "SerpetteInstall.cmake: should name libcli11-dev", "config.cmake.in: should name PNG")


if __name__ == "__main__":
    unittest.main()
