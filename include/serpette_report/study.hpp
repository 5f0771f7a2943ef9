#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/scenario/catalogue.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/metric.hpp"

namespace serpette {

/// What a Study accepts.
struct StudyRules {
  bool partial = false;  ///< Whether cells may be missing; tests then run on unbalanced groups.
};

/// The cells of one study, checked and indexed: every scenario × ratio × profile has the same runs.
/// The untouched network (scenario `original`) stands beside the scenarios, not among them.
class Study {
 public:
  /// @throws Error  if no network is pruned, a scenario is no id that files may be named by, a cell
  /// stands there twice, a scenario mixes policies or networks, an AP is no number in [0, 1], or
  /// (unless `rules.partial`) a cell is missing.
  /// @param place   what the messages call the cells, e.g. the file.
  explicit Study(std::vector<CellRow> cells, std::string place = "cells", StudyRules rules = {})
      : cells_(std::move(cells)), place_(std::move(place)) {
    require(!cells_.empty(), place_, "should have at least one cell, got none");
    index();
    check_configurations();
    check_numbers();
    if (!rules.partial) check_complete();
  }

  /// In the catalogue's order, those it does not know behind.
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
  [[nodiscard]] bool knows(std::string_view scenario) const {
    return std::ranges::find(scenarios_, scenario) != scenarios_.end();
  }

  /// What the study is about: AP50 under attack where it was measured.
  [[nodiscard]] const Metric& headline() const { return metrics_.front(); }

  /// The metric's label, with the attack's own name if all scenarios share one.
  [[nodiscard]] std::string label(const Metric& m) const {
    std::string text(m.label);
    constexpr std::string_view kAny = "under attack";
    const auto at = text.find(kAny);
    if (at == std::string::npos || attack_.empty()) return text;
    return text.replace(at, kAny.size(), "under " + attack_);
  }

  /// Number of pruned networks: a network under two profiles counts once.
  [[nodiscard]] std::size_t networks() const { return pruned_ / profiles_.size(); }

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

  /// One cell's number; NaN for a retention whose whole is missing or 0.
  [[nodiscard]] double value(const CellRow& cell, const Metric& m) const {
    if (!m.is_retention) return m.of(cell);
    const auto* whole = find(cell.scenario, "0", cell.profile, cell.run);
    return whole == nullptr || !(m.of(*whole) > 0) ? NAN : m.of(cell) / m.of(*whole);
  }

  /// One value per run that is there, by run ascending; what is no number is left out.
  [[nodiscard]] std::vector<double> values(std::string_view scenario, std::string_view ratio,
                                           std::string_view profile, const Metric& m) const {
    std::vector<double> found;
    for (const auto run : runs_)
      if (const auto* cell = find(scenario, ratio, profile, run))
        if (const double v = value(*cell, m); !std::isnan(v)) found.push_back(v);
    return found;
  }

  /// The untouched network's values, one per run of it; none where it was not measured. A part of
  /// itself it does not keep: none for retentions.
  [[nodiscard]] std::vector<double> original(std::string_view profile, const Metric& m) const {
    std::vector<double> found;
    if (m.is_retention) return found;
    for (const auto& cell : cells_)
      if (cell.scenario == kOriginal && cell.profile == profile && std::isfinite(m.of(cell)))
        found.push_back(m.of(cell));
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
    std::set<std::string> attacks;
    const auto note = [](std::vector<std::string>& list, const std::string& name) {
      if (std::ranges::find(list, name) == list.end()) list.push_back(name);
    };
    for (const auto& cell : cells_) {
      require(is_file_id(cell.scenario), place_,
              "scenario names files and should be of letters, digits, _, - and . alone, got \"{}\"",
              cell.scenario);
      const bool fresh =
          by_key_.emplace(Key{cell.scenario, cell.ratio, cell.profile, cell.run}, &cell).second;
      require(fresh, place_,
              "each cell should stand there once, got {} run {} ratio {} profile {} twice",
              cell.scenario, cell.run, cell.ratio, cell.profile);
      if (cell.scenario == kOriginal) {
        require(cell.ratio == "0", place_, "the untouched network should be at 0 %, got {} %",
                cell.ratio);
        continue;
      }
      ++pruned_;
      note(scenarios_, cell.scenario);
      note(ratios_, cell.ratio);
      note(profiles_, cell.profile);
      runs.insert(cell.run);
      attacks.insert(cell.attack);
    }
    require(pruned_ > 0, place_, "should have a scenario, got the untouched network alone");
    runs_.assign(runs.begin(), runs.end());
    if (attacks.size() == 1 && *attacks.begin() != "None") attack_ = *attacks.begin();
    std::ranges::sort(ratios_, {}, [](const auto& text) { return Ratio::parse(text).fraction(); });
    std::ranges::sort(profiles_, std::greater<>());  // standard before paper
    std::ranges::stable_sort(scenarios_, {}, catalogue_place);
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
    const bool keeps = ratios_.size() > 1 && ratios_.front() == "0";
    for (const auto& m : kMetrics) {
      const bool measured = std::ranges::any_of(cells_, [&](const CellRow& c) {
        return c.scenario != kOriginal && (m.decimals == 0 ? m.of(c) != 0 : !std::isnan(m.of(c)));
      });
      if (measured && (keeps || !m.is_retention)) metrics_.push_back(m);
    }
    require(!metrics_.empty(), place_, "should hold at least one metric, got none but NaN");
    for (const auto& cell : cells_)
      for (const auto& m : metrics_) {
        const double value = m.of(cell);
        const bool is_fraction = m.id.find("AP") != std::string_view::npos;
        if (cell.scenario == kOriginal && std::isnan(value)) continue;  // need not be measured
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
         pruned_, pruned_ + list.size(), some, list.size() > 3 ? "; …" : "");
  }

  std::vector<CellRow> cells_;
  std::string place_, attack_;
  std::vector<std::string> scenarios_, ratios_, profiles_;
  std::vector<std::int64_t> runs_;
  std::vector<Metric> metrics_;
  std::map<Key, const CellRow*> by_key_;
  std::size_t pruned_ = 0;

 public:
  Study(const Study&) = delete;  // by_key_ points into cells_
  Study& operator=(const Study&) = delete;
  Study(Study&&) = default;
  Study& operator=(Study&&) = default;
};

/// A ratio as a number [%].
inline double percent(const std::string& ratio) { return std::strtod(ratio.c_str(), nullptr); }

}  // namespace serpette
