#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "serpette/core/seed.hpp"
#include "serpette/io/cells.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/io/draw.hpp"
#include "serpette/io/image.hpp"
#include "serpette/pipeline/driver.hpp"

namespace serpette {

/// All cells of scenarios × runs × ratios. Runs come one after the other, so that a stopped sweep has whole runs;
/// within a run the order is shuffled by the seed, so that drift of time and machine does not pose as an effect.
inline std::vector<CellId> plan_cells(const std::vector<std::string>& scenarios, int runs,
                                      const std::vector<Ratio>& ratios, Seed seed) {
  std::vector<CellId> plan;
  for (int run = 1; run <= runs; ++run) {
    std::vector<CellId> cells;
    for (const auto& scenario : scenarios)
      for (const auto ratio : ratios) cells.push_back({scenario, run, ratio});
    Generator rng(seed.derive("order").derive(static_cast<std::uint64_t>(run)));
    for (const auto i : shuffled(static_cast<std::int64_t>(cells.size()), rng))
      plan.push_back(cells[static_cast<std::size_t>(i)]);
  }
  return plan;
}

/// The files of one cell; cells.csv is written last and says that the cell is finished.
class CellFiles {
 public:
  CellFiles(const Store& store, const CellId& id) : folder_(store.root() / "cells" / id.folder()) {}

  [[nodiscard]] bool finished() const { return std::filesystem::exists(folder_ / "cells.csv"); }
  [[nodiscard]] bool failed() const { return std::filesystem::exists(folder_ / "failed.txt"); }
  [[nodiscard]] std::string failure() const { return read_file(folder_ / "failed.txt"); }
  [[nodiscard]] std::string cells() const { return read_file(folder_ / "cells.csv"); }
  [[nodiscard]] std::string details() const { return read_file(folder_ / "details.csv"); }
  [[nodiscard]] std::filesystem::path sample() const { return folder_ / "sample.png"; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  void fail(std::string_view reason) const { write_file(folder_ / "failed.txt", reason); }

  /// Writes network, detections, sample picture, and last the numbers.
  template <Detector D, Dataset Test>
  void write(const CellResult<D>& result, const Test& test) const {
    std::filesystem::create_directories(folder_);
    result.network.save(folder_ / "network.cfg", folder_ / "network.weights");
    write_detections_csv(folder_ / "detections.csv", result.clean, test.instances());
    write_detections_csv(folder_ / "detections_attacked.csv", result.attacked, test.instances());
    write_sample(result, test);
    write_file(folder_ / "details.csv", details_csv(result.rows));
    std::filesystem::remove(folder_ / "failed.txt");
    write_file(folder_ / "cells.csv", cells_csv(result.rows));
  }

 private:
  template <Detector D, Dataset Test>
  void write_sample(const CellResult<D>& result, const Test& test) const {
    const auto index = sample_index(test.instances());
    const auto& instances = test.instances();
    auto picture = read_image(test.path(static_cast<std::int64_t>(index)));
    std::vector<Detection> shown;
    for (const auto& d : above(result.clean, kPaperConfidence))
      if (d.image_id == instances.images[index].id) shown.push_back(d);
    draw_detections(picture, shown, instances.categories);
    write_png(sample(), picture);
  }

  /// The picture shown for every cell: the one with the most kinds of objects, the first of those.
  static std::size_t sample_index(const Instances& instances) {
    std::vector<std::set<int>> kinds(instances.images.size());
    std::unordered_map<std::int64_t, std::size_t> index;
    for (std::size_t i = 0; i < instances.images.size(); ++i) index[instances.images[i].id] = i;
    for (const auto& a : instances.annotations) kinds[index.at(a.image_id)].insert(a.category);
    return static_cast<std::size_t>(
        std::max_element(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); }) -
        kinds.begin());
  }

  std::filesystem::path folder_;
};

/// Runs one cell unless it is finished; a cell that fails is noted with its reason and does not stop the others.
/// @return  whether the cell is finished now.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
bool finish_cell(const S& scenario, const Experiment<D, Train, Test>& experiment, const Store& store,
                 const CellId& id, bool retry_failed, Progress& progress) {
  const CellFiles files(store, id);
  if (files.finished()) {
    progress.on_known_cell();
    return true;
  }
  if (files.failed() && !retry_failed) {
    progress.on_known_cell();
    return false;
  }
  try {
    const auto result = run_cell(scenario, experiment, store, id, progress);
    files.write(result, experiment.test);
    progress.on_cell(result.rows.back());
    return true;
  } catch (const Error& error) {
    progress.clear();
    fmt::print(stderr, "{} failed: {}\n", id.folder(), error.what());
    files.fail(error.what());
    return false;
  }
}

/// Writes cells.csv and details.csv of the finished cells, in the order of scenario, run and ratio.
inline void write_tables(const Store& store, const std::vector<std::string>& scenarios, int runs,
                         const std::vector<Ratio>& ratios) {
  std::string cells, details;
  for (const auto& scenario : scenarios)
    for (int run = 1; run <= runs; ++run)
      for (const auto ratio : ratios)
        if (const CellFiles files(store, {scenario, run, ratio}); files.finished()) {
          append_csv(cells, files.cells());
          append_csv(details, files.details());
        }
  write_file(store.root() / "cells.csv", cells);
  write_file(store.root() / "details.csv", details);
}

}  // namespace serpette
