#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "serpette_report/families.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tests.hpp"
#include "serpette_report/text_table.hpp"

namespace serpette {

namespace detail {
inline std::vector<std::string> ratio_header(const Study& study) {
  std::vector<std::string> header{"Pruning ratio"};
  for (const auto& ratio : study.ratios()) header.push_back(ratio + "%");
  return header;
}

inline std::string printed(double value, int decimals) {
  return std::isnan(value) ? "–" : fmt::format("{:.{}f}", value, decimals);
}

/// A p-value as the paper prints it; "undefined" where no test could be made.
inline std::string printed_p(double p) {
  return std::isnan(p) ? "undefined" : fmt::format("{:.2e}", p);
}
}  // namespace detail

/// Tables V–XIV: one scenario and metric, a row per run, then max, min, average and population
/// standard deviation.
inline TextTable runs_text_table(const Study& study, const std::string& profile, const Family& f,
                                 const std::string& scenario) {
  const auto number = runs_table(f.name, scenario);
  TextTable table{
      .name = number.empty() ? fmt::format("runs_{}_{}", f.metric, scenario)
                             : fmt::format("table_{}", number),
      .title = fmt::format("{}{} {}{}", number.empty() ? "" : fmt::format("Table {}: ", number),
                           scenario_label(scenario), f.name,
                           f.unit.empty() ? "" : fmt::format(" [{}]", f.unit)),
      .header = detail::ratio_header(study),
      .rows = {},
      .rule_before = study.runs().size()};
  for (const auto run : study.runs()) {
    auto& row = table.rows.emplace_back(std::vector{fmt::format("run {}", run)});
    for (const auto& ratio : study.ratios()) {
      const auto* cell = study.find(scenario, ratio, profile, run);
      row.push_back(cell == nullptr ? "–"
                                    : detail::printed(metric(f.metric).of(*cell), f.decimals));
    }
  }
  std::vector<std::vector<std::string>> ends{{"max"}, {"min"}, {"avg"}, {"std dev"}};
  for (const auto& ratio : study.ratios()) {
    const auto d = describe(study.values(scenario, ratio, profile, metric(f.metric)));
    ends[0].push_back(detail::printed(d.max, f.decimals));
    ends[1].push_back(detail::printed(d.min, f.decimals));
    ends[2].push_back(detail::printed(d.mean, f.decimals));
    ends[3].push_back(std::isnan(d.population_sd) ? "–" : fmt::format("{:.1e}", d.population_sd));
  }
  table.rows.insert(table.rows.end(), ends.begin(), ends.end());
  return table;
}

/// Tables I–IV: a row per comparison, the p-value of one-way ANOVA at each ratio.
/// @param tests  of one table and metric.
inline TextTable anova_text_table(const Study& study, std::span<const PairTest> tests,
                                  const std::string& number, const std::string& family_name) {
  TextTable table{.name = number.empty() ? fmt::format("anova_{}", family(family_name).metric)
                                         : "table_" + number,
                  .title = fmt::format("{}p-values from ANOVA tests on {}",
                                       number.empty() ? "" : "Table " + number + ": ",
                                       family_name == "time" ? "inference time" : family_name),
                  .header = detail::ratio_header(study),
                  .rows = {}};
  for (const auto& t : tests) {
    if (t.comparison.table != number || t.comparison.family != family_name) continue;
    if (table.rows.empty() || table.rows.back()[0] != t.comparison.label) {
      table.rows.push_back(std::vector<std::string>(study.ratios().size() + 1, "–"));
      table.rows.back()[0] = t.comparison.label;
    }
    const auto column = std::ranges::find(study.ratios(), t.ratio) - study.ratios().begin();
    table.rows.back()[static_cast<std::size_t>(column) + 1] = detail::printed_p(t.anova_p);
  }
  return table;
}

/// Every table of a study, I–IV before V–XIV, those the paper does not have behind them.
inline std::vector<TextTable> all_tables(const Study& study, const std::string& profile,
                                         std::span<const PairTest> tests) {
  std::vector<TextTable> tables;
  for (const auto& [number, name] : {std::pair("I", "mAP"),
                                     {"II", "time"},
                                     {"III", "mAP"},
                                     {"IV", "time"},
                                     {"", "mAP"},
                                     {"", "time"},
                                     {"", "robust mAP"}})
    if (auto table = anova_text_table(study, tests, number, name); !table.rows.empty())
      tables.push_back(std::move(table));
  for (const auto& f : families(study))
    for (const auto& scenario : study.scenarios())
      tables.push_back(runs_text_table(study, profile, f, scenario));
  return tables;
}

/// runs.csv in the columns of the paper's data, full precision.
inline std::string runs_csv(const Study& study, const std::string& profile) {
  CsvWriter csv;
  csv.row("table", "metric", "scenario", "ratio_percent", "run", "value");
  for (const auto& f : families(study))
    for (const auto& scenario : study.scenarios())
      for (const auto run : study.runs())
        for (const auto& ratio : study.ratios())
          if (const auto* cell = study.find(scenario, ratio, profile, run))
            csv.row(runs_table(f.name, scenario), f.name, scenario_label(scenario), ratio, run,
                    metric(f.metric).of(*cell));
  return std::string(csv.text());
}

/// One entry of the summaries under Tables V–XIV.
struct SummaryEntry {
  std::string table, metric, scenario, ratio,
      statistic;  ///< `scenario` as its label; max, min, avg, std dev, ….
  double value = 0;
};

/// max, min, avg and std dev (population) as the paper has them; sample std dev and the 95 %
/// interval besides.
inline std::vector<SummaryEntry> summary_entries(const Study& study, const std::string& profile) {
  std::vector<SummaryEntry> entries;
  for (const auto& f : families(study))
    for (const auto& scenario : study.scenarios())
      for (const auto& ratio : study.ratios()) {
        const auto d = describe(study.values(scenario, ratio, profile, metric(f.metric)));
        for (const auto& [statistic, value] : {std::pair("max", d.max),
                                               {"min", d.min},
                                               {"avg", d.mean},
                                               {"std dev", d.population_sd},
                                               {"sample std dev", d.sample_sd},
                                               {"95% low", d.mean - d.half_width},
                                               {"95% high", d.mean + d.half_width}})
          entries.push_back({std::string(runs_table(f.name, scenario)), std::string(f.name),
                             scenario_label(scenario), ratio, statistic, value});
      }
  return entries;
}

/// summary.csv in the columns of the paper's data, full precision.
inline std::string summary_csv(std::span<const SummaryEntry> entries) {
  CsvWriter csv;
  csv.row("table", "metric", "scenario", "ratio_percent", "statistic", "value");
  for (const auto& e : entries)
    csv.row(e.table, e.metric, e.scenario, e.ratio, e.statistic, e.value);
  return std::string(csv.text());
}

}  // namespace serpette
