#include "serpette/app/scenario_main.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "serpette/app/program.hpp"
#include "serpette/app/run_scenarios.hpp"

namespace serpette::cli {

int scenario_main(const ListedScenario& scenario, int argc, char** argv) {
  return run_main([&] {
    ExperimentOptions options;
    options.policies.offer_scenarios({scenario});
    CLI::App app(fmt::format(
        "Prunes a robust detector: {}.\nRobust pre-training, scores, mask and robust fine-tuning "
        "for every ratio; writes cells.csv, evaluations.csv, the pruned networks, their detections "
        "and a grid of pictures.",
        scenario.label));
    options.add_to(app, false);
    parse(app, argc, argv);
    check_options({scenario}, {scenario.id}, options);
    return run_scenarios({scenario}, {scenario.id}, options);
  });
}

}  // namespace serpette::cli
