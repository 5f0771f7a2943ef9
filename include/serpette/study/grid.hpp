#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "serpette/io/draw.hpp"
#include "serpette/io/image.hpp"
#include "serpette/study/cell_files.hpp"
#include "serpette/study/store.hpp"

namespace serpette {

/// The pictures of a run's cells side by side, like the paper's Fig. 3: a row per scenario, a
/// column per ratio. Cells that are not there leave their place empty.
inline void write_grid(const Store& store, const std::vector<PlannedCell>& cells,
                       const std::vector<std::string>& ids, const std::vector<std::string>& labels,
                       const std::vector<Ratio>& ratios, int run = 1) {
  std::vector<std::string> columns;
  for (const auto ratio : ratios) columns.push_back(ratio.str() + " %");
  std::vector<std::vector<Image>> pictures(ids.size(), std::vector<Image>(ratios.size()));
  for (const auto& cell : cells) {
    const auto row = std::ranges::find(ids, cell.id.scenario) - ids.begin();
    const auto column = std::ranges::find(ratios, cell.id.ratio) - ratios.begin();
    if (cell.id.run != run || row == std::ssize(ids) || column == std::ssize(ratios)) continue;
    if (const CellFiles files(store.root(), cell);
        files.finished() && std::filesystem::exists(files.sample()))
      pictures[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)] =
          read_image(files.sample());
  }
  write_png(store.root() / "grid.png", sample_grid(pictures, labels, columns));
}

}  // namespace serpette
