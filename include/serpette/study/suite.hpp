#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/method/robustness.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/metric/localisation.hpp"
#include "serpette/study/cell_files.hpp"
#include "serpette/study/cells.hpp"
#include "serpette/study/estimate.hpp"
#include "serpette/study/kept_trials.hpp"

namespace serpette {

/// A number of an evaluation.
struct ProfiledNumber {
  std::string_view profile, metric;
  double value = 0;
};

/// The numbers of an evaluation, those that tell places from names behind COCO's.
/// @param at_standard, at_paper  the same but for worst cases, which are of a profile.
inline std::vector<ProfiledNumber> suite_numbers(const Instances& truth,
                                                 const Evaluation& at_standard,
                                                 const Evaluation& at_paper) {
  std::vector<ProfiledNumber> numbers;
  for (const auto& [profile, summary, detections, confidence] :
       {std::tuple{"paper", &at_paper.paper, &at_paper.detections, kPaperConfidence},
        std::tuple{"standard", &at_standard.standard, &at_standard.detections,
                   kStandardConfidence}}) {
    for (const auto& [metric, value] : summary->numbers())
      numbers.push_back({profile, metric, value});
    const auto places =
        evaluate_without_classes(truth, above(*detections, confidence), at::get_num_threads());
    numbers.push_back({profile, "AP50_places", places.AP50});
    const auto objects = placed_objects(truth, *detections, confidence);
    numbers.push_back({profile, "placed", static_cast<double>(objects.placed)});
    numbers.push_back({profile, "rightly_named", objects.share()});
  }
  return numbers;
}

/// Whether a trial is one of those that the worst case of an image is looked for among: in the
/// ball, and neither noise nor another strength.
inline bool is_in_worst_case(const Trial& trial) {
  return !trial.for_curve && trial.access != Access::kNoise;
}

/// What evaluations.csv calls a trial: by its label, marked where the scenario's own attack has the
/// same at that strength.
/// @param own  the scenario's attack, whose numbers are the cell's own rows.
inline std::string suite_label(const ErasedAttack& own, const Trial& trial) {
  const auto& attack = trial.attack;
  const bool taken =
      !own.is_identity && own.name == attack.label && own.epsilon == attack.epsilon();
  return taken ? attack.label + std::string(kOfSuite) : attack.label;
}

/// A finished network under the experiment's suite, as rows of evaluations.csv: every attack, each
/// image under its worst (`Worst case`), and of clean images what no row of the cell's own says.
/// @param unpruned  the network that the transferred attack is made on; without it that one is left
///                  out.
/// @param clean     what the network finds on clean images.
/// @param kept      of this cell; its truth is `truth`.
/// @param truth     of the images that are evaluated.
template <Detector D, Dataset Train, Dataset Test, Observer O>
std::vector<EvaluationRow> suite_rows(const ErasedScenario& scenario,
                                      const Experiment<D, Train, Test>& e, D& network, D* unpruned,
                                      const CellId& id, std::vector<Detection> clean,
                                      const Instances& truth, const KeptTrials& kept, O& observer) {
  const auto& settings = e.budget.evaluate;
  const auto seed = e.seed.derive("run").derive(static_cast<std::uint64_t>(id.run)).derive("suite");
  const auto as_it_is = evaluation_of(truth, std::move(clean));
  auto frozen = network.frozen();
  std::vector<EvaluationRow> rows;
  const auto add = [&](const std::string& label, double epsilon, const ProfiledNumber& number) {
    rows.push_back({id.scenario, id.run, id.ratio.str(), label, epsilon,
                    std::string(number.profile), std::string(number.metric), number.value});
  };
  std::vector<TrialResult> each;
  each.reserve(e.suite.size());
  std::vector<const Evaluation*> in_ball{&as_it_is};
  double epsilon = 0;
  for (const Trial& trial : e.suite) {
    if (trial.access == Access::kNone || (trial.access == Access::kTransfer && !unpruned)) continue;
    D& attacked = trial.access == Access::kTransfer ? *unpruned : network;
    each.push_back(kept.get(trial.id, trial, [&] {
      notify::stage(observer, suite_stage(trial), evaluated_images(e.test, settings));
      return evaluate_trial(network, frozen, attacked, e.test, scenario.color, trial.attack.attack,
                            settings, seed.derive(trial.id), e.device, observer);
    }));
    const auto& found = each.back().evaluation;
    for (const auto& number : suite_numbers(truth, found, found))
      add(suite_label(scenario.attack, trial), trial.attack.epsilon(), number);
    if (!is_in_worst_case(trial)) continue;
    in_ball.push_back(&found);
    epsilon = std::max(epsilon, trial.attack.epsilon());
  }
  const auto worst = worst_cases(truth, in_ball);
  for (const auto& number : suite_numbers(truth, worst.standard.evaluation, worst.paper.evaluation))
    add("Worst case", epsilon, number);
  for (const auto& number : suite_numbers(truth, as_it_is, as_it_is))
    if (number.metric == "AP50_places" || number.metric == "placed" ||
        number.metric == "rightly_named")
      add("None", 0, number);
  return rows;
}

/// The rows of one cell; the attack that is transferred is made on the robust network of its run
/// before anything was pruned. Of the network as it came none is transferred.
/// @param evaluation  the cell's key of that name: an attack that is kept holds whichever others
/// are asked for beside it.
/// @param files       the cell's; its network has been measured.
template <Detector D, Dataset Train, Dataset Test, Observer O>
std::vector<EvaluationRow> suite_of_cell(const ErasedScenario& scenario,
                                         const Experiment<D, Train, Test>& e, const Store& store,
                                         D& network, const CellId& id, std::string_view evaluation,
                                         const CellFiles& files, O& observer) {
  notify::stage(observer, "gradients", 0);
  const auto flow = gradient_flow(network, e.test, scenario.color, e.budget.evaluate, e.device);
  const auto truth = evaluated_truth(e.test, e.budget.evaluate);  // all pictures have been read
  const KeptTrials kept(store, files.trials(), truth, fingerprint(evaluation));
  std::optional<D> unpruned;
  if (id.scenario != kOriginal) {
    unpruned = e.start(scenario.color.name).clone();
    robust_pretraining(Cell(scenario, e, store, id, observer), *unpruned);
  }
  auto rows = suite_rows(scenario, e, network, unpruned ? &*unpruned : nullptr, id,
                         files.clean_detections(truth), truth, kept, observer);
  rows.push_back({id.scenario, id.run, id.ratio.str(), "None", 0, "standard", "vanished_gradients",
                  static_cast<double>(flow.vanished) / static_cast<double>(flow.images)});
  return rows;
}

}  // namespace serpette
