#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "serpette/concepts/observer.hpp"
#include "serpette/method/experiment.hpp"
#include "serpette/method/stage_store.hpp"
#include "serpette/scenario/erased.hpp"

namespace serpette {

/// What each part of a cell depends on, as text; equal keys mean equal results, byte for byte on
/// machines of one kind.
struct StageKeys {
  std::string pretraining, scores;         ///< Shared by the ratios of a run, and by scenarios that
                                           ///< agree so far.
  std::vector<std::string> rounds;         ///< The cell's own, of each round before the last.
  std::string trained_scores, finetuning;  ///< The cell's own; the last is that of its network,
                                           ///< which at ratio 0 is the run's.
  std::string evaluation, timing;          ///< Of the network's numbers, and of its times.
  std::string suite;                       ///< Of those under the suite; empty where there is none.
};

namespace detail {
/// The keys of what is measured on a network of key `keys.finetuning`.
template <class E>
void add_measurement(StageKeys& keys, const E& e) {
  const EvaluateSettings& s = e.budget.evaluate;
  static_assert(count_members<EvaluateSettings>() == 4, "each stands in one of the two keys");
  const auto data = fmt::format("{}test images: {}\n", keys.finetuning, e.test_identity);
  keys.evaluation =
      fmt::format("{}evaluation: {} images, {} at once\n", data, s.images, s.batch_size);
  keys.timing =
      fmt::format("{}timing: {} images after {}\n", data, s.timing_images, s.timing_warmup);
  for (const Trial& trial : e.suite)
    keys.suite += fmt::format("suite {}: {}\n", trial.id, trial.attack.settings);
  if (!keys.suite.empty()) keys.suite = keys.evaluation + keys.suite;
}
}  // namespace detail

/// The ratios after each round of a cell; one round where nothing is pruned.
inline std::vector<Ratio> rounds_of(const ErasedScenario& scenario, Ratio ratio) {
  if (ratio == Ratio()) return {ratio};
  auto rounds = scenario.schedule.ratios(ratio);
  require(!rounds.empty() && rounds.back() == ratio, scenario.schedule.name,
          "should end at the ratio, {} %, got {} rounds", ratio.str(), rounds.size());
  return rounds;
}

/// @return  keys of a cell's stages: what only measures is no part of those of training.
template <Detector D, Dataset Train, Dataset Test>
StageKeys stage_keys(const ErasedScenario& scenario, const Experiment<D, Train, Test>& e,
                     const CellId& id) {
  const auto line = [](std::string_view name, const std::string& text) {
    return fmt::format("{}: {}\n", name, text);
  };
  const auto& texts = scenario.texts;
  StageKeys keys;
  keys.pretraining = e.origin(scenario.color.name) +
                     line("pre-training", settings_text(e.budget.pretrain)) +
                     line("objective", texts.objective) + line("attack", texts.attack) +
                     line("color", texts.color) + line("run", settings_text(id.run));
  keys.scores = keys.pretraining + line("score", texts.score) +
                line("images", settings_text(e.budget.score_images));
  keys.trained_scores = keys.scores + line("granularity", texts.granularity) +
                        line("allocation", texts.allocation) +
                        line("ratio", settings_text(id.ratio.str()));
  if (scenario.score.training)
    keys.trained_scores += line("score training", settings_text(e.budget.scores));
  if (const auto rounds = rounds_of(scenario, id.ratio).size(); rounds > 1) {
    // What a last round starts from has been fine-tuned.
    keys.trained_scores +=
        line("schedule", texts.schedule) + line("fine-tuning", settings_text(e.budget.finetune));
    for (std::size_t round = 1; round + 1 < rounds; ++round)
      keys.rounds.push_back(keys.trained_scores + line("round", fmt::to_string(round)));
    keys.rounds.push_back(keys.trained_scores);
  }
  // Where nothing is pruned, the network is the same whatever ranks, groups and allots.
  if (id.ratio == Ratio()) keys.trained_scores = keys.pretraining + line("ratio", "0");
  keys.finetuning = keys.trained_scores + line("fine-tuning", settings_text(e.budget.finetune));
  detail::add_measurement(keys, e);
  return keys;
}

/// Keys of the network as it came, measured as a scenario's are.
template <Detector D, Dataset Train, Dataset Test>
StageKeys original_keys(const ErasedScenario& scenario, const Experiment<D, Train, Test>& e,
                        const CellId& id) {
  StageKeys keys;
  keys.finetuning =
      fmt::format("{}original, measured under {} in {}, run {}\n", e.origin(scenario.color.name),
                  scenario.texts.attack, scenario.texts.color, id.run);
  detail::add_measurement(keys, e);
  return keys;
}

/// One cell at work: what its stages read.
template <Detector D, Dataset Train, Dataset Test, StageStore Stages, Observer O>
class Cell {
 public:
  using detector_type = D;

  Cell(const ErasedScenario& scenario, const Experiment<D, Train, Test>& experiment,
       const Stages& store, CellId id, O& observer)
      : scenario(scenario),
        experiment(experiment),
        store(store),
        id(std::move(id)),
        observer(observer),
        rounds(rounds_of(scenario, this->id.ratio)),
        keys(stage_keys(scenario, experiment, this->id)),
        seed(experiment.seed.derive("run").derive(static_cast<std::uint64_t>(this->id.run))) {}

  const ErasedScenario& scenario;
  const Experiment<D, Train, Test>& experiment;
  const Stages& store;
  const CellId id;
  O& observer;
  const std::vector<Ratio> rounds;  ///< The ratio after each round of pruning; the last is `id`'s.
  const StageKeys keys;
  const Seed seed;  ///< Of the run: cells of one run share what does not depend on their ratio.
};

namespace detail {
template <class T>
inline constexpr bool is_cell = false;
template <class... T>
inline constexpr bool is_cell<Cell<T...>> = true;
}  // namespace detail

/// Any instantiation of Cell.
template <class T>
concept AnyCell = detail::is_cell<T>;

}  // namespace serpette
