// Tables, figures and one HTML page from the cells of a study.
//
//   report --cells out/study/cells.csv --out out/report

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "serpette/report/read_cells.hpp"
#include "serpette/report/report.hpp"

int main(int argc, char** argv) {
  CLI::App app(
      "Turns the cells of a study (cells.csv: one row per pruned network and profile) into index.html, one page that\n"
      "opens offline, and the tables and figures beside it.");
  std::string cells, out;
  serpette::ReportOptions options;
  std::vector<std::string> pictures;
  app.add_option("--cells", cells, "cells.csv of a study, a demo or a scenario program")->required();
  app.add_option("--out", out, "Folder for the report; made if missing")->required();
  app.add_option("--title", options.page.title, "Title of the page")->capture_default_str();
  app.add_option("--picture", pictures, "A PNG or JPEG for the page, e.g. a sample grid; may be repeated");
  app.add_flag("--partial", options.rules.partial, "Report a study of which cells are missing (groups differ in size)");
  app.footer("Example:\n  report --cells out/demo/cells.csv --out out/report");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    options.place = cells;
    options.page.facts = {{"Cells", cells}};
    for (const auto& file : pictures) options.page.pictures.push_back({file, "Detections across pruning ratios"});
    fmt::print("{}\n", serpette::write_report(serpette::read_cells(cells), out, options).string());
  } catch (const std::exception& error) {
    fmt::print(stderr, "report: {}\n", error.what());
    return 2;
  }
}
