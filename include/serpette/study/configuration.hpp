#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/method/experiment.hpp"

namespace serpette {

/// A value that results depend on, under the name people know it by: of options theirs.
struct Setting {
  std::string name, value;
  friend bool operator==(const Setting&, const Setting&) = default;
};

/// What the results in a study's folder depend on; kept there as configuration.txt for people and
/// for later runs.
struct Configuration {
  std::vector<Setting> training;      ///< Another value needs another folder.
  std::vector<Setting> measuring;     ///< Another value measures the same networks anew.
  std::vector<std::string> machines;  ///< Kinds of machines that took part: see `machine_kind`.

  [[nodiscard]] std::string text() const {
    std::string text = fmt::format("{}\n", kTraining);
    for (const auto& [name, value] : training) text += fmt::format("{}: {}\n", name, value);
    text += fmt::format("\n{}\n", kMeasuring);
    for (const auto& [name, value] : measuring) text += fmt::format("{}: {}\n", name, value);
    text += fmt::format("\n{}\n", kMachines);
    for (const auto& machine : machines) text += machine + '\n';
    return text;
  }

  /// Reads such a text. Lines of another version's text that mean nothing here are kept as settings
  /// of the training, so that it counts as different.
  static Configuration parse(std::string_view text) {
    Configuration c;
    std::string_view section = kTraining;
    while (!text.empty()) {
      const auto line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (line.empty()) continue;
      if (line == kTraining || line == kMeasuring || line == kMachines) {
        section = line;
      } else if (section == kMachines) {
        c.machines.emplace_back(line);
      } else {
        const auto colon = std::min(line.find(": "), line.size());
        (section == kTraining ? c.training : c.measuring)
            .push_back({std::string(line.substr(0, colon)),
                        std::string(line.substr(std::min(line.size(), colon + 2)))});
      }
    }
    return c;
  }

 private:
  static constexpr std::string_view kTraining =
      "# Trained with (another value needs another folder)";
  static constexpr std::string_view kMeasuring =
      "# Measured with (another value measures the same networks anew)";
  static constexpr std::string_view kMachines = "# Computed on";
};

/// The settings that stand in both lists with different values: one `name: there …, here …` each.
inline std::vector<std::string> differences(const std::vector<Setting>& there,
                                            const std::vector<Setting>& here) {
  std::vector<std::string> found;
  for (const auto& [name, value] : here)
    if (const auto other = std::ranges::find(there, name, &Setting::name);
        other != there.end() && other->value != value)
      found.push_back(fmt::format("{}: {} there, {} here", name, other->value, value));
  return found;
}

namespace detail {
inline void add_settings(std::vector<Setting>& to, std::string_view stage, const TrainSettings& s) {
  static_assert(count_members<TrainSettings>() == 9, "each is a line of the configuration");
  const auto add = [&](std::string_view name, const auto& value) {
    to.push_back({fmt::format("{}-{}", stage, name), fmt::format("{}", value)});
  };
  add("steps", s.steps);
  add("batch-size", s.batch_size);
  add("learning-rate", s.learning_rate);
  add("momentum", s.momentum);
  add("weight-decay", s.weight_decay);
  add("warmup", s.warmup);
  add("attacked", s.attacked);
  add("clip", s.clip);
  add("optimizer", s.optimizer == TrainSettings::Optimizer::kAdam ? "adam" : "sgd");
}
}  // namespace detail

/// The configuration of an experiment of some scenarios.
/// @param dispatch  as for `with_keys`.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
Configuration configuration_of(const Experiment<D, Train, Test>& e,
                               const std::vector<std::string>& scenarios, std::string machine,
                               const Dispatch& dispatch) {
  Configuration c = Configuration::parse(e.origin());
  detail::add_settings(c.training, "pretrain", e.budget.pretrain);
  detail::add_settings(c.training, "score", e.budget.scores);
  detail::add_settings(c.training, "finetune", e.budget.finetune);
  c.training.push_back({"score-images", fmt::to_string(e.budget.score_images)});
  for (const auto& id : scenarios)
    dispatch(id, [&](const auto& scenario) {
      c.training.push_back({"scenario " + id, settings_text(scenario)});
    });
  const EvaluateSettings& s = e.budget.evaluate;
  c.measuring = {{"test images", e.test_identity},
                 {"test-limit", fmt::to_string(s.images)},
                 {"test-batch-size", fmt::to_string(s.batch_size)},
                 {"timing-images", fmt::to_string(s.timing_images)},
                 {"timing-warmup", fmt::to_string(s.timing_warmup)}};
  c.machines = {std::move(machine)};
  return c;
}

}  // namespace serpette
