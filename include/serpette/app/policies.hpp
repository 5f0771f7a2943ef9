#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "serpette/app/attack_options.hpp"
#include "serpette/app/cli.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"

namespace serpette::cli {

/// A colour mode by name.
struct ColorOption {
  std::string name = "rgb";

  void add_to(CLI::App& app) {
    app.add_option("--color", name, "What the network sees: rgb or greyscale (Rec. 601)")
        ->check(one_of({"rgb", "greyscale"}))
        ->capture_default_str();
  }

  /// Calls `run(color)` with the mode of this name.
  template <class Run>
  void visit(Run&& run) const {
    if (name == "rgb") return run(Rgb{});
    run(GreyscaleRec601{});
  }
};

/// An attack and a colour mode by name, for programs that are no scenario.
struct PolicyNames {
  AttackOptions attack;
  ColorOption color;

  void add_to(CLI::App& app, const std::string& attack_help) {
    attack.add_to(app, attack_help);
    color.add_to(app);
  }

  /// Calls `run(attack, color)` with the policies of these names.
  /// @throws Error  if a setting was given that the attack does not have.
  template <class Run>
  void visit(Run&& run) const {
    const auto chosen = attack.chosen();
    color.visit([&](const auto& mode) { run(chosen, mode); });
  }
};

}  // namespace serpette::cli
