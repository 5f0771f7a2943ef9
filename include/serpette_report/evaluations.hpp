#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/metric/masked_gradients.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/palette.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/text_table.hpp"

/// @file
/// What evaluations.csv tells beside cells.csv: AP50 under attacks that were not trained against,
/// over the attack's budget, and under the worst of them.

namespace serpette {

/// An attack at one strength.
struct AttackAt {
  std::string attack;
  double epsilon = 0;  ///< Its radius, as in evaluations.csv: of a pixel, or a length under L2.
  auto operator<=>(const AttackAt&) const = default;
};

/// The AP50 of evaluations.csv under one profile, or another number of it that is a fraction,
/// indexed.
class Evaluations {
 public:
  /// @param rows    of cells that the study has; other metrics and profiles are passed over, and so
  ///                is −1, which says that there was nothing to count.
  /// @param place   what errors call the rows, e.g. the file they come from.
  /// @throws Error  for a row of no cell of the study, one that stands there twice, or a number
  /// that is no fraction.
  Evaluations(const std::vector<EvaluationRow>& rows, const Study& study, std::string profile,
              std::string_view metric = "AP50", const std::string& place = "evaluations")
      : study_(&study), profile_(std::move(profile)) {
    std::map<std::string, std::map<double, std::size_t>> strengths;
    for (const auto& row : rows) {
      require(study.find(row.scenario, row.ratio, row.profile, row.run) != nullptr, place,
              "should be of cells that the study has, got {} run {} ratio {} ({})", row.scenario,
              row.run, row.ratio, row.profile);
      if (row.metric != metric || row.profile != profile_ || row.value == -1) continue;
      require(row.value >= 0 && row.value <= 1, place,
              "{} should be a fraction in [0, 1], got {} in {} run {} ratio {} under {}", metric,
              row.value, row.scenario, row.run, row.ratio, row.attack);
      const bool fresh = values_[{row.scenario, row.ratio, {row.attack, row.epsilon}}]
                             .emplace(row.run, row.value)
                             .second;
      require(fresh, place, "should hold each number once, got {} run {} ratio {} under {} twice",
              row.scenario, row.run, row.ratio, row.attack);
      if (row.attack != kClean) ++strengths[row.attack][row.epsilon];
    }
    for (const auto& [attack, counts] : strengths) {
      const auto usual = std::ranges::max_element(
          counts, [](const auto& a, const auto& b) { return a.second < b.second; });
      attacks_.push_back({attack, usual->first});
      auto& list = budgets_[attack];
      for (const auto& [epsilon, count] : counts) list.push_back(epsilon);
    }
  }

  /// Every attack at the strength that most cells were evaluated at.
  [[nodiscard]] const std::vector<AttackAt>& attacks() const { return attacks_; }
  /// Those that are compared at one strength: not a curve's, whose points may lie outside the ball
  /// that the others keep to.
  [[nodiscard]] std::vector<AttackAt> side_by_side() const {
    auto list = attacks_;
    std::erase_if(list, [](const AttackAt& at) { return is_of_curve(at.attack); });
    return list;
  }
  /// The strengths of an attack, ascending.
  [[nodiscard]] const std::vector<double>& budgets(const std::string& attack) const {
    return budgets_.at(attack);
  }
  [[nodiscard]] const Study& study() const { return *study_; }

  /// One value per run, by run ascending; none where it was not evaluated.
  [[nodiscard]] std::vector<double> values(const std::string& scenario, const std::string& ratio,
                                           const AttackAt& at) const {
    std::vector<double> found;
    if (const auto cell = values_.find({scenario, ratio, at}); cell != values_.end())
      for (const auto& [run, value] : cell->second) found.push_back(value);
    return found;
  }
  [[nodiscard]] std::vector<double> clean(const std::string& scenario,
                                          const std::string& ratio) const {
    return values(scenario, ratio, {std::string(kClean), 0});
  }

  /// Per run the lowest value under any of the attacks that stand side by side; none unless two of
  /// them were tried.
  [[nodiscard]] std::vector<double> worst(const std::string& scenario,
                                          const std::string& ratio) const {
    std::map<std::int64_t, double> lowest;
    std::size_t tried = 0;
    for (const auto& at : side_by_side())
      if (const auto cell = values_.find({scenario, ratio, at}); cell != values_.end()) {
        ++tried;
        for (const auto& [run, value] : cell->second) {
          const auto [place, fresh] = lowest.emplace(run, value);
          place->second = std::min(place->second, value);
        }
      }
    std::vector<double> found;
    if (tried >= 2)
      for (const auto& [run, value] : lowest) found.push_back(value);
    return found;
  }

  /// Scenario and ratio of all that was evaluated under some attack, the untouched network first.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> rows() const {
    std::vector<std::pair<std::string, std::string>> list;
    auto scenarios = study_->scenarios();
    scenarios.insert(scenarios.begin(), std::string(kOriginal));
    for (const auto& scenario : scenarios)
      for (const auto& ratio : study_->ratios())
        if (std::ranges::any_of(values_, [&](const auto& entry) {
              const auto& [of, at_ratio, at] = entry.first;
              return of == scenario && at_ratio == ratio && at.attack != kClean;
            }))
          list.emplace_back(scenario, ratio);
    return list;
  }

 private:
  static constexpr std::string_view kClean = "None";

  const Study* study_;
  std::string profile_;
  std::map<std::tuple<std::string, std::string, AttackAt>, std::map<std::int64_t, double>> values_;
  std::vector<AttackAt> attacks_;
  std::map<std::string, std::vector<double>> budgets_;
};

/// "PGD, ε 0.05"; without a budget the name alone.
inline std::string attack_label(const AttackAt& at) {
  return at.epsilon > 0 ? fmt::format("{}, ε {:.4g}", at.attack, at.epsilon) : at.attack;
}

/// Scenario × ratio by attack: mean AP50 over the runs, clean, under each attack, and under the
/// worst per run. Empty unless some cell was evaluated under two attacks.
inline TextTable attacks_table(const Evaluations& evaluations) {
  TextTable table{.name = "attacks",
                  .title = "AP50 under each attack, and under the worst of a run",
                  .header = {"Scenario", "Pruned", "clean"},
                  .rows = {}};
  for (const auto& at : evaluations.side_by_side()) table.header.push_back(attack_label(at));
  table.header.emplace_back("worst");
  const auto print = [](const std::vector<double>& values) {
    return detail::printed(mean(values), 3);
  };
  for (const auto& [scenario, ratio] : evaluations.rows()) {
    const auto worst = evaluations.worst(scenario, ratio);
    if (worst.empty()) continue;
    auto& row = table.rows.emplace_back(std::vector{scenario_label(scenario), ratio + " %",
                                                    print(evaluations.clean(scenario, ratio))});
    for (const auto& at : evaluations.side_by_side())
      row.push_back(print(evaluations.values(scenario, ratio, at)));
    row.push_back(print(worst));
  }
  return table;
}

/// Scenario × ratio by attack: means over the runs of what tells places from names. Empty unless
/// some cell was evaluated under an attack.
/// @param of  evaluations of that number.
inline TextTable parts_table(const Evaluations& of, std::string name, std::string title) {
  TextTable table{.name = std::move(name),
                  .title = std::move(title),
                  .header = {"Scenario", "Pruned", "clean"},
                  .rows = {}};
  for (const auto& at : of.side_by_side()) table.header.push_back(attack_label(at));
  for (const auto& [scenario, ratio] : of.rows()) {
    auto& row =
        table.rows.emplace_back(std::vector{scenario_label(scenario), ratio + " %",
                                            detail::printed(mean(of.clean(scenario, ratio)), 3)});
    for (const auto& at : of.side_by_side())
      row.push_back(detail::printed(mean(of.values(scenario, ratio, at)), 3));
  }
  return table;
}

/// Scenario × ratio by budget: mean AP50 over the runs. Empty unless the attack was tried at two.
inline TextTable budgets_table(const Evaluations& evaluations, const std::string& attack) {
  TextTable table{.name = "budgets",
                  .title = fmt::format("AP50 under {} by its radius", attack),
                  .header = {"Scenario", "Pruned", "0 (clean)"},
                  .rows = {}};
  const auto& budgets = evaluations.budgets(attack);
  if (budgets.size() < 2) return table;
  for (const double epsilon : budgets) table.header.push_back(fmt::format("ε {:.4g}", epsilon));
  for (const auto& [scenario, ratio] : evaluations.rows()) {
    std::vector<std::string> row{scenario_label(scenario), ratio + " %",
                                 detail::printed(mean(evaluations.clean(scenario, ratio)), 3)};
    std::size_t there = 0;
    for (const double epsilon : budgets) {
      const auto values = evaluations.values(scenario, ratio, {attack, epsilon});
      there += values.empty() ? 0 : 1;
      row.push_back(detail::printed(mean(values), 3));
    }
    if (there >= 2) table.rows.push_back(std::move(row));
  }
  return table;
}

/// AP50 over the budget of an attack, from clean images on: of each scenario a curve unpruned and
/// one at the largest ratio that was tried at two strengths, and the untouched network.
inline Figure budgets_figure(const Evaluations& evaluations, const std::string& attack) {
  Figure figure{fmt::format("AP50 by the strength of {}, unpruned and pruned", attack),
                "Radius, ε",
                "AP50",
                {}};
  const auto curve = [&](const std::string& scenario, const std::string& ratio,
                         const SeriesStyle& style) {
    const auto label = ratio == "0" ? scenario_label(scenario)
                                    : fmt::format("{}, {} %", scenario_label(scenario), ratio);
    Series series{label, style, {}, {}, {}};
    const auto add = [&](double epsilon, std::vector<double> values) {
      if (values.empty()) return;
      const auto d = describe(values);
      series.x.push_back(epsilon), series.mean.push_back(d.mean);
      series.spread.push_back(d.population_sd);
      series.runs.push_back(values.size() > 1 ? std::move(values) : std::vector<double>{});
    };
    add(0, evaluations.clean(scenario, ratio));
    for (const double epsilon : evaluations.budgets(attack))
      add(epsilon, evaluations.values(scenario, ratio, {attack, epsilon}));
    const bool has_strengths = series.x.size() >= 3;
    if (has_strengths) figure.series.push_back(std::move(series));
    return has_strengths;
  };
  const auto& study = evaluations.study();
  const auto styles = scenario_styles(study.scenarios());
  for (std::size_t i = 0; i < study.scenarios().size(); ++i) {
    const auto& scenario = study.scenarios()[i];
    curve(scenario, "0", styles[i]);
    auto pruned = styles[i];
    pruned.dash = "1 3";
    for (const auto& ratio : study.ratios() | std::views::reverse)
      if (ratio != "0" && curve(scenario, ratio, pruned)) break;
  }
  curve(std::string(kOriginal), "0", original_style());
  return figure;
}

/// AP50 over the pruning ratio under the worst attack of each run; a curve per scenario that was
/// evaluated at two ratios or more.
inline Figure worst_figure(const Evaluations& evaluations) {
  const auto& study = evaluations.study();
  Figure figure{"AP50 under the worst attack of each run", "Pruning ratio [%]", "AP50", {}};
  if (const auto whole = evaluations.worst(std::string(kOriginal), "0"); !whole.empty()) {
    const auto d = describe(whole);
    figure.levels.push_back({scenario_label(kOriginal), original_style(), d.mean, d.population_sd});
  }
  const auto styles = scenario_styles(study.scenarios());
  for (std::size_t i = 0; i < study.scenarios().size(); ++i) {
    Series series{scenario_label(study.scenarios()[i]), styles[i], {}, {}, {}};
    for (const auto& ratio : study.ratios()) {
      auto values = evaluations.worst(study.scenarios()[i], ratio);
      if (values.empty()) continue;
      const auto d = describe(values);
      series.x.push_back(percent(ratio)), series.mean.push_back(d.mean);
      series.spread.push_back(d.population_sd);
      series.runs.push_back(values.size() > 1 ? std::move(values) : std::vector<double>{});
    }
    if (series.x.size() >= 2) figure.series.push_back(std::move(series));
  }
  return figure;
}

/// Signs that gradients are masked (metric/masked_gradients.hpp), network by network, of the means
/// over the runs.
/// @param of        AP50.
/// @param vanished  evaluations of `vanished_gradients`.
inline std::vector<std::string> masking_remarks(const Evaluations& of,
                                                const Evaluations& vanished) {
  constexpr std::string_view kWorst = "Worst case";  // no attack, but the worst of each image
  std::vector<std::string> remarks;
  for (const auto& [scenario, ratio] : of.rows()) {
    std::vector<UnderAttack> all{under_attack("None", 0, mean(of.clean(scenario, ratio)))};
    for (const auto& at : of.attacks())
      for (const double epsilon : of.budgets(at.attack))
        if (const auto values = of.values(scenario, ratio, {at.attack, epsilon});
            !values.empty() && at.attack != kWorst)
          all.push_back(under_attack(at.attack, epsilon, mean(values)));
    for (const auto& sign : signs_of_masking(all, mean(vanished.clean(scenario, ratio))))
      remarks.push_back(fmt::format("{} at {} %: {}", scenario_label(scenario), ratio, sign));
  }
  return remarks;
}

}  // namespace serpette
