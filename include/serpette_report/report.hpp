#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/io/atomic_file.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/claims.hpp"
#include "serpette_report/curve_claims.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/page.hpp"
#include "serpette_report/paper_data.hpp"
#include "serpette_report/picture.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/tests.hpp"
#include "serpette_report/tradeoff.hpp"
#include "serpette_report/viewer.hpp"

namespace serpette {

/// What a report shows, and what it accepts.
struct ReportOptions {
  PageOptions page = {};
  StudyRules rules = {};
  std::string place =
      "cells";  ///< What error messages call the cells, e.g. the file they come from.
  std::string profile =
      {};  ///< Whose numbers tables and tests show; "" for standard where the study has it.
  bool pictures =
      true;  ///< Draw figures as PNG as well (needs rsvg-convert; skipped where it is missing).
  std::optional<std::filesystem::path> paper =
      {};  ///< Folder of the paper's printed tables to compare with.
  std::optional<SampleSource> samples =
      {};  ///< Where pictures and boxes lie, for the viewer and Fig. 3.
};

/// What was written, and what could not be.
struct ReportResult {
  std::filesystem::path page;
  std::vector<std::string> notes = {};
  std::size_t agreeing = 0, compared = 0;  ///< Of the paper's printed entries.
};

/// A curve per scenario: mean dots over the ratio, bars of one (population) standard deviation.
inline Figure ratio_figure(const Study& study, std::string title,
                           std::span<const std::string> scenarios, const std::string& profile,
                           const Metric& m) {
  Figure figure{std::move(title),
                "Pruning ratio [%]",
                std::string(m.label) + (m.unit.empty() ? "" : fmt::format(" [{}]", m.unit)),
                {}};
  for (const auto& scenario : scenarios) {
    const auto index = static_cast<std::size_t>(std::ranges::find(study.scenarios(), scenario) -
                                                study.scenarios().begin());
    Series series{scenario_label(scenario), series_style(index), {}, {}, {}};
    for (const auto& ratio : study.ratios()) {
      const auto d = describe(study.values(scenario, ratio, profile, m));
      series.x.push_back(100 * Ratio::parse(ratio).fraction());
      series.mean.push_back(d.mean);
      series.spread.push_back(d.population_sd);
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

namespace detail {

/// The paper's Fig. 1 and 2 as far as the study has their scenarios, then every metric with all
/// scenarios.
inline std::vector<std::pair<std::string, Figure>> report_figures(const Study& study,
                                                                  const std::string& profile) {
  std::vector<std::pair<std::string, Figure>> figures;
  const auto add = [&](const std::string& file, const std::string& title,
                       std::vector<std::string> wanted, std::string_view id) {
    std::erase_if(wanted, [&](const auto& s) {
      return std::ranges::find(study.scenarios(), s) == study.scenarios().end();
    });
    if (wanted.size() >= 2 && study.has(id))
      figures.emplace_back(file, ratio_figure(study, title, wanted, profile, metric(id)));
  };
  const std::vector<std::string> four{"unstructured_deeplift", "unstructured_hydra",
                                      "structured_deeplift", "structured_hydra"};
  const std::vector<std::string> colors{"unstructured_deeplift", "unstructured_deeplift_greyscale"};
  add("fig_1a", "Fig. 1a: mAP, DeepLIFT versus HYDRA", four, "AP50");
  add("fig_1b", "Fig. 1b: inference time, DeepLIFT versus HYDRA", four, "ms_total");
  add("fig_2a", "Fig. 2a: mAP, colour versus greyscale", colors, "AP50");
  add("fig_2b", "Fig. 2b: inference time, colour versus greyscale", colors, "ms_total");
  for (const auto& m : study.metrics())
    figures.emplace_back(std::string(m.id),
                         ratio_figure(study, std::string(m.label), study.scenarios(), profile, m));
  return figures;
}

inline std::string html_list(std::span<const std::string> lines) {
  std::string html = "<ul>";
  for (const auto& line : lines) html += "<li>" + escape_xml(line) + "</li>";
  return html + "</ul>";
}

inline PageSection claims_section(std::span<const Claim> claims,
                                  std::span<const std::string> remarks) {
  PageSection section{"claims", "What the numbers say", {}};
  if (!claims.empty()) {
    section.html =
        "<p class=\"soft\">The paper's claims under this study's own data: Welch's test at each "
        "ratio with Holm's correction within each family, 5 %; claims about whole curves by "
        "resampling runs.</p><div "
        "class=\"scroll\"><table class=\"claims\"><thead><tr><th>Claim</th>"
        "<th class=\"words\">Verdict</th><th class=\"words\">Ratios</th></tr></thead><tbody>";
    for (const auto& c : claims)
      section.html += fmt::format(
          "<tr><td class=\"words\">{}</td><td class=\"words\"><b>{}</b></td><td "
          "class=\"words\">{}</td></tr>",
          escape_xml(c.text), c.verdict, escape_xml(c.reason));
    section.html += "</tbody></table></div>";
  }
  section.html += html_list(remarks);
  return section;
}

inline TextTable claims_table(std::span<const Claim> claims) {
  TextTable table{.name = {}, .title = {}, .header = {"Claim", "Verdict", "Ratios"}, .rows = {}};
  for (const auto& c : claims) table.rows.push_back({c.text, c.verdict, c.reason});
  return table;
}

/// The same for readers of text.
inline std::string claims_markdown(std::span<const Claim> claims,
                                   std::span<const std::string> remarks) {
  auto text = claims.empty() ? std::string() : to_markdown(claims_table(claims)) + "\n";
  for (const auto& remark : remarks) text += "- " + remark + "\n";
  return text;
}

inline PageSection tests_section(const Study& study, std::span<const PairTest> tests) {
  PageSection section{
      "tests", "Tests",
      "<p class=\"soft\">p-values of one-way ANOVA (the paper's test); bold: below 5 % in "
      "Welch's test after Holm's correction. Hedges' g with its bootstrap interval in "
      "small print. More: tests.csv (Welch, Kruskal-Wallis, Holm, effect sizes), assumptions.csv, "
      "omnibus.csv and pairs.csv (all scenarios at once; Tukey-Kramer, Games-Howell), blocked.csv "
      "(scenario × ratio, runs as blocks).</p>"};
  std::string family_name, table;
  bool open = false;
  std::string label;
  std::size_t column = 0;
  const auto skip_to = [&](const std::string& ratio) {  // ratios without a test
    for (; column < study.ratios().size() && study.ratios()[column] != ratio; ++column)
      section.html += "<td>–</td>";
  };
  for (const auto& t : tests) {
    if (!open || t.comparison.family != family_name || t.comparison.table != table) {
      if (open) {
        skip_to("");
        section.html += "</tr></tbody></table></div>";
      }
      family_name = t.comparison.family, table = t.comparison.table, label.clear(), open = true;
      section.html += fmt::format(
          "<h3>{}{}</h3><div class=\"scroll\"><table "
          "class=\"tests\"><thead><tr><th>Comparison</th>",
          table.empty() ? "" : "Table " + table + ": ",
          escape_xml(family_name == "time" ? "inference time" : family_name));
      for (const auto& ratio : study.ratios()) section.html += fmt::format("<th>{} %</th>", ratio);
      section.html += "</tr></thead><tbody>";
    }
    if (t.comparison.label != label) {
      if (!label.empty()) skip_to("");
      column = 0;
      section.html += fmt::format("{}<tr><td>{}</td>", label.empty() ? "" : "</tr>",
                                  escape_xml(t.comparison.label));
      label = t.comparison.label;
    }
    const auto p = printed_p(t.anova_p);
    skip_to(t.ratio);
    ++column;
    section.html +=
        fmt::format("<td>{}<br><small>{}</small></td>", t.significant() ? "<b>" + p + "</b>" : p,
                    std::isfinite(t.hedges_g)
                        ? fmt::format("{:.1f}<br>[{:.1f}, {:.1f}]", t.hedges_g, t.g_low, t.g_high)
                        : "no variance");
  }
  if (open) {
    skip_to("");
    section.html += "</tr></tbody></table></div>";
  }
  return section;
}

inline PageSection agreement_section(std::span<const AgreementEntry> entries) {
  const auto count = [&](auto&& which) { return std::ranges::count_if(entries, which); };
  const auto is_p = [](const auto& e) { return e.statistic == "p"; };
  const auto p = count(is_p),
             p_agrees = count([&](const auto& e) { return is_p(e) && e.agrees(); });
  const auto rest = std::ssize(entries) - p,
             rest_agrees = count([](const auto& e) { return e.agrees(); }) - p_agrees;
  PageSection section{"agreement", "Agreement with the print",
                      fmt::format("<p>{} of {} p-values (Tables I–IV) and {} of {} summary entries "
                                  "(under Tables V–XIV) follow from "
                                  "the raw runs to within one unit of the last printed digit.</p>",
                                  p_agrees, p, rest_agrees, rest)};
  TextTable table{.name = {},
                  .title = {},
                  .header = {"Table", "entries", "within one unit", "as rounded", "as truncated"},
                  .rows = {}};
  std::vector<std::string> numbers;
  for (const auto& e : entries)
    if (std::ranges::find(numbers, e.table) == numbers.end()) numbers.push_back(e.table);
  for (const auto& number : numbers) {
    const auto of = [&](auto&& which) {
      return fmt::to_string(count([&](const auto& e) { return e.table == number && which(e); }));
    };
    table.rows.push_back(
        {number, of([](const auto&) { return true; }), of([](const auto& e) { return e.agrees(); }),
         of([](const auto& e) { return e.reading().find("rounded") == 0; }), of([](const auto& e) {
           return e.reading().find("truncated") != std::string_view::npos;
         })});
  }
  section.html += to_html(table);
  TextTable all{
      .name = {},
      .title = {},
      .header = {"Table", "Entry", "Ratio", "Statistic", "Printed", "Computed", "Units off"},
      .rows = {}};
  for (const auto& e : entries)
    all.rows.push_back({e.table, e.entry, e.ratio + " %", e.statistic, e.printed,
                        fmt::format("{:.6g}", e.computed),
                        fmt::format("{:+.2f}{}", e.units, e.agrees() ? "" : " !")});
  section.html += fmt::format("<details><summary>Entry by entry ({})</summary>{}</details>",
                              entries.size(), to_html(all));
  return section;
}

}  // namespace detail

/// Writes a study's report into a folder: `index.html` (one page that opens offline), `tables/`
/// (CSV, Markdown, LaTeX), `figures/` (SVG, PNG, and their points as CSV), and `runs.csv`,
/// `summary.csv`, `anova.csv`, `tests.csv`, `assumptions.csv`, `omnibus.csv`, `pairs.csv`,
/// `blocked.csv`, `tradeoff.csv`, `claims.md`; with `options.paper` also `agreement.csv`.
/// @throws Error  if the cells make no study (see Study) or the folder cannot be written.
inline ReportResult write_report(std::span<const CellRow> cells,
                                 const std::filesystem::path& folder, ReportOptions options = {}) {
  const Study study(std::vector(cells.begin(), cells.end()), options.place, options.rules);
  const auto profile = options.profile.empty() ? study.main_profile() : options.profile;
  require(std::ranges::find(study.profiles(), profile) != study.profiles().end(), options.place,
          "should have the profile \"{}\", got {}", profile, fmt::join(study.profiles(), ", "));
  ReportResult result{.page = folder / "index.html"};
  if (const auto missing = study.missing(); !missing.empty())
    result.notes.push_back(fmt::format("{} cells are missing, groups differ in size: {}{}",
                                       missing.size(), missing.front(),
                                       missing.size() > 1 ? "; …" : ""));

  const auto tests = pair_tests(study, profile);
  auto page = options.page;
  auto claims = paper_claims(tests);
  for (auto& claim : curve_claims(study, profile)) claims.push_back(std::move(claim));
  const auto remarks = study_remarks(study, profile, tests);
  if (!claims.empty() || !remarks.empty())
    page.sections.push_back(detail::claims_section(claims, remarks));
  if (!tests.empty()) page.sections.push_back(detail::tests_section(study, tests));
  if (options.paper) {
    const auto entries = agreement(study, profile, tests, *options.paper);
    result.compared = entries.size();
    result.agreeing =
        static_cast<std::size_t>(std::ranges::count_if(entries, &AgreementEntry::agrees));
    write_file(folder / "agreement.csv", agreement_csv(entries));
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
  for (const auto& table : all_tables(study, profile, tests)) {
    write_file(folder / "tables" / (table.name + ".csv"), to_csv(table));
    write_file(folder / "tables" / (table.name + ".md"), to_markdown(table));
    write_file(folder / "tables" / (table.name + ".tex"), to_latex(table));
  }
  const auto figures = detail::report_figures(study, profile);
  std::string undrawn;  // why a figure is SVG only
  const auto draw = [&](const std::string& name, const std::string& svg) {
    const auto file = folder / "figures" / (name + ".svg");
    write_file(file, svg);
    std::error_code code;  // an older PNG would show other numbers
    std::filesystem::remove(folder / "figures" / (name + ".png"), code);
    if (options.pictures && undrawn.empty()) undrawn = draw_png(file);
  };
  for (const auto& [name, figure] : figures) {
    draw(name, figure_svg(figure));
    write_file(folder / "figures" / (name + ".csv"), figure_csv(figure));
  }
  if (page.samples != nullptr) {
    draw("fig_3", sample_figure_svg(samples, study, study.runs().front()));
    write_file(folder / "figures" / "fig_3.csv", samples_csv(samples, study.runs().front()));
  }
  if (!undrawn.empty()) result.notes.push_back("figures are SVG only: " + undrawn);
  write_file(folder / "runs.csv", runs_csv(study, profile));
  write_file(folder / "summary.csv", summary_csv(summary_entries(study, profile)));
  write_file(folder / "anova.csv", anova_csv(tests));
  write_file(folder / "tests.csv", tests_csv(tests));
  write_file(folder / "assumptions.csv", assumptions_csv(tests));
  write_file(folder / "omnibus.csv", omnibus_csv(study, profile));
  write_file(folder / "tradeoff.csv", tradeoff_csv(study));
  write_file(folder / "claims.csv", to_csv(detail::claims_table(claims)));
  write_file(folder / "claims.md", detail::claims_markdown(claims, remarks));
  write_file(folder / "pairs.csv", pairs_csv(study, profile));
  write_file(folder / "blocked.csv", blocked_csv(study, profile));
  write_file(result.page, page_html(study, page));
  return result;
}

}  // namespace serpette
