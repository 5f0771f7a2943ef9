#pragma once

#include <fmt/format.h>
#include <range/v3/view/enumerate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette_report/claims.hpp"
#include "serpette_report/evaluations.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/page.hpp"
#include "serpette_report/paper_data.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/tests.hpp"
#include "serpette_report/text_table.hpp"

/// @file
/// The page's sections behind the charts: what is kept beside the paper, claims, tests, agreement
/// with the print.

namespace serpette::detail {

inline PageSection retention_section(const Study& study, const std::string& profile) {
  return {"kept", "What is kept, beside the paper",
          "<p class=\"soft\">AP50 under attack, as a part of the same scenario's unpruned: so can "
          "studies of different networks and data stand beside each other. The paper's structured "
          "scenarios stand below filters and kernels alike.</p>" +
              to_html(paper_retention_table(study, profile))};
}

/// What evaluations.csv adds to a report.
struct AttacksPart {
  PageSection section{"attacks", "Other attacks, other strengths", {}};
  std::vector<TextTable> tables = {};
  std::vector<std::pair<std::string, Figure>> figures = {};
};

inline std::string html_list(std::span<const std::string> lines) {
  std::string html = "<ul>";
  for (const auto& line : lines) html += "<li>" + escape_xml(line) + "</li>";
  return html + "</ul>";
}

/// Claims as a table; a column that says nothing of this study is left out.
inline TextTable claims_table(std::span<const Claim> claims) {
  const bool readings =
      std::ranges::any_of(claims, [](const auto& c) { return !c.reading.empty(); });
  TextTable table{.name = "claims", .title = {}, .header = {"What the paper says"}, .rows = {}};
  if (readings) table.header.emplace_back("Structured means");
  for (const auto* const word : {"Measured by", "Verdict", "Why"}) table.header.emplace_back(word);
  for (const auto& c : claims) {
    auto& row = table.rows.emplace_back(std::vector{c.text});
    if (readings) row.push_back(c.reading.empty() ? "–" : "whole " + c.reading);
    row.insert(row.end(), {c.measure, c.verdict, c.reason});
  }
  return table;
}

inline PageSection claims_section(std::span<const Claim> claims,
                                  std::span<const std::string> remarks) {
  PageSection section{"claims", "What the paper says, and these data", {}};
  if (!claims.empty())
    section.html =
        "<p class=\"soft\">Each sentence of the paper under this study's own data. Differences are "
        "looked for at each ratio by Welch's test, corrected by Holm's method for the number of "
        "tests in its table (5 %); sentences about whole curves are judged by resampling the "
        "runs.</p>" +
        to_html(claims_table(claims), "claims");
  section.html += html_list(remarks);
  return section;
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
      "tests", "Which scenarios differ",
      "<p class=\"soft\">Could a difference be chance? p-values of one-way ANOVA (the paper's "
      "test); bold: found, by Welch's test after Holm's correction at 5 %. In small print how "
      "large "
      "the difference is in standard deviations (Hedges' g), with its bootstrap interval. More: "
      "tests.csv (Welch, Kruskal-Wallis, Holm, effect sizes), assumptions.csv, "
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
          table_words(table), escape_xml(study.label(metric(family(family_name).metric))));
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

/// @param place  what errors call the rows, e.g. the file they come from.
inline AttacksPart attacks_part(const std::vector<EvaluationRow>& rows, const Study& study,
                                const std::string& profile,
                                const std::string& place = "evaluations") {
  const Evaluations evaluations(rows, study, profile, "AP50", place);
  AttacksPart part;
  std::string tables, figures;
  const auto add_table = [&](TextTable table) {
    if (table.rows.empty()) return;
    tables += fmt::format("<h3>{}</h3>", escape_xml(table.title)) + to_html(table);
    part.tables.push_back(std::move(table));
  };
  const auto add_figure = [&](std::string name, Figure figure) {
    if (figure.series.empty()) return;
    figures += "<figure>" + figure_svg(figure) + "</figure>";
    part.figures.emplace_back(std::move(name), std::move(figure));
  };
  add_table(attacks_table(evaluations));
  add_table(parts_table(Evaluations(rows, study, profile, "AP50_places", place), "attacks_places",
                        "AP50 with classes ignored: are boxes at their places?"));
  add_table(parts_table(Evaluations(rows, study, profile, "rightly_named", place), "attacks_names",
                        "Of well-placed boxes, the share with the right class"));
  add_figure("worst_attack", worst_figure(evaluations));
  for (auto&& [i, row] : ranges::views::enumerate(evaluations.attacks())) {
    auto table = budgets_table(evaluations, row.attack);
    table.name = fmt::format("budgets_{}", i + 1);
    add_table(std::move(table));
    add_figure(fmt::format("budgets_{}", i + 1), budgets_figure(evaluations, row.attack));
  }
  if (tables.empty() && figures.empty()) return part;
  const auto remarks = masking_remarks(
      evaluations, Evaluations(rows, study, "standard", "vanished_gradients", place));
  part.section.html =
      "<p class=\"soft\">A network that withstands the attack it was trained against may fall to "
      "another one, or to a stronger one. Worst: per run the lowest AP50 under any attack of the "
      "table.</p>" +
      tables + "<div class=\"figures\">" + figures + "</div>" +
      (remarks.empty() ? "<p class=\"soft\">No sign of masked gradients.</p>"
                       : "<h3>Signs of masked gradients</h3>" + html_list(remarks));
  return part;
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

}  // namespace serpette::detail
