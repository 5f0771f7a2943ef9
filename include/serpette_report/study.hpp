#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/scenario/catalogue.hpp"
#include "serpette/study/cells.hpp"

namespace serpette {

/// A number that every cell has, as reports show it.
struct Metric {
  std::string_view id;  ///< Column of cells.csv.
  std::string_view label;
  std::string_view unit;  ///< "" for fractions.
  bool more_is_better = true;
  int decimals = 3;
  double (*of)(const CellRow&) = nullptr;
};

/// What reports can show, most wanted first.
inline constexpr std::array kMetrics{
    Metric{"AP50", "AP50", "", true, 3, [](const CellRow& c) { return c.ap50; }},
    Metric{"AP", "AP (IoU 0.50:0.95)", "", true, 3, [](const CellRow& c) { return c.ap; }},
    Metric{"AP75", "AP75", "", true, 3, [](const CellRow& c) { return c.ap75; }},
    Metric{"robust_AP50", "Robust AP50 (attacked images)", "", true, 3,
           [](const CellRow& c) { return c.robust_ap50; }},
    Metric{"robust_AP", "Robust AP (attacked images)", "", true, 3,
           [](const CellRow& c) { return c.robust_ap; }},
    Metric{"ms_network", "Network time", "ms", false, 2,
           [](const CellRow& c) { return c.ms_network; }},
    Metric{"ms_total", "Total time per image", "ms", false, 2,
           [](const CellRow& c) { return c.ms_total; }},
    Metric{"ms_input", "Input time", "ms", false, 2, [](const CellRow& c) { return c.ms_input; }},
    Metric{"ms_post", "Post-processing time", "ms", false, 2,
           [](const CellRow& c) { return c.ms_post; }},
    Metric{"parameters", "Parameters", "", false, 0,
           [](const CellRow& c) { return double(c.parameters); }},
    Metric{"macs", "Multiply-adds", "", false, 0, [](const CellRow& c) { return double(c.macs); }},
    Metric{"weights_kept", "Weights kept", "", false, 0,
           [](const CellRow& c) { return double(c.weights_kept); }},
    Metric{"filters_kept", "Filters kept", "", false, 0,
           [](const CellRow& c) { return double(c.filters_kept); }},
};

/// Any metric by its id, whether a study has it or not.
/// @throws Error  naming the known ones.
inline const Metric& metric(std::string_view id) {
  for (const auto& m : kMetrics)
    if (m.id == id) return m;
  fail("metric", "should be a column that reports know (AP50, ms_network, …), got \"{}\"", id);
}

/// What a Study accepts.
struct StudyRules {
  bool partial = false;  ///< Whether cells may be missing; tests then run on unbalanced groups.
};

/// The cells of one study, checked and indexed: every scenario × ratio × profile has the same runs.
class Study {
 public:
  /// @throws Error  if there are no cells, a cell stands there twice, a scenario mixes policies or
  /// networks, an AP is
  ///                no number in [0, 1], or (unless `rules.partial`) a cell is missing.
  /// @param place   what the messages call the cells, e.g. the file.
  explicit Study(std::vector<CellRow> cells, std::string place = "cells", StudyRules rules = {})
      : cells_(std::move(cells)), place_(std::move(place)) {
    require(!cells_.empty(), place_, "should have at least one cell, got none");
    index();
    check_configurations();
    check_numbers();
    if (!rules.partial) check_complete();
  }

  [[nodiscard]] const std::vector<std::string>& scenarios() const { return scenarios_; }
  [[nodiscard]] const std::vector<std::string>& ratios() const { return ratios_; }  ///< Ascending.
  [[nodiscard]] const std::vector<std::int64_t>& runs() const { return runs_; }
  [[nodiscard]] const std::vector<std::string>& profiles() const { return profiles_; }
  [[nodiscard]] const std::vector<CellRow>& cells() const { return cells_; }
  [[nodiscard]] const std::string& place() const { return place_; }

  /// The metrics that were measured: a column that holds NaN (or, for counts, 0) in every cell is
  /// none.
  [[nodiscard]] const std::vector<Metric>& metrics() const { return metrics_; }
  [[nodiscard]] bool has(std::string_view id) const {
    return std::ranges::find(metrics_, id, &Metric::id) != metrics_.end();
  }

  /// Number of pruned networks: a network under two profiles counts once.
  [[nodiscard]] std::size_t networks() const { return cells_.size() / profiles_.size(); }

  /// "standard" if the study has it.
  [[nodiscard]] const std::string& main_profile() const {
    const auto found = std::ranges::find(profiles_, "standard");
    return found == profiles_.end() ? profiles_.front() : *found;
  }

  [[nodiscard]] const CellRow* find(std::string_view scenario, std::string_view ratio,
                                    std::string_view profile, std::int64_t run) const {
    const auto found = by_key_.find(Key{scenario, ratio, profile, run});
    return found == by_key_.end() ? nullptr : found->second;
  }

  /// One value per run that is there, by run ascending.
  [[nodiscard]] std::vector<double> values(std::string_view scenario, std::string_view ratio,
                                           std::string_view profile, const Metric& metric) const {
    std::vector<double> found;
    for (const auto run : runs_)
      if (const auto* cell = find(scenario, ratio, profile, run)) found.push_back(metric.of(*cell));
    return found;
  }

  /// What is missing for a balanced study, e.g. "structured_hydra run 3 ratio 75 (standard)".
  [[nodiscard]] std::vector<std::string> missing() const {
    std::vector<std::string> list;
    for (const auto& scenario : scenarios_)
      for (const auto run : runs_)
        for (const auto& ratio : ratios_)
          for (const auto& profile : profiles_)
            if (find(scenario, ratio, profile, run) == nullptr)
              list.push_back(fmt::format("{} run {} ratio {} ({})", scenario, run, ratio, profile));
    return list;
  }

 private:
  using Key = std::tuple<std::string_view, std::string_view, std::string_view, std::int64_t>;

  void index() {
    std::set<std::int64_t> runs;
    const auto note = [](std::vector<std::string>& list, const std::string& name) {
      if (std::ranges::find(list, name) == list.end()) list.push_back(name);
    };
    for (const auto& cell : cells_) {
      note(scenarios_, cell.scenario);
      note(ratios_, cell.ratio);
      note(profiles_, cell.profile);
      runs.insert(cell.run);
      const bool fresh =
          by_key_.emplace(Key{cell.scenario, cell.ratio, cell.profile, cell.run}, &cell).second;
      require(fresh, place_,
              "each cell should stand there once, got {} run {} ratio {} profile {} twice",
              cell.scenario, cell.run, cell.ratio, cell.profile);
    }
    runs_.assign(runs.begin(), runs.end());
    std::ranges::sort(ratios_, {}, [](const auto& text) { return Ratio::parse(text).fraction(); });
    std::ranges::sort(profiles_, std::greater<>());  // standard before paper
    static constexpr std::array kPaperOrder{"unstructured_deeplift", "unstructured_hydra",
                                            "structured_deeplift", "structured_hydra",
                                            "unstructured_deeplift_greyscale"};
    std::ranges::stable_sort(scenarios_, {}, [](const std::string& id) {
      return std::ranges::find(kPaperOrder, id) - kPaperOrder.begin();
    });
  }

  void check_configurations() const {
    std::map<std::string_view, const CellRow*> first, unpruned;
    std::map<std::pair<std::string_view, std::int64_t>, std::uint64_t> seeds;
    for (const auto& cell : cells_) {
      const auto& other = *first.emplace(cell.scenario, &cell).first->second;
      const auto policies = [](const CellRow& c) {
        return fmt::format("{} / {} / {} / {}", c.score_init, c.granularity, c.attack, c.color);
      };
      require(policies(cell) == policies(other), place_,
              "the cells of {} should share one configuration, got both \"{}\" and \"{}\"",
              cell.scenario, policies(other), policies(cell));
      const auto seed =
          seeds.emplace(std::pair(std::string_view(cell.scenario), cell.run), cell.seed)
              .first->second;
      require(seed == cell.seed, place_,
              "run {} of {} should have one seed, got {} and {}: two studies in one file?",
              cell.run, cell.scenario, seed, cell.seed);
      if (cell.ratio != "0") continue;  // nothing is pruned there: one network for all
      const auto& whole = *unpruned.emplace(cell.scenario, &cell).first->second;
      require(whole.parameters == cell.parameters && whole.macs == cell.macs, place_,
              "the unpruned cells of {} should be one network, got {} parameters and {} "
              "multiply-adds in run {}, "
              "{} and {} in run {}",
              cell.scenario, whole.parameters, whole.macs, whole.run, cell.parameters, cell.macs,
              cell.run);
    }
  }

  void check_numbers() {
    for (const auto& m : kMetrics)
      if (!std::ranges::all_of(cells_, [&](const CellRow& c) {
            return m.decimals == 0 ? m.of(c) == 0 : std::isnan(m.of(c));
          }))
        metrics_.push_back(m);
    require(!metrics_.empty(), place_, "should hold at least one metric, got none but NaN");
    for (const auto& cell : cells_)
      for (const auto& m : metrics_) {
        const double value = m.of(cell);
        const bool is_fraction = m.id.find("AP") != std::string_view::npos;
        require(std::isfinite(value) && value >= 0 && (!is_fraction || value <= 1), place_,
                "{} should be {}, got {} in {} run {} ratio {} ({})", m.id,
                is_fraction ? "a fraction in [0, 1]" : "a number from 0", value, cell.scenario,
                cell.run, cell.ratio, cell.profile);
      }
  }

  void check_complete() const {
    const auto list = missing();
    if (list.empty()) return;
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(list.size(), 3); ++i)
      some += (i == 0 ? "" : "; ") + list[i];
    fail(place_,
         "should have every scenario × run × ratio × profile, got {} cells of {}; missing: {}{}",
         cells_.size(), cells_.size() + list.size(), some, list.size() > 3 ? "; …" : "");
  }

  std::vector<CellRow> cells_;
  std::string place_;
  std::vector<std::string> scenarios_, ratios_, profiles_;
  std::vector<std::int64_t> runs_;
  std::vector<Metric> metrics_;
  std::map<Key, const CellRow*> by_key_;

 public:
  Study(const Study&) = delete;  // by_key_ points into cells_
  Study& operator=(const Study&) = delete;
  Study(Study&&) = default;
  Study& operator=(Study&&) = default;
};

}  // namespace serpette
