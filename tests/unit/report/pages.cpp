// What pages of docs/ show of studies, reports and statistics, as they show it: cut from here, and
// run.

// [report_includes]
#include <serpette/study/cells.hpp>
#include <serpette_report/report.hpp>
// [report_includes]

#include <filesystem>

#include "serpette/io/atomic_file.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/pairwise.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

namespace fs = std::filesystem;

TEST_CASE("pages on studies and reports show what runs", "[report][pages]") {
  const serpette::test::Scratch folder;
  const auto before = fs::current_path();
  fs::current_path(folder.path());
  serpette::write_file("cells.csv", serpette::cells_csv(serpette::test::some_cells()));
  // [report]
  serpette::write_report(serpette::read_cells("cells.csv"), "out/report", {.place = "cells.csv"});
  // [report]
  CHECK(fs::exists("out/report/index.html"));
  // [cells]
  for (const auto& cell : serpette::read_cells("cells.csv"))
    if (cell.profile == "standard")
      fmt::print("{} {} % {:.3f}\n", cell.scenario, cell.ratio, cell.robust_ap50);
  // [cells]
  fs::current_path(before);
}

TEST_CASE("the page on statistics shows what runs", "[report][pages]") {
  // [statistics]
  const serpette::Groups groups{{0.41, 0.40, 0.42}, {0.38, 0.37, 0.39}};
  const auto test = serpette::welch_anova(groups);    // test.p
  const auto pairs = serpette::games_howell(groups);  // pairs[0].low, .high, .p
  const auto draws = serpette::Resamples::draw(3, 3, 2000, 7);
  const auto [low, high] =
      serpette::bootstrap_interval(groups[0], groups[1], serpette::hedges_g, draws);
  // [statistics]
  CHECK(test.p < 0.05);
  CHECK(pairs.size() == 1);
  CHECK(low < high);
}
