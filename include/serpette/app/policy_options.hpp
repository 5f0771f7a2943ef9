#pragma once

#include <CLI/CLI.hpp>
#include <boost/hana/for_each.hpp>

#include <string>
#include <utility>

#include "serpette/app/setting_options.hpp"
#include "serpette/scenario/scenario.hpp"

namespace serpette::cli {

/// The settings of the policies of some scenarios as options: `--attack-steps` for the attack's
/// member `steps`. What is not given keeps the scenario's own.
struct PolicyOptions : SettingOptions {
  /// Takes up the policies of the scenarios of a registry.
  template <class Registry>
  void offer_registry(const Registry& registry) {
    boost::hana::for_each(registry, [&](const auto& entry) { offer(entry.scenario); });
    for (const auto& [former, name] :  // before settings were described
         {std::pair{"--epsilon", "--attack-epsilon"},
          {"--attacked", "--objective-attacked"},
          {"--deeplift-reference", "--score-reference"},
          {"--deeplift-rule", "--score-rule"},
          {"--deeplift-target", "--score-target"}})
      also(former, name);
  }
};

}  // namespace serpette::cli
