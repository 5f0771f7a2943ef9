#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/study/cell_files.hpp"
#include "serpette/study/store.hpp"

namespace serpette {

/// How much of a plan stands in a study's folder and still holds: made of the same network, data
/// and settings.
struct StudyStatus {
  struct Part {
    std::int64_t there = 0, all = 0;
  };
  Part pretrainings, scores;       ///< Each counted once, however many cells share it.
  Part trained, evaluated, timed;  ///< Cells.
  Part suites;                     ///< Cells, where a suite is asked for.

  /// A line per part, for people.
  [[nodiscard]] std::string text() const {
    std::string lines;
    for (const auto& [what, part] :
         {std::pair{"robust pre-trainings", pretrainings}, std::pair{"importance scores", scores},
          std::pair{"trained networks", trained}, std::pair{"evaluations", evaluated},
          std::pair{"timings", timed}})
      lines += fmt::format("  {:<22}{} of {}\n", what, part.there, part.all);
    if (suites.all > 0)
      lines += fmt::format("  {:<22}{} of {}\n", "suites of attacks", suites.there, suites.all);
    return lines;
  }
};

/// @param root  the folder, whatever else it holds; nothing in it is changed.
inline StudyStatus status_of(const std::filesystem::path& root,
                             const std::vector<PlannedCell>& plan) {
  StudyStatus status;
  std::set<std::string> seen;
  const auto stage = [&](StudyStatus::Part& part, const char* name, const std::string& key) {
    if (key.empty() || !seen.insert(name + key).second) return;
    ++part.all;
    part.there += std::filesystem::exists(Store::stage_file(root, name, key));
  };
  for (const auto& cell : plan) {
    stage(status.pretrainings, "pretrain", cell.keys.pretraining);
    stage(status.scores, "scores", cell.keys.scores);
    const CellFiles files(root, cell);
    for (auto* part : {&status.trained, &status.evaluated, &status.timed}) ++part->all;
    status.trained.there += files.trained();
    status.evaluated.there += files.evaluated();
    status.timed.there += files.timed();
    if (cell.keys.suite.empty()) continue;
    ++status.suites.all;
    status.suites.there += files.has_suite();
  }
  return status;
}

/// Opens a study's folder; a refusal says what of it would hold.
/// @param own  the cells of `plan` that the part writes.
/// @throws Error  as Store.
inline Store open_study(const std::filesystem::path& root, const Configuration& configuration,
                        std::string_view part, const std::vector<PlannedCell>& plan,
                        const std::vector<PlannedCell>& own) try {
  std::vector<std::string> cells;
  for (const auto& cell : own) cells.push_back(cell_folder(cell.id));
  return Store(root, configuration, part, cells);
} catch (const OtherConfiguration& other) {
  throw OtherConfiguration(fmt::format(
      "{}\nTake a new --out. These of its results would hold there, too (copy its folder stages "
      "first):\n{}",
      other.what(), status_of(root, plan).text()));
}

}  // namespace serpette
