#pragma once

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/study/cells.hpp"
#include "serpette_report/claims.hpp"
#include "serpette_report/curve_claims.hpp"
#include "serpette_report/evaluations.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/glance.hpp"
#include "serpette_report/page.hpp"
#include "serpette_report/paper_data.hpp"
#include "serpette_report/picture.hpp"
#include "serpette_report/remarks.hpp"
#include "serpette_report/report_folder.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/sections.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/study_figures.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/test_tables.hpp"
#include "serpette_report/tests.hpp"
#include "serpette_report/tradeoff.hpp"
#include "serpette_report/viewer.hpp"

namespace serpette {

/// What a report shows, and what it accepts.
struct ReportOptions {
  PageOptions page = {};
  StudyRules rules = {};
  std::string place = "cells";  ///< What error messages call the cells: the file they come from, if
                                ///< they do; it is never written over.
  std::string profile =
      {};  ///< Whose numbers tables and tests show; "" for standard where the study has it.
  bool pictures =
      true;  ///< Draw figures as PNG as well (needs rsvg-convert; skipped where it is missing).
  std::optional<std::filesystem::path> paper =
      {};  ///< Folder of the paper's printed tables to compare with.
  std::vector<EvaluationRow> evaluations =
      {};  ///< Of evaluations.csv: AP50 under other attacks and budgets; may be empty.
  std::string evaluations_place = "evaluations";  ///< As `place`.
  std::optional<SampleSource> samples =
      {};  ///< Where pictures and boxes lie, for the viewer and Fig. 3.
};

/// What was written, and what could not be.
struct ReportResult {
  std::filesystem::path page;
  std::vector<std::string> notes = {};
  std::size_t agreeing = 0, compared = 0;  ///< Of the paper's printed entries.
};

/// Writes a study's report into a folder: `index.html` (one page that opens offline), `tables/`
/// (CSV, Markdown, LaTeX), `figures/` (SVG, PNG, and their points as CSV), and `runs.csv`,
/// `summary.csv`, `anova.csv`, `tests.csv`, `assumptions.csv`, `omnibus.csv`, `pairs.csv`,
/// `blocked.csv`, `tradeoff.csv`, `glance.md`, `claims.md`; with `options.paper` also
/// `agreement.csv`. What an earlier report wrote there and this one does not is removed.
/// @throws Error  if the cells make no study (see Study), a picture cannot be read, or the folder
/// cannot be written, holds a comparison, or has an input where a file of the report is to go;
/// nothing is written then.
inline ReportResult write_report(std::span<const CellRow> cells,
                                 const std::filesystem::path& folder, ReportOptions options = {}) {
  const Study study(std::vector(cells.begin(), cells.end()), options.place, options.rules);
  const auto profile = options.profile.empty() ? study.main_profile() : options.profile;
  require(std::ranges::find(study.profiles(), profile) != study.profiles().end(), options.place,
          "should have the profile \"{}\", got {}", profile, fmt::join(study.profiles(), ", "));
  ReportResult result{.page = folder / "index.html"};
  ReportFolder out(folder);
  if (const auto missing = study.missing(); !missing.empty())
    result.notes.push_back(fmt::format(
        "{} {} missing, groups differ in size: {}{}", counted(missing.size(), "cell"),
        missing.size() == 1 ? "is" : "are", missing.front(), missing.size() > 1 ? "; …" : ""));

  const auto tests = pair_tests(study, profile);
  auto page = options.page;
  auto claims = paper_claims(study, tests);
  for (auto& claim : curve_claims(study, profile)) claims.push_back(std::move(claim));
  if (options.paper)  // what it means by structured is its own affair
    for (auto& claim : claims) claim.reading.clear();
  const auto remarks = study_remarks(study, profile, tests);
  if (study.has("retention_robust_AP50") && !options.paper)
    page.sections.push_back(detail::retention_section(study, profile));
  std::vector<TextTable> tables = all_tables(study, profile, tests);
  auto figures = report_figures(study, profile);
  if (!options.evaluations.empty()) {
    auto part =
        detail::attacks_part(options.evaluations, study, profile, options.evaluations_place);
    if (!part.section.html.empty()) page.sections.push_back(std::move(part.section));
    std::ranges::move(part.tables, std::back_inserter(tables));
    std::ranges::move(part.figures, std::back_inserter(figures));
  }
  if (!claims.empty() || !remarks.empty())
    page.sections.push_back(detail::claims_section(claims, remarks));
  if (!tests.empty()) page.sections.push_back(detail::tests_section(study, tests));
  if (options.paper) {
    const auto entries = agreement(study, profile, tests, *options.paper);
    result.compared = entries.size();
    result.agreeing =
        static_cast<std::size_t>(std::ranges::count_if(entries, &AgreementEntry::agrees));
    out.add("agreement.csv", agreement_csv(entries));
    page.sections.push_back(detail::agreement_section(entries));
  }
  Samples samples;
  if (options.samples) {
    samples = read_samples(study, *options.samples);
    if (samples.cells.empty() || samples.pictures.empty())
      result.notes.push_back(
          fmt::format("no boxes on the page: {} keeps no detections of these cells",
                      options.samples->cells.string()));
    else
      page.samples = &samples;
  }
  for (const auto& table : tables) {
    out.add("tables/" + table.name + ".csv", to_csv(table));
    out.add("tables/" + table.name + ".md", to_markdown(table));
    out.add("tables/" + table.name + ".tex", to_latex(table));
  }
  std::vector<std::string> drawn;
  const auto add_figure = [&](const std::string& name, std::string svg, std::string csv) {
    out.add("figures/" + name + ".svg", std::move(svg));
    out.add("figures/" + name + ".csv", std::move(csv));
    out.expect("figures/" + name + ".png");
    drawn.push_back(name);
  };
  for (const auto& [name, figure] : figures)
    add_figure(name, figure_svg(figure), figure_csv(figure));
  if (page.samples != nullptr)
    add_figure("fig_3", sample_figure_svg(samples, study, study.runs().front()),
               samples_csv(samples, study.runs().front()));
  out.add("runs.csv", runs_csv(study, profile));
  out.add("summary.csv", summary_csv(summary_entries(study, profile)));
  out.add("anova.csv", anova_csv(tests));
  out.add("tests.csv", tests_csv(tests));
  out.add("assumptions.csv", assumptions_csv(tests));
  out.add("omnibus.csv", omnibus_csv(study, profile));
  out.add("tradeoff.csv", tradeoff_csv(study));
  out.add("claims.csv", to_csv(detail::claims_table(claims)));
  out.add("claims.md", detail::claims_markdown(claims, remarks));
  out.add("pairs.csv", pairs_csv(study, profile));
  out.add("blocked.csv", blocked_csv(study, profile));
  out.add("glance.md", to_markdown(glance_table(study)));
  out.add("index.html", page_html(study, page));

  std::vector<std::filesystem::path> inputs{options.place, options.evaluations_place};
  for (const auto& picture : page.pictures) inputs.push_back(picture.file);
  if (options.samples) inputs.push_back(options.samples->annotations);
  if (options.paper)
    for (const auto* name : {"runs.csv", "summary.csv", "anova.csv"})
      inputs.push_back(*options.paper / name);
  out.write(inputs);
  std::string undrawn;  // why a figure is SVG only
  if (options.pictures)
    for (const auto& name : drawn)
      if (undrawn.empty()) undrawn = draw_png(folder / "figures" / (name + ".svg"));
  if (!undrawn.empty()) result.notes.push_back("figures are SVG only: " + undrawn);
  if (const auto strangers = out.finish(); !strangers.empty())
    result.notes.push_back(fmt::format(
        "{} of tables and figures {} not of this report and may be of other cells: {}{}",
        counted(strangers.size(), "file"), strangers.size() == 1 ? "is" : "are", strangers.front(),
        strangers.size() > 1 ? ", …" : ""));
  return result;
}

}  // namespace serpette
