#pragma once

#include <vector>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/study/configuration_of.hpp"
#include "serpette/study/status.hpp"
#include "serpette/study/sweep.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

namespace serpette::test {

/// A study of a TinyDetector on noise, of seconds: it should run, not learn.
struct SmallStudy {
  using Lab = Experiment<TinyDetector, NoiseData, NoiseData>;

  NoiseData train{8, 1}, test{4, 2};
  Budget budget{.pretrain = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
                .scores = {.steps = 2, .batch_size = 2},
                .finetune = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
                .score_images = 4,
                .evaluate = {.batch_size = 2, .images = 3, .timing_images = 2, .timing_warmup = 1}};
  std::vector<std::string> scenarios{"structured_hydra"};
  std::vector<Ratio> ratios{Ratio(), Ratio::percent(50)};
  int runs = 1;
  bool retry_failed = false;
  Workers workers{};
  at::Device device = at::kCPU;
  std::vector<Trial> suite{};

  [[nodiscard]] Lab experiment() const {
    TinyDetector detector;
    detector.to(device);
    Lab lab{detector, train, test, budget, Seed(5), device};
    lab.suite = suite;
    return lab;
  }
  static constexpr auto dispatch = [](const std::string&, const auto& visit) {
    visit(Scenario<Hydra, Filter, Pgd, Rgb>{});
  };
  [[nodiscard]] std::vector<PlannedCell> plan() const {
    return with_keys(table_cells(scenarios, runs, ratios), experiment(), dispatch);
  }
  [[nodiscard]] Configuration configuration() const {
    return configuration_of(experiment(), scenarios, machine_kind(device, workers), dispatch);
  }
  [[nodiscard]] Store open(const std::filesystem::path& folder) const {
    return open_study(folder, configuration(), "all", plan(), plan());
  }
  /// Runs what is left to do, and writes the tables.
  /// @return  how many cells are not finished.
  std::int64_t run(const std::filesystem::path& folder) const {
    const auto store = open(folder);
    Progress progress;
    const auto unfinished =
        run_cells(plan(), experiment(), store, retry_failed, workers, progress, dispatch);
    write_tables(store, plan());
    return unfinished;
  }
};

/// A table without what a clock measured.
inline std::vector<CellRow> timeless(std::vector<CellRow> rows) {
  for (auto& row : rows)
    for (const auto& column : kCellColumns)
      if (column.role == Role::kTime || column.role == Role::kCost)
        row.*std::get<double CellRow::*>(column.member) = 0;
  return rows;
}
inline std::string timeless(const std::filesystem::path& cells) {
  return cells_csv(timeless(read_cells(cells)));
}

}  // namespace serpette::test
