#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <boost/hana/for_each.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/setting_options.hpp"
#include "serpette/attack/registry.hpp"
#include "serpette/concepts/chosen_attack.hpp"

namespace serpette::cli {

/// An attack by name with its settings as options, for programs that are no scenario: all that
/// ships (`kAttacks`), and of each what its description says.
class AttackOptions {
 public:
  /// @param prefix  of the settings' options: `--attack-epsilon`; empty: `--epsilon`.
  /// @param name    the attack if none is named; empty: one has to be.
  explicit AttackOptions(std::string prefix = "attack", std::string name = "none")
      : name(std::move(name)), prefix_(std::move(prefix)), needed_(this->name.empty()) {
    settings_.offer(Pgd{}, prefix_, false);  // its words for what several have
    boost::hana::for_each(
        kAttacks, [&](const auto& entry) { settings_.offer(entry.policy, prefix_, false); });
    settings_.also("--" + option_name(prefix_, "aim"), "--" + option_name(prefix_, "aim-goal"));
  }

  void add_to(CLI::App& app, const std::string& help) {
    auto known = ids_of(kAttacks);
    if (needed_) std::erase(known, "none");
    auto* const option = app.add_option("--attack", name, help)->check(one_of(known));
    if (needed_)
      option->required();
    else
      option->capture_default_str();
    under(app, "Settings of the attack (each has some of them)", [&] { settings_.add_to(app); });
  }

  /// The attack of that name with the settings that were given.
  /// @throws Error  if one may not be that, or is not the attack's.
  [[nodiscard]] ChosenAttack chosen() const {
    std::optional<ChosenAttack> found;
    with_entry(kAttacks, "--attack", name, [&](const auto& entry) {
      const auto attack = settings_.apply_to(entry.policy, prefix_);
      std::vector<std::string> own;
      each_setting(
          attack,
          [&](const std::string& option, const auto&, const auto&) {
            own.push_back("--" + option);
          },
          prefix_);
      settings_.require_used(
          fmt::format("{} ({})", name,
                      own.empty() ? "which has none" : fmt::format("{}", fmt::join(own, ", "))));
      found = ChosenAttack::of(attack);
    });
    return *found;
  }

  std::string name;

 private:
  std::string prefix_;
  bool needed_;
  SettingOptions settings_;
};

}  // namespace serpette::cli
