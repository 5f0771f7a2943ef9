#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/io/draw.hpp"
#include "serpette/io/image.hpp"
#include "serpette/study/cell_rows.hpp"
#include "serpette/study/plan.hpp"
#include "serpette/study/seal.hpp"

namespace serpette {

/// The files of one cell, in parts, each sealed by a text that is written last:
///
///     network.cfg network.weights network.names  trained.txt    the network, and what it took
///     cells.csv evaluations.csv detections*.csv  measured.txt   its numbers
///     suite.csv                                  suite.txt      those under a suite, if any
///
/// A part holds if its seal names what the part depends on now, and its files are those that were
/// sealed: the size of the network's and the detections', every byte of the tables'. What does not
/// hold is made anew.
class CellFiles {
 public:
  /// @param study  the study's folder.
  CellFiles(const std::filesystem::path& study, const PlannedCell& cell)
      : folder_(study / "cells" / cell_folder(cell.id)),
        id_(cell.id),
        training_(fingerprint(cell.keys.finetuning)),
        evaluation_(fingerprint(cell.keys.evaluation)),
        timing_(fingerprint(cell.keys.timing)),
        suite_(cell.keys.suite.empty() ? std::string() : fingerprint(cell.keys.suite)) {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path sample() const { return folder_ / "sample.png"; }
  [[nodiscard]] std::string cells() const { return read_file(folder_ / "cells.csv"); }
  /// With those under the suite, where one is asked for.
  [[nodiscard]] std::string evaluations() const {
    auto all = read_file(folder_ / "evaluations.csv");
    if (!suite_.empty()) append_csv(all, read_file(folder_ / "suite.csv"));
    return all;
  }
  /// Where finished attacks of a suite are kept while it runs.
  [[nodiscard]] std::filesystem::path trials() const { return folder_ / "suite"; }

  /// Whether the network is there.
  [[nodiscard]] bool trained() const { return trained_seal().has_value(); }
  /// Whether its numbers are, at least but for its times.
  [[nodiscard]] bool evaluated() const { return measured_seal().has_value(); }
  /// Whether its times are, too.
  [[nodiscard]] bool timed() const {
    const auto seal = measured_seal();
    return seal && seal->text("timing") == timing_;
  }
  /// Whether its numbers under the suite are, or none is asked for.
  [[nodiscard]] bool has_suite() const {
    if (suite_.empty()) return true;
    const auto seal = Seal::read(folder_ / "suite.txt");
    return seal && seal->text("suite") == suite_ && seal->holds(folder_ / "suite.csv") &&
           evaluated();
  }
  /// Whether nothing is left to do.
  [[nodiscard]] bool finished() const { return timed() && has_suite(); }
  /// Why it failed, if it did, as it is now.
  [[nodiscard]] std::optional<std::string> failure() const {
    const auto seal = Seal::read(folder_ / "failed.txt");
    if (!seal || seal->text("key") != failing()) return std::nullopt;
    return std::string(seal->text("reason"));
  }

  void fail(std::string_view reason) const {
    Seal seal;
    seal.set("key", failing());
    seal.set("reason", reason);
    seal.write(folder_ / "failed.txt");
  }

  /// Keeps the network of a cell, and the names of its classes. What was measured on another one
  /// goes.
  /// @param classes   of the data it was trained on.
  /// @param computed  on what kind of machine.
  template <Detector D>
  void write(const TrainedCell<D>& cell, const std::vector<CocoCategory>& classes,
             std::string_view computed) const {
    std::filesystem::create_directories(folder_);
    for (const char* stale : {"trained.txt", "measured.txt", "suite.txt"})
      std::filesystem::remove(folder_ / stale);
    std::filesystem::remove_all(trials());
    cell.network.save(folder_ / "network.cfg", folder_ / "network.weights");
    write_class_names(folder_ / "network.names", classes);
    Seal seal;
    seal.set("key", training_);
    seal.set("weights_kept", cell.kept.weights);
    seal.set("filters_kept", cell.kept.filters);
    seal.set("seconds_pretrain", cell.seconds_pretrain);
    seal.set("seconds_scores", cell.seconds_scores);
    seal.set("seconds_finetune", cell.seconds_finetune);
    seal.set("unreadable", cell.unreadable);
    seal.set("computed", computed);
    for (const char* file : {"network.cfg", "network.weights"}) seal.set_file(folder_ / file);
    seal.write(folder_ / "trained.txt");
  }

  /// The network as it was kept; none if it is damaged.
  template <Detector D>
  [[nodiscard]] std::optional<TrainedCell<D>> read(at::Device device) const {
    const auto seal = trained_seal();
    const auto cfg = folder_ / "network.cfg", weights = folder_ / "network.weights";
    if (!seal || !seal->holds(cfg) || !seal->holds(weights)) return std::nullopt;
    TrainedCell<D> cell{D::load(cfg, weights)};
    cell.network.to(device);
    cell.kept = {seal->number<std::int64_t>("weights_kept"),
                 seal->number<std::int64_t>("filters_kept")};
    cell.seconds_pretrain = seal->number<double>("seconds_pretrain");
    cell.seconds_scores = seal->number<double>("seconds_scores");
    cell.seconds_finetune = seal->number<double>("seconds_finetune");
    cell.unreadable = seal->number<std::int64_t>("unreadable");
    return cell;
  }

  /// Keeps what was measured: tables, detections and a sample picture.
  template <Detector D, Dataset Test>
  std::vector<CellRow> write(const ErasedScenario& scenario, Seed seed,
                             const TrainedCell<D>& trained, const MeasuredCell& measured,
                             const Test& test, std::int64_t evaluated) const {
    std::filesystem::remove(folder_ / "measured.txt");
    const auto rows = cell_rows(scenario, id_, seed, trained, measured);
    const auto clean = folder_ / "detections.csv", attacked = folder_ / "detections_attacked.csv";
    write_detections_csv(clean, measured.clean.detections, test.instances());
    write_detections_csv(attacked, measured.attacked.detections, test.instances());
    write_sample(measured.clean.detections, test, evaluated);
    write_tables(cells_csv(rows), evaluations_csv(evaluation_rows(scenario, id_, measured)));
    std::filesystem::remove(folder_ / "failed.txt");
    return rows;
  }

  /// Replaces the times of an evaluated cell; all else keeps its bytes. Ended half-way it leaves a
  /// cell without times, not without its evaluation.
  std::vector<CellRow> write(const InferenceTime& paper, const InferenceTime& standard) const {
    auto rows = read_cells(folder_ / "cells.csv");
    for (auto& row : rows) set_times(row, row.profile == kProfiles[0] ? paper : standard);
    auto evaluations = read_evaluations(folder_ / "evaluations.csv");
    std::erase_if(evaluations, [](const auto& row) { return row.metric.starts_with("ms_"); });
    for (auto& row : time_rows(id_, paper, standard)) evaluations.push_back(std::move(row));
    const auto cells_text = cells_csv(rows), evaluations_text = evaluations_csv(evaluations);
    auto either = seal_of_tables("");  // with the tables as they are, and as they will be
    either.set_file(folder_ / "evaluations.csv", evaluations_text);
    either.set_file(folder_ / "cells.csv", cells_text);
    either.write(folder_ / "measured.txt");
    write_tables(cells_text, evaluations_text);
    return rows;
  }

  /// What was found on clean images.
  [[nodiscard]] std::vector<Detection> clean_detections(const Instances& truth) const {
    return read_detections(folder_ / "detections.csv", truth);
  }

  /// Keeps the numbers under the suite; its attacks' detections have served.
  void write_suite(const std::vector<EvaluationRow>& rows) const {
    std::filesystem::remove(folder_ / "suite.txt");
    write_file(folder_ / "suite.csv", evaluations_csv(rows));
    Seal seal;
    seal.set("suite", suite_);
    seal.set_file(folder_ / "suite.csv");
    seal.write(folder_ / "suite.txt");
    std::filesystem::remove(folder_ / "failed.txt");
    std::filesystem::remove_all(trials());
  }

 private:
  /// What a failure of the cell as it is now depends on: once it is trained, all ways of measuring.
  [[nodiscard]] std::string failing() const {
    return trained() ? evaluation_ + timing_ + suite_ : evaluation_;
  }

  [[nodiscard]] std::optional<Seal> trained_seal() const {
    auto seal = Seal::read(folder_ / "trained.txt");
    const bool holds = seal && seal->text("key") == training_ &&
                       seal->has_size_of(folder_ / "network.cfg") &&
                       seal->has_size_of(folder_ / "network.weights");
    return holds ? std::move(seal) : std::nullopt;
  }

  [[nodiscard]] std::optional<Seal> measured_seal() const {
    if (!trained()) return std::nullopt;
    auto seal = Seal::read(folder_ / "measured.txt");
    const bool holds =
        seal && seal->text("evaluation") == evaluation_ && seal->holds(folder_ / "cells.csv") &&
        seal->holds(folder_ / "evaluations.csv") && seal->has_size_of(folder_ / "detections.csv") &&
        seal->has_size_of(folder_ / "detections_attacked.csv");
    return holds ? std::move(seal) : std::nullopt;
  }

  void write_tables(std::string_view cells, std::string_view evaluations) const {
    write_file(folder_ / "evaluations.csv", evaluations);
    write_file(folder_ / "cells.csv", cells);
    seal_of_tables(timing_).write(folder_ / "measured.txt");
  }

  /// Of the measured part, with its files as they are.
  [[nodiscard]] Seal seal_of_tables(std::string_view timing) const {
    Seal seal;
    seal.set("evaluation", evaluation_);
    seal.set("timing", timing);
    for (const char* file :
         {"cells.csv", "evaluations.csv", "detections.csv", "detections_attacked.csv"})
      seal.set_file(folder_ / file);
    return seal;
  }

  template <Dataset Test>
  void write_sample(const std::vector<Detection>& found, const Test& test,
                    std::int64_t evaluated) const {
    const auto& instances = test.instances();
    for (const auto index : telling_order(instances, evaluated)) {
      const auto picture = test.picture(static_cast<std::int64_t>(index));
      if (!picture) continue;  // unreadable: another one will do
      std::vector<Detection> shown;
      for (const auto& d : above(found, kPaperConfidence))
        if (d.image_id == instances.images[index].id) shown.push_back(d);
      Image drawn = *picture;
      draw_detections(drawn, shown, instances.categories);
      return write_png(sample(), drawn);
    }
  }

  /// The evaluated pictures, those with the most kinds of objects first: the first is shown for
  /// every cell.
  static std::vector<std::size_t> telling_order(const Instances& instances,
                                                std::int64_t evaluated) {
    std::vector<std::set<int>> kinds(instances.images.size());
    std::unordered_map<std::int64_t, std::size_t> index;
    for (std::size_t i = 0; i < instances.images.size(); ++i) index[instances.images[i].id] = i;
    for (const auto& a : instances.annotations) kinds[index.at(a.image_id)].insert(a.category);
    std::vector<std::size_t> order(
        evaluated > 0 ? std::min(kinds.size(), static_cast<std::size_t>(evaluated)) : kinds.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(
        order, [&](std::size_t x, std::size_t y) { return kinds[x].size() > kinds[y].size(); });
    return order;
  }

  std::filesystem::path folder_;
  CellId id_;
  std::string training_, evaluation_, timing_, suite_;
};

}  // namespace serpette
