#pragma once

#include <filesystem>
#include <vector>

#include "serpette/core/ratio.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/study/cells.hpp"

namespace serpette {

/// Reads a cells.csv.
/// @throws Error  with file and line, if a column is missing (a file of another version) or a field
/// is no number.
inline std::vector<CellRow> read_cells(const std::filesystem::path& path) {
  const std::vector<std::string_view> columns(cell_columns().begin(), cell_columns().end());
  CsvReader csv(path, columns);
  std::vector<CellRow> cells;
  while (csv.next()) {
    CellRow c;
    c.scenario = csv.text(0);
    c.score_init = csv.text(1), c.granularity = csv.text(2), c.attack = csv.text(3),
    c.color = csv.text(4);
    c.run = csv.integer(5);
    try {
      c.ratio = Ratio::parse(csv.text(6)).str();
    } catch (const Error& error) {
      fail(csv.place(), "{}", error.what());
    }
    c.seed = csv.natural(7);
    c.profile = csv.text(8);
    c.ap = csv.number_or_nan(9), c.ap50 = csv.number_or_nan(10), c.ap75 = csv.number_or_nan(11);
    c.robust_ap = csv.number_or_nan(12), c.robust_ap50 = csv.number_or_nan(13);
    c.ms_input = csv.number_or_nan(14), c.ms_network = csv.number_or_nan(15);
    c.ms_post = csv.number_or_nan(16), c.ms_total = csv.number_or_nan(17);
    c.weights_kept = csv.integer(18), c.filters_kept = csv.integer(19);
    c.parameters = csv.integer(20), c.macs = csv.integer(21);
    c.seconds_pretrain = csv.number(22), c.seconds_scores = csv.number(23),
    c.seconds_finetune = csv.number(24);
    cells.push_back(std::move(c));
  }
  return cells;
}

}  // namespace serpette
