#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/scenario/catalogue.hpp"
#include "serpette/study/columns.hpp"

/// @file
/// The tables that a study leaves: cells.csv, a row per pruned network and output profile, and
/// evaluations.csv, a row per number. Needs no LibTorch.

namespace serpette {

/// One row of cells.csv: one pruned network (scenario, run, ratio) under one output profile.
/// `kCellColumns` tells what each member means.
struct CellRow {
  std::string scenario, score_init, granularity, attack, color;
  std::int64_t run = 0;
  std::string ratio;
  std::uint64_t seed = 0;
  std::string profile;
  double ap = 0, ap50 = 0, ap75 = 0, robust_ap = 0, robust_ap50 = 0;
  double ms_input = 0, ms_network = 0, ms_post = 0, ms_total = 0;
  std::int64_t weights_kept = 0, filters_kept = 0, parameters = 0, macs = 0;
  double seconds_pretrain = 0, seconds_scores = 0, seconds_finetune = 0;
  std::int64_t train_unreadable = 0, test_unreadable = 0;
};

/// One row of evaluations.csv: one number of a network.
struct EvaluationRow {
  std::string scenario;
  std::int64_t run = 0;
  std::string ratio, attack;
  double epsilon = 0;
  std::string profile, metric;
  double value = 0;
};

/// A scenario's id, as it names files: see `is_file_id`.
/// @throws Error  if it is none.
inline std::string scenario_id(std::string_view text) {
  require(
      is_file_id(text), "scenario",
      "should be an id of at most 100 letters, digits, '_', '-' and '.', a letter or digit first, "
      "got \"{}\"",
      text);
  return std::string(text);
}

/// A ratio in the one way that it is written.
inline std::string ratio_text(std::string_view text) { return Ratio::parse(text).str(); }

/// Where a study keeps a cell's files, below its folder `cells`.
/// @throws Error  if the scenario is no id.
inline std::string cell_folder(std::string_view scenario, std::int64_t run,
                               std::string_view ratio) {
  return fmt::format("{}-run{}-ratio{}", scenario_id(scenario), run, ratio_text(ratio));
}

/// The columns of cells.csv.
inline constexpr std::array kCellColumns{
    Column<CellRow>{
        "scenario", Role::kIdentity, &CellRow::scenario, "",
        "command-line id, e.g. `structured_hydra`; `original` is the network as it came",
        scenario_id},
    Column<CellRow>{"score_init", Role::kPolicy, &CellRow::score_init, "", "the score's name"},
    Column<CellRow>{"granularity", Role::kPolicy, &CellRow::granularity, "",
                    "the granularity's name"},
    Column<CellRow>{"attack", Role::kPolicy, &CellRow::attack, "", "the attack's name"},
    Column<CellRow>{"color", Role::kPolicy, &CellRow::color, "", "the colour mode's name"},
    Column<CellRow>{"run", Role::kIdentity, &CellRow::run, "", "from 1"},
    Column<CellRow>{"ratio", Role::kIdentity, &CellRow::ratio, "%", "what was pruned, in [0, 100)",
                    ratio_text},
    Column<CellRow>{"seed", Role::kIdentity, &CellRow::seed, "", "root of all randomness"},
    Column<CellRow>{"profile", Role::kIdentity, &CellRow::profile, "",
                    "`paper` (boxes above confidence 0.5) or `standard` (above 0.001)"},
    Column<CellRow>{"AP", Role::kQuality, &CellRow::ap, "", "COCO's AP on clean images"},
    Column<CellRow>{"AP50", Role::kQuality, &CellRow::ap50, "", "at IoU 0.5"},
    Column<CellRow>{"AP75", Role::kQuality, &CellRow::ap75, "", "at IoU 0.75"},
    Column<CellRow>{"robust_AP", Role::kQuality, &CellRow::robust_ap, "",
                    "AP under the scenario's attack"},
    Column<CellRow>{"robust_AP50", Role::kQuality, &CellRow::robust_ap50, "",
                    "AP50 under the scenario's attack"},
    Column<CellRow>{"ms_input", Role::kTime, &CellRow::ms_input, "ms",
                    "reading one image: file to network input, median"},
    Column<CellRow>{"ms_network", Role::kTime, &CellRow::ms_network, "ms",
                    "input to raw heads, median"},
    Column<CellRow>{"ms_post", Role::kTime, &CellRow::ms_post, "ms", "heads to boxes, median"},
    Column<CellRow>{"ms_total", Role::kTime, &CellRow::ms_total, "ms", "all three, median"},
    Column<CellRow>{"weights_kept", Role::kSize, &CellRow::weights_kept, "",
                    "of the weights that the granularity may prune"},
    Column<CellRow>{"filters_kept", Role::kSize, &CellRow::filters_kept, "",
                    "of the filters that the granularity may prune"},
    Column<CellRow>{"parameters", Role::kSize, &CellRow::parameters, "",
                    "of the whole network as it runs"},
    Column<CellRow>{"macs", Role::kSize, &CellRow::macs, "",
                    "multiply-adds of the whole network as it runs, per image"},
    Column<CellRow>{"seconds_pretrain", Role::kCost, &CellRow::seconds_pretrain, "s",
                    "robust pre-training, done once for all that share it"},
    Column<CellRow>{"seconds_scores", Role::kCost, &CellRow::seconds_scores, "s",
                    "first scores, done once for all ratios that share them, and their training in "
                    "the last round"},
    Column<CellRow>{"seconds_finetune", Role::kCost, &CellRow::seconds_finetune, "s",
                    "robust fine-tuning, and all that a schedule's rounds before the last take"},
    Column<CellRow>{"train_unreadable", Role::kSize, &CellRow::train_unreadable, "images",
                    "training images that could not be read and were left out", nullptr, true},
    Column<CellRow>{"test_unreadable", Role::kSize, &CellRow::test_unreadable, "images",
                    "test images that could not be read and were left out", nullptr, true},
};

/// The columns of evaluations.csv. Scenario, run and ratio say which cell of cells.csv.
inline constexpr std::array kEvaluationColumns{
    Column<EvaluationRow>{"scenario", Role::kIdentity, &EvaluationRow::scenario, "",
                          "as in cells.csv", scenario_id},
    Column<EvaluationRow>{"run", Role::kIdentity, &EvaluationRow::run, "", "as in cells.csv"},
    Column<EvaluationRow>{"ratio", Role::kIdentity, &EvaluationRow::ratio, "%", "as in cells.csv",
                          ratio_text},
    Column<EvaluationRow>{"attack", Role::kIdentity, &EvaluationRow::attack, "",
                          "the attack it was evaluated under; `None` on clean images"},
    Column<EvaluationRow>{
        "epsilon", Role::kIdentity, &EvaluationRow::epsilon, "",
        "its radius: the largest change of a pixel, of 1, under `l2` the Euclidean "
        "length of an image's change; 0 where it has none, of `Worst case` the largest "
        "among the attacks"},
    Column<EvaluationRow>{"profile", Role::kIdentity, &EvaluationRow::profile, "",
                          "as in cells.csv"},
    Column<EvaluationRow>{"metric", Role::kIdentity, &EvaluationRow::metric, "",
                          "COCO's twelve (`AP`, `AP50`, … `ARl`), `ms_…_mean`; of a suite also "
                          "`AP50_places`, `placed`, `rightly_named`, `vanished_gradients`"},
    Column<EvaluationRow>{"value", Role::kQuality, &EvaluationRow::value, "", "the number"},
};

/// The column of that name; null if there is none.
inline const Column<CellRow>* cell_column(std::string_view name) {
  const auto* const found = std::ranges::find(kCellColumns, name, &Column<CellRow>::name);
  return found == kCellColumns.end() ? nullptr : found;
}

/// cells.csv of these rows.
inline std::string cells_csv(std::span<const CellRow> rows) {
  return table_text(kCellColumns, rows);
}
/// evaluations.csv of these rows.
inline std::string evaluations_csv(std::span<const EvaluationRow> rows) {
  return table_text(kEvaluationColumns, rows);
}

/// Reads a cells.csv.
/// @throws Error  with file and line, if a column is missing (a file of another version) or a field
/// is not what it should be.
inline std::vector<CellRow> read_cells(const std::filesystem::path& path) {
  return read_table(kCellColumns, path);
}
/// Reads an evaluations.csv, likewise.
inline std::vector<EvaluationRow> read_evaluations(const std::filesystem::path& path) {
  return read_table(kEvaluationColumns, path);
}

/// Appends a CSV text to another of the same columns: the header once, the bytes of the rows
/// unchanged.
inline void append_csv(std::string& all, std::string_view part) {
  all += all.empty() ? part : part.substr(part.find('\n') + 1);
}

}  // namespace serpette
