#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "serpette/io/draw.hpp"
#include "serpette/io/image.hpp"
#include "serpette/study/sweep.hpp"

namespace serpette {

/// The pictures of a run's cells side by side, like the paper's Fig. 3: a row per scenario, a
/// column per ratio. Cells that are not there leave their place empty.
inline void write_grid(const Store& store, const std::vector<std::string>& ids,
                       const std::vector<std::string>& labels, const std::vector<Ratio>& ratios,
                       int run = 1) {
  std::vector<std::string> columns;
  for (const auto ratio : ratios) columns.push_back(ratio.str() + " %");
  std::vector<std::vector<Image>> pictures;
  for (const auto& id : ids) {
    auto& row = pictures.emplace_back();
    for (const auto ratio : ratios) {
      const CellFiles files(store, {id, run, ratio});
      const bool shown = files.finished() && std::filesystem::exists(files.sample());
      row.push_back(shown ? read_image(files.sample()) : Image{});
    }
  }
  write_png(store.root() / "grid.png", sample_grid(pictures, labels, columns));
}

}  // namespace serpette
