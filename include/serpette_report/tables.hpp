#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette_report/families.hpp"
#include "serpette_report/paper_means.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tests.hpp"
#include "serpette_report/text_table.hpp"

namespace serpette {

namespace detail {
/// @param unit  behind each ratio; the paper's tables set none apart.
inline std::vector<std::string> ratio_header(const Study& study, std::string first,
                                             std::string_view unit = "%") {
  std::vector<std::string> header{std::move(first)};
  for (const auto& ratio : study.ratios()) header.push_back(ratio + std::string(unit));
  return header;
}

inline std::string printed(double value, int decimals) {
  return std::isnan(value) ? "–" : fmt::format("{:.{}f}", value, decimals);
}

/// A p-value as the paper prints it; "undefined" where no test could be made.
inline std::string printed_p(double p) {
  return std::isnan(p) ? "undefined" : fmt::format("{:.2e}", p);
}

/// A count short enough for a table: 1,234,567 → "1.23 M".
inline std::string short_count(double n) {
  return n >= 1e9   ? fmt::format("{:.2f} G", n / 1e9)
         : n >= 1e6 ? fmt::format("{:.2f} M", n / 1e6)
         : n >= 1e4 ? fmt::format("{:.1f} k", n / 1e3)
                    : fmt::format("{:.0f}", n);
}

/// A metric's number for readers.
inline std::string shown(double value, const Metric& m) {
  return std::isnan(value) ? "–"
         : m.decimals == 0 ? short_count(value)
                           : printed(value, m.decimals);
}

/// "Table VII: ", or "Table VII as it would be on clean images: ", …; "" without a number.
inline std::string table_words(std::string_view table) {
  if (table.empty()) return {};
  const auto number = table.substr(0, table.find(' '));
  std::string words = fmt::format("Table {}", number);
  if (table.find(" clean") != std::string_view::npos) words += " as it would be on clean images";
  if (table.find(" kernels") != std::string_view::npos) words += ", kernels for structures";
  return words + ": ";
}

/// "table_VII_clean_kernels".
inline std::string table_file(std::string_view table) {
  std::string name = "table_" + std::string(table);
  std::ranges::replace(name, ' ', '_');
  return name;
}

/// The row of the untouched network: its value at 0 %.
inline void add_original(std::vector<std::vector<std::string>>& rows, const Study& study,
                         const std::string& profile, const Metric& m, auto&& print) {
  const auto values = study.original(profile, m);
  if (values.empty() || study.ratios().front() != "0") return;
  auto& row = rows.emplace_back(study.ratios().size() + 1, "–");
  row[0] = scenario_label(kOriginal), row[1] = print(mean(values));
}
}  // namespace detail

/// Tables V–XIV: one scenario and metric, a row per run, then max, min, average and population
/// standard deviation; last the untouched network.
inline TextTable runs_text_table(const Study& study, const std::string& profile, const Family& f,
                                 const std::string& scenario) {
  const auto number = runs_table(f.name, scenario);
  const auto& m = metric(f.metric);
  TextTable table{
      .name = number.empty() ? fmt::format("runs_{}_{}", f.metric, scenario)
                             : detail::table_file(number),
      .title = fmt::format("{}{} {}{}", detail::table_words(number), scenario_label(scenario),
                           f.name, f.unit.empty() ? "" : fmt::format(" [{}]", f.unit)),
      .header = detail::ratio_header(study, "Pruning ratio"),
      .rows = {},
      .rule_before = study.runs().size()};
  for (const auto run : study.runs()) {
    auto& row = table.rows.emplace_back(std::vector{fmt::format("run {}", run)});
    for (const auto& ratio : study.ratios()) {
      const auto* cell = study.find(scenario, ratio, profile, run);
      row.push_back(cell == nullptr ? "–" : detail::printed(m.of(*cell), f.decimals));
    }
  }
  std::vector<std::vector<std::string>> ends{{"max"}, {"min"}, {"avg"}, {"std dev"}};
  for (const auto& ratio : study.ratios()) {
    const auto d = describe(study.values(scenario, ratio, profile, m));
    ends[0].push_back(detail::printed(d.max, f.decimals));
    ends[1].push_back(detail::printed(d.min, f.decimals));
    ends[2].push_back(detail::printed(d.mean, f.decimals));
    ends[3].push_back(std::isnan(d.population_sd) ? "–" : fmt::format("{:.1e}", d.population_sd));
  }
  table.rows.insert(table.rows.end(), ends.begin(), ends.end());
  detail::add_original(table.rows, study, profile, m,
                       [&](double v) { return detail::printed(v, f.decimals); });
  return table;
}

/// Tables I–IV: a row per comparison, the p-value of one-way ANOVA at each ratio.
/// @param tests  of one table and metric.
inline TextTable anova_text_table(const Study& study, std::span<const PairTest> tests,
                                  const std::string& number, const Family& f) {
  TextTable table{
      .name = number.empty() ? fmt::format("anova_{}", f.metric) : detail::table_file(number),
      .title = fmt::format("{}p-values from ANOVA tests on {}", detail::table_words(number),
                           f.name == "time" ? "inference time" : f.name),
      .header = detail::ratio_header(study, "Pruning ratio"),
      .rows = {}};
  for (const auto& t : tests) {
    if (t.comparison.table != number || t.comparison.family != f.name) continue;
    if (table.rows.empty() || table.rows.back()[0] != t.comparison.label) {
      table.rows.emplace_back(study.ratios().size() + 1, "–").front() = t.comparison.label;
    }
    const auto column = std::ranges::find(study.ratios(), t.ratio) - study.ratios().begin();
    table.rows.back()[static_cast<std::size_t>(column) + 1] = detail::printed_p(t.anova_p);
  }
  return table;
}

/// One metric at a glance: the mean over the runs, scenario by ratio, the untouched network first.
inline TextTable means_text_table(const Study& study, const std::string& profile, const Metric& m) {
  TextTable table{.name = fmt::format("means_{}", m.id),
                  .title = fmt::format("{}{}, means of {}", study.label(m),
                                       m.unit.empty() ? "" : fmt::format(" [{}]", m.unit),
                                       counted(study.runs().size(), "run")),
                  .header = detail::ratio_header(study, "Pruned", " %"),
                  .rows = {}};
  const auto print = [&](double v) { return detail::shown(v, m); };
  detail::add_original(table.rows, study, profile, m, print);
  for (const auto& scenario : study.scenarios()) {
    auto& row = table.rows.emplace_back(std::vector{scenario_label(scenario)});
    for (const auto& ratio : study.ratios())
      row.push_back(print(mean(study.values(scenario, ratio, profile, m))));
  }
  return table;
}

/// What each scenario keeps of its own AP50 under attack at 0 %, and below it what the paper's
/// keeps: structured ones are compared under both readings.
inline TextTable paper_retention_table(const Study& study, const std::string& profile) {
  const auto& m = metric("retention_robust_AP50");
  TextTable table{.name = "retention_beside_paper",
                  .title = fmt::format("{}, and of the paper's mAP", study.label(m)),
                  .header = detail::ratio_header(study, "Pruned", " %"),
                  .rows = {}};
  for (const auto& scenario : study.scenarios()) {
    auto& row = table.rows.emplace_back(std::vector{scenario_label(scenario)});
    for (const auto& ratio : study.ratios())
      row.push_back(detail::printed(mean(study.values(scenario, ratio, profile, m)), m.decimals));
    if (!paper_retention(scenario, "0")) continue;
    auto& paper = table.rows.emplace_back(std::vector<std::string>{"– the paper"});
    for (const auto& ratio : study.ratios())
      paper.push_back(detail::printed(paper_retention(scenario, ratio).value_or(NAN), m.decimals));
  }
  return table;
}

/// Every table of a study: I–IV before V–XIV, ours after the paper's behind them, then means.
inline std::vector<TextTable> all_tables(const Study& study, const std::string& profile,
                                         std::span<const PairTest> tests) {
  std::vector<TextTable> tables;
  std::vector<std::pair<std::string, std::string>> numbers;  // table, family
  for (const auto& t : tests)
    if (const std::pair key(t.comparison.table, t.comparison.family);
        std::ranges::find(numbers, key) == numbers.end())
      numbers.push_back(key);
  static constexpr std::array<std::string_view, 4> kPrinted{"I", "II", "III", "IV"};
  std::ranges::stable_sort(numbers, {}, [](const auto& key) {
    return std::ranges::find(kPrinted, key.first) - kPrinted.begin();
  });
  for (const auto& [number, name] : numbers)
    tables.push_back(anova_text_table(study, tests, number, family(name)));
  for (const auto& f : families(study))
    for (const auto& scenario : study.scenarios())
      tables.push_back(runs_text_table(study, profile, f, scenario));
  for (const auto& m : study.metrics()) tables.push_back(means_text_table(study, profile, m));
  if (study.has("retention_robust_AP50")) tables.push_back(paper_retention_table(study, profile));
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
  for (const auto& f : families(study))
    for (const auto& cell : study.cells())
      if (const double value = metric(f.metric).of(cell);
          cell.scenario == kOriginal && cell.profile == profile && !std::isnan(value))
        csv.row("", f.name, scenario_label(kOriginal), "0", cell.run, value);
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
  const auto add = [&](const Family& f, const std::string& table, std::string_view scenario,
                       const std::string& ratio, const Description& d) {
    for (const auto& [statistic, value] : {std::pair("max", d.max),
                                           {"min", d.min},
                                           {"avg", d.mean},
                                           {"std dev", d.population_sd},
                                           {"sample std dev", d.sample_sd},
                                           {"95% low", d.mean - d.half_width},
                                           {"95% high", d.mean + d.half_width}})
      entries.push_back(
          {table, std::string(f.name), scenario_label(scenario), ratio, statistic, value});
  };
  for (const auto& f : families(study)) {
    const auto& m = metric(f.metric);
    for (const auto& scenario : study.scenarios())
      for (const auto& ratio : study.ratios())
        add(f, runs_table(f.name, scenario), scenario, ratio,
            describe(study.values(scenario, ratio, profile, m)));
    if (const auto values = study.original(profile, m); !values.empty())
      add(f, "", kOriginal, "0", describe(values));
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
