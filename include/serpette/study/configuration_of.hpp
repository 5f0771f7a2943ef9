#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "serpette/core/settings.hpp"
#include "serpette/method/experiment.hpp"
#include "serpette/study/configuration.hpp"

namespace serpette {

/// The configuration of an experiment of some scenarios.
/// @param dispatch  as for `with_keys`.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
Configuration configuration_of(const Experiment<D, Train, Test>& e,
                               const std::vector<std::string>& scenarios, std::string machine,
                               const Dispatch& dispatch) {
  Configuration c = Configuration::parse(e.origin());
  for (const auto& [color, identity] : e.own_starts())
    c.training.push_back({fmt::format("network in {}", color), identity});
  c.measuring.push_back({"test images", e.test_identity});
  const auto add = [](std::vector<ConfigurationLine>& to) {
    return [&](const std::string& option, const auto&, const auto& value) {
      to.push_back({"--" + option, typed_text(value)});
    };
  };
  each_setting(e.budget, add(c.training));
  each_setting(e.budget.evaluate, add(c.measuring));
  for (const Trial& trial : e.suite)
    c.measuring.push_back({"suite " + trial.id, trial.attack.settings});
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
