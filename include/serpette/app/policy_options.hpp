#pragma once

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "serpette/app/setting_options.hpp"
#include "serpette/scenario/list.hpp"

namespace serpette::cli {

/// The settings of the policies of some scenarios as options: `--attack-steps` for the attack's
/// member `steps`. What is not given keeps the scenario's own.
struct PolicyOptions : SettingOptions {
  /// Takes up the policies of some scenarios.
  void offer_scenarios(const ScenarioList& scenarios) {
    for (const auto& entry : scenarios) offer(entry.scenario.typed(), true, entry.id);
    for (const auto& [former, name] :  // before settings were described
         {std::pair{"--epsilon", "--attack-epsilon"},
          {"--attacked", "--objective-attacked"},
          {"--deeplift-reference", "--score-reference"},
          {"--deeplift-rule", "--score-rule"},
          {"--deeplift-target", "--score-target"},
          {"--attack-aim-goal", "--attack-aim"},  // before what decides had the shortest name
          {"--schedule-curve", "--schedule"}})
      also(former, name);
  }

  /// The scenario with the settings that were given and that it has.
  /// @throws Error  if one may not be that, or they do not go together.
  [[nodiscard]] ErasedScenario apply_to(const ErasedScenario& scenario) const {
    return scenario.with(given());
  }
};

}  // namespace serpette::cli
