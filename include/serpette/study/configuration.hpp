#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

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
  /// of the training; `differences` leaves them out, as all that stands on one side alone.
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

}  // namespace serpette
