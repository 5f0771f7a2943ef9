#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "serpette/app/attack_options.hpp"
#include "serpette/app/cli.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/concepts/erased.hpp"

namespace serpette::cli {

/// A colour mode by name.
struct ColorOption {
  std::string name = "rgb";

  void add_to(CLI::App& app) {
    app.add_option("--color", name, "What the network sees: rgb or greyscale (Rec. 601)")
        ->check(one_of({"rgb", "greyscale"}))
        ->capture_default_str();
  }

  [[nodiscard]] ErasedColorMode chosen() const {
    if (name == "rgb") return Rgb{};
    return GreyscaleRec601{};
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
};

}  // namespace serpette::cli
