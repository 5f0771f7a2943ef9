#pragma once

#include <cstdint>
#include <range/v3/view/cartesian_product.hpp>
#include <range/v3/view/iota.hpp>
#include <string>
#include <utility>
#include <vector>

#include "serpette/core/seed.hpp"
#include "serpette/method/cell.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/study/cells.hpp"

namespace serpette {

/// Where a study keeps a cell's files, below its folder `cells`.
inline std::string cell_folder(const CellId& id) {
  return cell_folder(id.scenario, id.run, id.ratio.str());
}

/// All cells of scenarios × runs × ratios, in the order of tables; of the original network those of
/// ratio 0 alone.
inline std::vector<CellId> table_cells(const std::vector<std::string>& scenarios, int runs,
                                       const std::vector<Ratio>& ratios) {
  std::vector<CellId> cells;
  for (const auto& [scenario, run, ratio] :
       ranges::views::cartesian_product(scenarios, ranges::views::iota(1, runs + 1), ratios)) {
    const bool original = scenario == kOriginal;
    if (!original || ratio == ratios.front())
      cells.push_back({scenario, run, original ? Ratio() : ratio});
  }
  return cells;
}

/// The same cells in the order in which they are computed. Runs come one after the other, so that a
/// stopped sweep has whole runs; within a run the order is shuffled by the seed, so that drift of
/// time and machine does not pose as an effect of scenario or ratio.
inline std::vector<CellId> plan_cells(const std::vector<std::string>& scenarios, int runs,
                                      const std::vector<Ratio>& ratios, Seed seed) {
  const auto all = table_cells(scenarios, runs, ratios);
  std::vector<CellId> plan;
  for (int run = 1; run <= runs; ++run) {
    std::vector<CellId> cells;
    for (const auto& id : all)
      if (id.run == run) cells.push_back(id);
    Generator rng(seed.derive("order").derive(static_cast<std::uint64_t>(run)));
    for (const auto i : shuffled(std::ssize(cells), rng))
      plan.push_back(cells[static_cast<std::size_t>(i)]);
  }
  return plan;
}

/// The part of a plan that one of several machines does: a stretch of it, so that runs stay whole
/// where they can, and a machine is no more than a block of the statistics; lengths differ by one
/// at most.
/// @param shard  1 to `shards`.
inline std::vector<CellId> shard_of(const std::vector<CellId>& plan, int shard, int shards) {
  require(shards >= 1 && shard >= 1 && shard <= shards, "shard",
          "should be i/n with 1 <= i <= n, got {}/{}", shard, shards);
  const auto end = [&](int k) { return plan.begin() + std::ssize(plan) * k / shards; };
  return {end(shard - 1), end(shard)};
}

/// A cell, and what its parts depend on.
struct PlannedCell {
  CellId id;
  StageKeys keys;
};

/// @param dispatch  `dispatch(id, visit)` calls `visit(scenario)` with the scenario of that id; for
///                  `kOriginal` with one whose attack and colour the original network is measured
///                  under.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
std::vector<PlannedCell> with_keys(const std::vector<CellId>& cells,
                                   const Experiment<D, Train, Test>& experiment,
                                   const Dispatch& dispatch) {
  std::vector<PlannedCell> planned;
  for (const auto& id : cells)
    dispatch(id.scenario, [&](const auto& scenario) {
      planned.push_back({id, id.scenario == kOriginal ? original_keys(scenario, experiment, id)
                                                      : stage_keys(scenario, experiment, id)});
    });
  return planned;
}

}  // namespace serpette
