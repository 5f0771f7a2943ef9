// Tables, figures and one HTML page from the cells of a study, or from the paper's own raw tables.
//
//   report --cells out/study/cells.csv --out out/report
//   report --paper --out out/paper

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "serpette/report/read_cells.hpp"
#include "serpette/report/report.hpp"

namespace {

/// The paper's tables that ship with serpette: share/ of the installation or of the source tree
/// this program lies in.
std::filesystem::path paper_folder() {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<fs::path> roots{fs::current_path(code)};
  for (auto at = fs::read_symlink("/proc/self/exe", code); at.has_relative_path();
       at = at.parent_path())
    roots.push_back(at.parent_path());
  for (const auto& root : roots)
    for (const auto* place : {"share/serpette/paper", "share/paper"})
      if (fs::exists(root / place / "runs.csv", code)) return root / place;
  serpette::fail("--paper",
                 "should find share/paper/runs.csv beside the program, got none; name its folder "
                 "with --paper-data");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Turns the cells of a study (cells.csv: one row per pruned network and profile) into\n"
      "  index.html    one page that opens offline: curves, trade-off, times, results, tests, "
      "verdicts in words\n"
      "  tables/       per run and p-values, as CSV, Markdown and LaTeX     figures/   as SVG and "
      "PNG\n"
      "  runs.csv, summary.csv, anova.csv, tests.csv, pairs.csv, blocked.csv   full precision\n"
      "With --paper it does the same for the paper's raw tables and compares every printed number "
      "with them\n"
      "(agreement.csv).");
  std::string cells, out;
  bool paper = false;
  serpette::ReportOptions options;
  std::vector<std::string> pictures;
  auto* const source = app.add_option_group("source")->require_option(1);
  source->add_option("--cells", cells, "cells.csv of a study, a demo or a scenario program");
  source->add_flag("--paper", paper, "The paper's own tables, which ship with serpette");
  std::filesystem::path paper_data;
  app.add_option("--paper-data", paper_data,
                 "Folder of runs.csv, summary.csv and anova.csv for --paper, if not found alone");
  app.add_option("--out", out, "Folder for the report; made if missing")->required();
  app.add_option("--profile", options.profile,
                 "Whose numbers tables and tests show: standard (confidence 0.001) or paper (0.5); "
                 "default: standard if there");
  app.add_option("--title", options.page.title, "Title of the page");
  app.add_option("--picture", pictures,
                 "A PNG or JPEG for the page, e.g. a sample grid; may be repeated");
  app.add_flag("--partial", options.rules.partial,
               "Report a study of which cells are missing (groups differ in size)");
  app.footer("Example:\n  report --cells out/demo/cells.csv --out out/report");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    std::vector<serpette::CellRow> rows;
    if (paper) {
      options.paper = paper_data.empty() ? paper_folder() : paper_data;
      options.place = (*options.paper / "runs.csv").string();
      rows = serpette::paper_cells(*options.paper);
      if (options.page.title == serpette::PageOptions{}.title)
        options.page.title =
            "Efficient and Adversarially Robust Object Detection: the paper's tables";
      options.page.facts = {{"Source", "the paper's Tables V–XIV, as printed"}};
    } else {
      options.place = cells;
      rows = serpette::read_cells(cells);
      options.page.facts = {{"Source", cells}};
    }
    for (const auto& file : pictures)
      options.page.pictures.push_back({file, "Detections across pruning ratios"});
    const auto result = serpette::write_report(rows, out, options);
    for (const auto& note : result.notes) fmt::print(stderr, "note: {}\n", note);
    if (result.compared > 0)
      fmt::print("{} of {} printed entries agree to within one unit of the last digit\n",
                 result.agreeing, result.compared);
    fmt::print("{}\n", result.page.string());
  } catch (const std::exception& error) {
    fmt::print(stderr, "report: {}\n", error.what());
    return 2;
  }
}
