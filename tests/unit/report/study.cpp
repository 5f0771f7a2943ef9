#include "serpette_report/study.hpp"

#include "serpette/io/atomic_file.hpp"
#include "serpette/study/cells.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

#include <cmath>

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using test::some_cells;

TEST_CASE("cells read back as they were written", "[report][read_cells]") {
  const test::Scratch folder;
  const auto cells = some_cells();
  write_file(folder / "cells.csv", cells_csv(cells));
  CHECK(cells_csv(read_cells(folder / "cells.csv")) == cells_csv(cells));
}

TEST_CASE("a cells file of another version or with a broken field is refused with its line",
          "[report][read_cells]") {
  const test::Scratch folder;
  auto text = cells_csv(some_cells());
  const auto refused = [&](const std::string& bad, const std::string& why) {
    write_file(folder / "cells.csv", bad);
    CHECK_THROWS_WITH(read_cells(folder / "cells.csv"),
                      ContainsSubstring("cells.csv:") && ContainsSubstring(why));
  };
  auto older = text;
  older.replace(older.find("robust_AP50"), 11, "robust_mAP5");
  refused(older, "\"robust_AP50\" is missing");
  refused(text + "a,b,c\n", "should have 27 fields");
  auto broken = text;
  broken.replace(broken.find(",50,101,"), 8, ",150,101,");
  refused(broken, "percentage in [0, 100)");
  for (const auto* huge : {"1e101", "-1e308"}) {
    auto cells = some_cells();
    cells[1].ms_total = std::stod(huge);
    refused(cells_csv(cells), std::string("cells.csv:3: ms_total should be at most 1e+100 in "
                                          "magnitude, got ") +
                                  fmt::format("{}", cells[1].ms_total));
  }
  auto most = some_cells();
  most[1].ms_total = 1e100;
  write_file(folder / "cells.csv", cells_csv(most));
  CHECK(read_cells(folder / "cells.csv")[1].ms_total == 1e100);
}

TEST_CASE("a study knows its scenarios in the paper's order, ratios ascending, values by run",
          "[report][study]") {
  auto cells = some_cells();
  std::ranges::reverse(cells);
  const Study study(cells);
  CHECK(study.scenarios() == std::vector<std::string>{"unstructured_deeplift", "structured_hydra"});
  CHECK(study.ratios() == std::vector<std::string>{"0", "50", "90"});
  CHECK(study.profiles() == std::vector<std::string>{"standard", "paper"});
  CHECK(study.networks() == 18);
  const auto values = study.values("structured_hydra", "50", "paper", metric("AP50"));
  REQUIRE(values.size() == 3);
  CHECK(values[0] == Catch::Approx(0.36));
  CHECK(values[2] == Catch::Approx(0.38));
  CHECK(scenario_label("structured_deeplift_greyscale") == "Structured DeepLIFT Greyscale");
}

TEST_CASE("cells that make no study are refused in words", "[report][study]") {
  const auto refused = [](auto change, const std::string& why) {
    auto cells = some_cells();
    change(cells);
    CHECK_THROWS_WITH(Study(cells, "cells.csv"),
                      ContainsSubstring("cells.csv: ") && ContainsSubstring(why));
  };
  refused([](auto& c) { c.clear(); }, "at least one cell");
  refused([](auto& c) { c.push_back(c[3]); }, "twice");
  refused([](auto& c) { c[3].scenario = "a/b"; }, "letters, digits");
  refused([](auto& c) { c[4].attack = "FGSM"; }, "should share one configuration");
  refused([](auto& c) { c[4].seed = 7; }, "two studies in one file?");
  refused([](auto& c) { c[6].parameters = 7; }, "should be one network, got 2000 parameters");
  refused([](auto& c) { c[4].ap50 = std::nan(""); },
          "AP50 should be a fraction in [0, 1], got nan");
  refused([](auto& c) { c[4].ap = 41; }, "AP should be a fraction");
  refused([](auto& c) { c.erase(c.begin() + 2, c.begin() + 7); }, "31 cells of 36; missing: ");
  auto cells = some_cells();
  cells.pop_back();
  CHECK(Study(cells, "cells.csv", {.partial = true}).missing().size() == 1);
}
