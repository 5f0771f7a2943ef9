#pragma once

#include "serpette/scenario/catalogue.hpp"
#include "serpette/study/cells.hpp"

namespace serpette::test {

/// Cells of two scenarios × {0, 50, 90} × three runs × two profiles, with numbers that follow from
/// the indices.
inline std::vector<CellRow> some_cells() {
  std::vector<CellRow> cells;
  for (int s = 0; s < 2; ++s)
    for (int run = 1; run <= 3; ++run)
      for (const int ratio : {0, 50, 90})
        for (const bool standard : {true, false}) {
          CellRow c;
          c.scenario = s == 0 ? "structured_hydra" : "unstructured_deeplift";
          c.score_init = s == 0 ? "HYDRA" : "DeepLIFT";
          c.granularity = s == 0 ? "Structured" : "Unstructured";
          c.attack = "PGD";
          c.color = "RGB";
          c.run = run;
          c.ratio = std::to_string(ratio);
          c.seed = 100 + static_cast<unsigned>(run);
          c.profile = standard ? "standard" : "paper";
          c.ap50 = (standard ? 0.7 : 0.6) - 0.1 * s - ratio / 200.0 + 0.01 * run;
          c.ap = c.ap50 / 2, c.ap75 = c.ap50 / 3, c.robust_ap50 = c.ap50 * 0.8,
          c.robust_ap = c.ap50 * 0.4;
          c.ms_input = 1, c.ms_network = 10 - (s == 0 ? ratio / 12.0 : 0) + 0.1 * run,
          c.ms_post = 0.5;
          c.ms_total = c.ms_input + c.ms_network + c.ms_post;
          c.weights_kept = 1000 - 10 * ratio, c.filters_kept = 100, c.parameters = 2000,
          c.macs = 100000;
          cells.push_back(c);
        }
  return cells;
}

/// The same with the untouched network's cells: better on clean images, lost under attack.
inline std::vector<CellRow> with_original(std::vector<CellRow> cells) {
  for (int run = 1; run <= 3; ++run)
    for (const auto* profile : {"standard", "paper"}) {
      auto c = cells.front();
      c.scenario = kOriginal, c.score_init = "None", c.granularity = "None";
      c.run = run, c.ratio = "0", c.profile = profile;
      c.ap50 = 0.8, c.robust_ap50 = 0.02;
      cells.push_back(std::move(c));
    }
  return cells;
}

}  // namespace serpette::test
