#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "serpette/app/setting_options.hpp"
#include "serpette/concepts/chosen_attack.hpp"

namespace serpette::cli {

/// An attack by name with its settings as options, for programs that are no scenario: all that
/// ships (`kAttacks`), and of each what its description says. Compiled once, in serpette::app.
class AttackOptions {
 public:
  /// @param prefix  of the settings' options: `--attack-epsilon`; empty: `--epsilon`.
  /// @param name    the attack if none is named; empty: one has to be.
  explicit AttackOptions(std::string prefix = "attack", std::string name = "none");

  void add_to(CLI::App& app, const std::string& help);

  /// The attack of that name with the settings that were given.
  /// @throws Error  if one may not be that, or is not the attack's.
  [[nodiscard]] ChosenAttack chosen() const;

  std::string name;

 private:
  std::string prefix_;
  bool needed_;
  SettingOptions settings_;
};

}  // namespace serpette::cli
