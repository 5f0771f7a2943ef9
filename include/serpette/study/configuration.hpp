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

/// A value that results depend on, under the name people know it by: an option's, where it has one.
struct ConfigurationLine {
  std::string name, value;
  friend bool operator==(const ConfigurationLine&, const ConfigurationLine&) = default;
};

/// What the results in a study's folder depend on; kept there as configuration.txt for people and
/// for later runs.
struct Configuration {
  std::vector<ConfigurationLine> training;   ///< Another value needs another folder.
  std::vector<ConfigurationLine> measuring;  ///< Another value measures the same networks anew.
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
inline std::vector<std::string> differences(const std::vector<ConfigurationLine>& there,
                                            const std::vector<ConfigurationLine>& here) {
  std::vector<std::string> found;
  for (const auto& [name, value] : here)
    if (const auto other = std::ranges::find(there, name, &ConfigurationLine::name);
        other != there.end() && other->value != value)
      found.push_back(fmt::format("{}: {} there, {} here", name, other->value, value));
  return found;
}

/// The configuration of an experiment of some scenarios.
/// @param dispatch  as for `with_keys`.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
Configuration configuration_of(const Experiment<D, Train, Test>& e,
                               const std::vector<std::string>& scenarios, std::string machine,
                               const Dispatch& dispatch) {
  Configuration c = Configuration::parse(e.origin());
  c.measuring.push_back({"test images", e.test_identity});
  const auto add = [](std::vector<ConfigurationLine>& to) {
    return [&](const std::string& option, const auto&, const auto& value) {
      to.push_back({"--" + option, typed_text(value)});
    };
  };
  each_setting(e.budget, add(c.training));
  each_setting(e.budget.evaluate, add(c.measuring));
  std::erase_if(c.training, [&](const auto& line) {
    return std::ranges::find(c.measuring, line.name, &ConfigurationLine::name) != c.measuring.end();
  });
  for (const auto& id : scenarios)
    dispatch(id, [&](const auto& scenario) {
      c.training.push_back({"scenario " + id, settings_text(scenario)});
    });
  c.machines = {std::move(machine)};
  return c;
}

}  // namespace serpette
