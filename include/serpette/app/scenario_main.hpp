#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "serpette/app/program.hpp"
#include "serpette/app/run_scenarios.hpp"

namespace serpette::cli {

/// The main function of a scenario's program.
/// @param registry  as `kScenarios`: a Hana tuple of `Registered<S>`, one of them with this id.
template <class Registry>
int scenario_main(const Registry& registry, const char* id, int argc, char** argv) {
  return run_main([&] {
    std::string label;
    ExperimentOptions options;
    with_scenario(registry, id, [&](const auto& entry) {
      label = entry.label;
      options.policies.offer_registry(boost::hana::make_tuple(entry));
    });
    CLI::App app(fmt::format(
        "Prunes a robust detector: {}.\nRobust pre-training, scores, mask and robust fine-tuning "
        "for every ratio; writes cells.csv, evaluations.csv, the pruned networks, their detections "
        "and a grid of pictures.",
        label));
    options.add_to(app, false);
    parse(app, argc, argv);
    return run_scenarios(registry, {id}, options);
  });
}

/// The same for one scenario of a user's own, which is in no registry.
/// @param id     what cells.csv holds; letters, digits, `_` and `-`.
/// @param label  what readers know it by.
template <AnyScenario S>
int scenario_main(const char* id, const char* label, int argc, char** argv) {
  return scenario_main(boost::hana::make_tuple(Registered<S>{id, label, false}), id, argc, argv);
}

}  // namespace serpette::cli
