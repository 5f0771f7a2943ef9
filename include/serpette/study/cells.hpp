#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/io/atomic_file.hpp"
#include "serpette/io/csv.hpp"

namespace serpette {

/// One row of cells.csv: one pruned network (scenario, run, ratio) under one output profile.
struct CellRow {
  std::string scenario;  ///< Command-line id, e.g. "structured_hydra".
  std::string score_init, granularity, attack, color;  ///< The policies' names.
  std::int64_t run = 0;                                ///< 1-based.
  std::string ratio;                                   ///< Percent, as Ratio::str().
  std::uint64_t seed = 0;
  std::string profile;  ///< "paper" (confidence 0.5) or "standard" (0.001).
  double ap = 0, ap50 = 0, ap75 = 0, robust_ap = 0, robust_ap50 = 0;
  double ms_input = 0, ms_network = 0, ms_post = 0, ms_total = 0;  ///< Medians per image.
  std::int64_t weights_kept = 0, filters_kept = 0;  ///< Of what the granularity may prune.
  std::int64_t parameters = 0, macs = 0;            ///< Of the whole network as it runs.
  double seconds_pretrain = 0, seconds_scores = 0, seconds_finetune = 0;

  /// The other numbers, for details.csv: `name, value` in a fixed order.
  std::vector<std::pair<std::string, double>> details;
};

/// Where a study keeps a cell's files, below its folder `cells`.
inline std::string cell_folder(std::string_view scenario, std::int64_t run,
                               std::string_view ratio) {
  return fmt::format("{}-run{}-ratio{}", scenario, run, ratio);
}

inline const std::vector<std::string>& cell_columns() {
  static const std::vector<std::string> columns{"scenario",
                                                "score_init",
                                                "granularity",
                                                "attack",
                                                "color",
                                                "run",
                                                "ratio",
                                                "seed",
                                                "profile",
                                                "AP",
                                                "AP50",
                                                "AP75",
                                                "robust_AP",
                                                "robust_AP50",
                                                "ms_input",
                                                "ms_network",
                                                "ms_post",
                                                "ms_total",
                                                "weights_kept",
                                                "filters_kept",
                                                "parameters",
                                                "macs",
                                                "seconds_pretrain",
                                                "seconds_scores",
                                                "seconds_finetune"};
  return columns;
}

/// cells.csv of these rows.
inline std::string cells_csv(std::span<const CellRow> rows) {
  CsvWriter csv;
  csv.row_of(cell_columns());
  for (const auto& r : rows)
    csv.row(r.scenario, r.score_init, r.granularity, r.attack, r.color, r.run, r.ratio, r.seed,
            r.profile, r.ap, r.ap50, r.ap75, r.robust_ap, r.robust_ap50, r.ms_input, r.ms_network,
            r.ms_post, r.ms_total, r.weights_kept, r.filters_kept, r.parameters, r.macs,
            r.seconds_pretrain, r.seconds_scores, r.seconds_finetune);
  return std::string(csv.text());
}

/// details.csv of these rows: what identifies a row, then its details. All rows have the same
/// details.
inline std::string details_csv(std::span<const CellRow> rows) {
  CsvWriter csv;
  std::vector<std::string> fields{"scenario", "run", "ratio", "seed", "profile"};
  for (const auto& row : rows.first(std::min<std::size_t>(1, rows.size())))
    for (const auto& [name, value] : row.details) fields.push_back(name);
  csv.row_of(fields);
  for (const auto& r : rows) {
    fields = {r.scenario, fmt::to_string(r.run), r.ratio, fmt::to_string(r.seed), r.profile};
    for (const auto& [name, value] : r.details) fields.push_back(fmt::to_string(value));
    csv.row_of(fields);
  }
  return std::string(csv.text());
}

/// Appends a CSV text to another of the same columns: the header once, the bytes of the rows
/// unchanged.
inline void append_csv(std::string& all, std::string_view part) {
  all += all.empty() ? part : part.substr(part.find('\n') + 1);
}

}  // namespace serpette
