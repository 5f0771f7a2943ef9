// Tables, figures and one HTML page from the cells of a study, or from the paper's own raw tables.
//
//   report --cells out/study/cells.csv --out out/report
//   report --paper --out out/paper

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "serpette/app/program.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/report.hpp"
#include "support/study_report.hpp"

namespace serpette::report_program {

namespace {

/// Where a study's pictures and detections lie, if it kept them.
std::optional<SampleSource> sample_source(const std::filesystem::path& study,
                                          std::filesystem::path images,
                                          std::filesystem::path annotations) {
  require(images.empty() == annotations.empty(), "--test-images",
          "should be given together with --test-annotations, got only one of them");
  const bool given = !images.empty();
  if (!given) {
    images = study / "scenes" / "test" / "images";
    annotations = study / "scenes" / "test" / "instances.json";
  }
  const auto cells = study / "cells";
  const bool there = std::filesystem::exists(cells) && std::filesystem::exists(annotations);
  require(there || !given,
          given && std::filesystem::exists(cells) ? annotations.string() : cells.string(),
          "should be there for --test-images, got nothing");
  if (!there) {
    if (std::filesystem::exists(cells))
      fmt::print(stderr,
                 "note: {} may hold detections; with --test-images and --test-annotations the page "
                 "shows them\n",
                 cells.string());
    return std::nullopt;
  }
  return SampleSource{.cells = cells, .images = images, .annotations = annotations};
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    CLI::App app(
        "Turns the cells of a study (cells.csv: one row per pruned network and profile) into\n"
        "  index.html    one page that opens offline: curves, trade-off, times, boxes, results, "
        "tests, "
        "verdicts in words\n"
        "  tables/       per run and p-values, as CSV, Markdown and LaTeX     figures/   as SVG "
        "and "
        "PNG\n"
        "  runs, summary, anova, tests, assumptions, omnibus, pairs, blocked, tradeoff (.csv, full "
        "precision)\n"
        "  claims.md     what the paper claims, and whether these data support it\n"
        "With --paper it does the same for the paper's raw tables and compares every printed "
        "number "
        "with them\n"
        "(agreement.csv).");
    std::string cells, out;
    bool paper = false;
    ReportOptions options;
    std::vector<std::string> pictures;
    auto* const source = app.add_option_group("source")->require_option(1);
    source->add_option("--cells", cells, "cells.csv of a study, a demo or a scenario program");
    auto* const of_paper =
        source->add_flag("--paper", paper, "The paper's own tables, which ship with serpette");
    std::filesystem::path paper_data, images, annotations;
    app.add_option("--paper-data", paper_data,
                   "Folder of runs.csv, summary.csv and anova.csv for --paper, instead of the one "
                   "that ships")
        ->needs(of_paper);
    app.add_option("--out", out, "Folder for the report; made if missing")->required();
    app.add_option(
        "--profile", options.profile,
        "Whose numbers tables and tests show: standard (confidence 0.001) or paper (0.5); "
        "default: standard if there");
    app.add_option("--title", options.page.title, "Title of the page");
    app.add_option("--picture", pictures,
                   "A PNG or JPEG for the page, e.g. a sample grid; may be repeated");
    app.add_option(
           "--test-images", images,
           "Folder of the study's test images: the page then shows what each network found on some "
           "of them; default: scenes/test/images beside the cells")
        ->excludes(of_paper);
    app.add_option("--test-annotations", annotations,
                   "Their boxes (COCO instances JSON); default: scenes/test/instances.json beside "
                   "the cells")
        ->excludes(of_paper);
    app.add_flag("--partial", options.rules.partial,
                 "Report a study of which cells are missing (groups differ in size)");
    app.footer("Example:\n  report --cells out/demo/cells.csv --out out/report");
    cli::parse(app, argc, argv);

    require_no_input(out, {paper_data});
    std::vector<CellRow> rows;
    if (paper) {
      options.paper =
          paper_data.empty() ? cli::shared_folder("paper", "runs.csv", SERPETTE_PAPER) : paper_data;
      options.place = (*options.paper / "runs.csv").string();
      rows = paper_cells(*options.paper);
      if (options.page.title == PageOptions{}.title)
        options.page.title =
            "Efficient and Adversarially Robust Object Detection: the paper's tables";
      options.page.facts = {{"Source", "the paper's Tables V–XIV, as printed"}};
    } else {
      options.place = cells;
      rows = read_cells(cells);
      const auto beside = std::filesystem::path(cells).replace_filename("evaluations.csv");
      if (std::filesystem::exists(beside)) {
        options.evaluations = read_evaluations(beside);
        options.evaluations_place = beside.string();
      }
      options.page.facts = {{"Source", cells}};
      options.samples =
          sample_source(std::filesystem::absolute(cells).parent_path(), images, annotations);
    }
    for (const auto& file : pictures)
      options.page.pictures.push_back({file, "Detections across pruning ratios"});
    const auto result = cli::write_study_report(rows, out, options);
    for (const auto& note : result.notes) fmt::print(stderr, "note: {}\n", note);
    if (result.compared > 0)
      fmt::print("{} of {} printed entries agree to within one unit of the last digit\n",
                 result.agreeing, result.compared);
    fmt::print("{}\n", result.page.string());
  });
}

}  // namespace serpette::report_program
