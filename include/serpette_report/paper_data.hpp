#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/paper_means.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/tests.hpp"

namespace serpette {

/// The paper's raw tables (V–XIV) as cells: AP50 under PGD is its mAP, ms_total its inference time,
/// everything else was not measured (NaN); with them the untouched network of its later version.
/// Policies follow from the scenario's name; the paper gives no seeds.
/// @param folder  holds runs.csv.
inline std::vector<CellRow> paper_cells(const std::filesystem::path& folder) {
  CsvReader csv(folder / "runs.csv", {"metric", "scenario", "ratio_percent", "run", "value"});
  std::map<std::tuple<std::string, std::int64_t, std::string>, std::size_t> known;
  std::vector<CellRow> cells;
  const auto blank = [](std::string scenario, std::int64_t run, std::string ratio) {
    CellRow c;
    c.scenario = std::move(scenario);
    c.attack = "PGD", c.color = "Colour";
    c.run = run, c.ratio = std::move(ratio), c.profile = "paper";
    c.ap = c.ap50 = c.ap75 = c.robust_ap = c.robust_ap50 = NAN;
    c.ms_input = c.ms_network = c.ms_post = c.ms_total = NAN;
    return c;
  };
  while (csv.next()) {
    std::string id(csv.text(1));
    for (char& c : id)
      c = c == ' ' ? '_' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    const std::string ratio(csv.text(2));
    const auto [at, fresh] = known.emplace(std::tuple(id, csv.integer(3), ratio), cells.size());
    if (fresh) {
      auto c = blank(id, csv.integer(3), ratio);
      c.score_init = id.find("hydra") == std::string::npos ? "DeepLIFT" : "HYDRA";
      c.granularity = id.starts_with("structured") ? "Structured" : "Unstructured";
      if (id.ends_with("greyscale")) c.color = "Greyscale";
      cells.push_back(std::move(c));
    }
    auto& cell = cells[at->second];
    const auto name = csv.text(0);
    require(name == "mAP" || name == "time", csv.place(),
            "metric should be mAP or time, got \"{}\"", name);
    (name == "mAP" ? cell.robust_ap50 : cell.ms_total) = csv.number(4);
  }
  cells.push_back(blank(std::string(kOriginal), 1, "0"));
  cells.back().robust_ap50 = kPaperOriginal;
  return cells;
}

/// One number of the paper beside what its own raw data give.
struct AgreementEntry {
  std::string table, metric, entry, ratio,
      statistic;  ///< `entry`: scenario or comparison; `statistic`: avg, …, p.
  std::string printed;
  double computed = 0;
  double units = 0;  ///< (computed − printed) in units of the last printed digit.

  [[nodiscard]] bool agrees() const { return std::abs(units) <= 1 + 1e-9; }
  /// How the paper came from the number to the print; either may fit.
  [[nodiscard]] std::string_view reading() const {
    if (!agrees()) return "differs";
    const bool rounded = std::abs(units) <= 0.5 + 1e-9, truncated = units >= -1e-9 && units < 1;
    return rounded && truncated ? "rounded or truncated"
           : rounded            ? "rounded"
           : truncated          ? "truncated"
                                : "within one unit";
  }
};

namespace detail {
/// Size of one unit of the last digit of "0.412", "118.7" or "1.03e-01".
inline double last_digit(const std::string& printed) {
  const auto exponent = printed.find_first_of("eE");
  const auto point = printed.find('.');
  const auto digits =
      point == std::string::npos ? 0 : std::min(exponent, printed.size()) - point - 1;
  const auto power =
      exponent == std::string::npos ? 0 : std::strtol(printed.c_str() + exponent + 1, nullptr, 10);
  return std::pow(10.0, power - static_cast<std::int64_t>(digits));
}
}  // namespace detail

/// Every printed number of Tables I–XIV (summary.csv, anova.csv in `folder`) against a study of the
/// paper's cells.
/// @throws Error  if a printed entry has no counterpart in the study.
inline std::vector<AgreementEntry> agreement(const Study& study, const std::string& profile,
                                             std::span<const PairTest> tests,
                                             const std::filesystem::path& folder) {
  std::map<std::vector<std::string>, double> computed;
  for (const auto& e : summary_entries(study, profile))
    computed[{e.table, e.scenario, e.ratio, e.statistic}] = e.value;
  for (const auto& t : tests)
    computed[{t.comparison.table, t.comparison.label, t.ratio, "p"}] = t.anova_p;
  std::vector<AgreementEntry> entries;
  const auto compare = [&](AgreementEntry e, const std::string& place) {
    const auto found = computed.find({e.table, e.entry, e.ratio, e.statistic});
    require(found != computed.end(), place,
            "should be an entry that follows from the runs, got table {} {} {} %", e.table, e.entry,
            e.ratio);
    e.computed = found->second;
    e.units =
        (e.computed - std::strtod(e.printed.c_str(), nullptr)) / detail::last_digit(e.printed);
    entries.push_back(std::move(e));
  };
  CsvReader p_values(folder / "anova.csv",
                     {"table", "metric", "comparison", "ratio_percent", "p_value"});
  while (p_values.next())
    compare({std::string(p_values.text(0)), std::string(p_values.text(1)),
             std::string(p_values.text(2)), std::string(p_values.text(3)), "p",
             std::string(p_values.text(4))},
            p_values.place());
  CsvReader summary(folder / "summary.csv",
                    {"table", "metric", "scenario", "ratio_percent", "statistic", "value"});
  while (summary.next())
    compare(
        {std::string(summary.text(0)), std::string(summary.text(1)), std::string(summary.text(2)),
         std::string(summary.text(3)), std::string(summary.text(4)), std::string(summary.text(5))},
        summary.place());
  return entries;
}

/// agreement.csv.
inline std::string agreement_csv(std::span<const AgreementEntry> entries) {
  CsvWriter csv;
  csv.row("table", "metric", "entry", "ratio_percent", "statistic", "printed", "computed",
          "units_of_last_digit", "agrees", "reading");
  for (const auto& e : entries)
    csv.row(e.table, e.metric, e.entry, e.ratio, e.statistic, e.printed, e.computed, e.units,
            e.agrees() ? "yes" : "no", e.reading());
  return std::string(csv.text());
}

}  // namespace serpette
