#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "serpette/app/budget_options.hpp"
#include "serpette/app/device.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/part_options.hpp"
#include "serpette/app/policy_options.hpp"
#include "serpette/app/setting_options.hpp"
#include "serpette/app/suite_options.hpp"
#include "serpette/data/augment.hpp"

namespace serpette::cli {

/// What people type to set up an experiment: network, data, cells, budget and policies.
struct ExperimentOptions {
  std::filesystem::path cfg, weights, images, annotations, test_images, test_annotations, out;
  std::vector<std::string> color_weights;  ///< COLOR=FILE each.
  std::vector<std::string> ratios{"0", "25", "50", "65", "75", "85", "90", "95", "99"};
  int runs = 1;
  std::uint64_t seed = 1;
  std::string device = "auto";
  bool retry_failed = false;
  bool force = false;           ///< What --out holds of other settings is set aside.
  bool strict = false;          ///< A damaged image is an error.
  int workers = 0;              ///< 0: chosen by the size of the network.
  SettingOptions augmentation;  ///< Of training images.
  BudgetOptions budget;
  PolicyOptions policies;
  SuiteOptions suite;
  PartOptions part;

  ExperimentOptions() { augmentation.offer(Augment{}, "augment"); }

  /// @param own_data  whether the program can do without data, network and --out.
  void add_to(CLI::App& app, bool own_data) {
    const auto needed = [&](CLI::Option* option) { return option->required(!own_data); };
    needed(app.add_option("--cfg", cfg, "Network in darknet's format"));
    needed(app.add_option("--weights", weights, "Its pre-trained weights (darknet)"));
    app.add_option("--color-weights", color_weights,
                   "Weights that scenarios of a colour mode start from instead, as in "
                   "greyscale=grey.weights; may be given again for another mode")
        ->allow_extra_args(false)
        ->type_name("COLOR=FILE");
    needed(app.add_option("--images", images, "Folder of the training images"));
    needed(app.add_option("--annotations", annotations,
                          fmt::format("Their boxes: {}", kAnnotationsHelp)));
    needed(app.add_option("--test-images", test_images, "Folder of the test images"));
    needed(app.add_option("--test-annotations", test_annotations,
                          "Their boxes, in any of these forms"));
    app.add_option("--ratios", ratios, "Pruning ratios in percent, each in [0, 100)")
        ->delimiter(',')
        ->type_name("LIST")
        ->default_str(fmt::format("{}", fmt::join(ratios, ",")));
    app.add_option("--runs", runs, "Independent runs per ratio")
        ->check(whole_number(1, 100000))
        ->capture_default_str();
    app.add_option("--seed", seed, "Root of all randomness; equal seeds give equal results")
        ->check(kSeed)
        ->capture_default_str();
    needed(app.add_option("--out", out, "Folder for results; a stopped run goes on there"))
        ->capture_default_str();
    app.add_option("--device", device, std::string(kDeviceHelp))->capture_default_str();
    app.add_option("--workers", workers,
                   "Cells computed at once, one thread each; 0: one per core for small networks")
        ->check(whole_number(0, 1024))
        ->capture_default_str();
    app.add_flag("--strict", strict,
                 "Read every image first and refuse the data if one is damaged, rather than report "
                 "and go on");
    app.add_flag("--retry-failed", retry_failed, "Try cells again that failed before");
    add_force(app, force);
    under(app, "Which part of the cells, and what of them", [&] { part.add_to(app); });
    under(app, "Views of training images", [&] { augmentation.add_to(app); });
    under(app, "Budget", [&] { budget.add_to(app); });
    under(app, "Other attacks", [&] { suite.add_to(app); });
    under(app, "Settings of the policies", [&] { policies.add_to(app); });
  }

  /// Whether people give the data.
  /// @throws Error  if they give only a part of it.
  [[nodiscard]] bool data_given() const {
    const int given =
        !images.empty() + !annotations.empty() + !test_images.empty() + !test_annotations.empty();
    require(given == 0 || given == 4, "data",
            "should be given by all of --images, --annotations, --test-images and "
            "--test-annotations, or by none, got {}",
            given);
    return given == 4;
  }

  /// Whether people give the network.
  /// @throws Error  if they give only a part of it.
  [[nodiscard]] bool network_given() const {
    require(cfg.empty() == weights.empty(), "network",
            "should be given by both --cfg and --weights, or by neither");
    return !cfg.empty();
  }
};

}  // namespace serpette::cli
