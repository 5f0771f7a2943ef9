#include "serpette/app/attack_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/hana/for_each.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/attack/registry.hpp"

namespace serpette::cli {

AttackOptions::AttackOptions(std::string prefix, std::string name)
    : name(std::move(name)), prefix_(std::move(prefix)), needed_(this->name.empty()) {
  settings_.offer(Pgd{}, prefix_, false);  // its words for what several have
  boost::hana::for_each(kAttacks, [&](const auto& entry) {
    settings_.offer(entry.policy, prefix_, false, entry.id);
  });
  settings_.also("--" + option_name(prefix_, "aim-goal"), "--" + option_name(prefix_, "aim"));
}

void AttackOptions::add_to(CLI::App& app, const std::string& help) {
  auto known = ids_of(kAttacks);
  if (needed_) std::erase(known, "none");
  auto* const option = app.add_option("--attack", name, help)->check(one_of(known));
  if (needed_)
    option->required();
  else
    option->capture_default_str();
  under(app, "Settings of the attack (each has some of them)", [&] { settings_.add_to(app); });
}

ChosenAttack AttackOptions::chosen() const {
  std::optional<ChosenAttack> found;
  with_entry(kAttacks, "--attack", name, [&](const auto& entry) {
    const auto attack = settings_.apply_to(entry.policy, prefix_);
    settings_.require_used(fmt::format("{} ({})", name, options_of(attack, prefix_)), {name});
    found = ChosenAttack::of(attack);
  });
  return *found;
}

}  // namespace serpette::cli
