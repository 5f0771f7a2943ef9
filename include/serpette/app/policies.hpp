#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "serpette/app/cli.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"

namespace serpette::cli {

/// An attack and a colour mode by name, for programs that are no scenario.
struct PolicyNames {
  std::string attack = "none", color = "rgb";

  void add_to(CLI::App& app, const std::string& attack_help) {
    app.add_option("--attack", attack, attack_help)
        ->check(one_of({"none", "fgsm", "pgd"}))
        ->capture_default_str();
    app.add_option("--color", color, "What the network sees: rgb or greyscale (Rec. 601)")
        ->check(one_of({"rgb", "greyscale"}))
        ->capture_default_str();
  }

  /// Calls `run(attack, color)` with the policies of these names.
  template <class Run>
  void visit(Run&& run) const {
    const auto with_color = [&](const auto& policy) {
      color == "rgb" ? run(policy, Rgb{}) : run(policy, GreyscaleRec601{});
    };
    if (attack == "pgd") return with_color(Pgd{});
    if (attack == "fgsm") return with_color(Fgsm{});
    with_color(NoAttack{});
  }
};

}  // namespace serpette::cli
