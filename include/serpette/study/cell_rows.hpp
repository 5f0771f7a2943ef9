#pragma once

#include <array>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/graph/footprint.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/study/cells.hpp"

namespace serpette {

/// The two output profiles of a study, in the order of its rows.
inline constexpr std::array<std::string_view, 2> kProfiles{"paper", "standard"};

/// The columns that hold a time.
inline void set_times(CellRow& row, const InferenceTime& time) {
  row.ms_input = time.input.median;
  row.ms_network = time.network.median;
  row.ms_post = time.post.median;
  row.ms_total = time.total.median;
}

/// A cell's numbers as rows of cells.csv, one per profile.
template <Detector D>
std::vector<CellRow> cell_rows(const ErasedScenario& scenario, const CellId& id, Seed seed,
                               const TrainedCell<D>& trained, const MeasuredCell& measured) {
  const bool original = id.scenario == kOriginal;
  const auto name = [&](std::string_view policy) {
    return std::string(original ? "None" : policy);
  };
  const auto row = [&](std::string_view profile, const CocoSummary& clean,
                       const CocoSummary& attacked, const InferenceTime& time) {
    CellRow r{.scenario = id.scenario,
              .score_init = name(scenario.score.name),
              .granularity = name(scenario.pruning.granularity),
              .attack = std::string(scenario.attack.name),
              .color = std::string(scenario.color.name),
              .run = id.run,
              .ratio = id.ratio.str(),
              .seed = seed.value(),
              .profile = std::string(profile),
              .ap = clean.AP,
              .ap50 = clean.AP50,
              .ap75 = clean.AP75,
              .robust_ap = attacked.AP,
              .robust_ap50 = attacked.AP50,
              .weights_kept = trained.kept.weights,
              .filters_kept = trained.kept.filters,
              .parameters = parameters(trained.network.graph()),
              .macs = macs(trained.network.graph()),
              .seconds_pretrain = trained.seconds_pretrain,
              .seconds_scores = trained.seconds_scores,
              .seconds_finetune = trained.seconds_finetune,
              .train_unreadable = trained.unreadable,
              .test_unreadable = measured.clean.unreadable};
    set_times(r, time);
    return r;
  };
  const auto& [clean, attacked, paper, standard] = measured;
  return {row(kProfiles[0], clean.paper, attacked.paper, paper),
          row(kProfiles[1], clean.standard, attacked.standard, standard)};
}

/// The mean times of a cell as rows of evaluations.csv.
inline std::vector<EvaluationRow> time_rows(const CellId& id, const InferenceTime& paper,
                                            const InferenceTime& standard) {
  std::vector<EvaluationRow> rows;
  for (const auto& [profile, time] :
       {std::pair{kProfiles[0], &paper}, std::pair{kProfiles[1], &standard}})
    for (const auto& [metric, part] :
         {std::pair{"ms_input_mean", &time->input}, std::pair{"ms_network_mean", &time->network},
          std::pair{"ms_post_mean", &time->post}, std::pair{"ms_total_mean", &time->total}})
      rows.push_back({id.scenario, id.run, id.ratio.str(), "None", 0, std::string(profile), metric,
                      part->mean});
  return rows;
}

/// All COCO numbers of a cell, then its mean times, as rows of evaluations.csv.
inline std::vector<EvaluationRow> evaluation_rows(const ErasedScenario& scenario, const CellId& id,
                                                  const MeasuredCell& measured) {
  std::vector<EvaluationRow> rows;
  const auto add = [&](std::string_view attack, double bound, const Evaluation& found) {
    for (const auto& [profile, summary] :
         {std::pair{kProfiles[0], &found.paper}, std::pair{kProfiles[1], &found.standard}})
      for (const auto& [metric, value] : summary->numbers())
        rows.push_back({id.scenario, id.run, id.ratio.str(), std::string(attack), bound,
                        std::string(profile), std::string(metric), value});
  };
  add("None", 0, measured.clean);
  if (const auto& a = scenario.attack; !a.is_identity) add(a.name, a.epsilon, measured.attacked);
  for (auto& row : time_rows(id, measured.paper, measured.standard)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace serpette
