#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "serpette/concepts/attack.hpp"

namespace serpette {

/// An attack that was chosen when the program runs: the value of whatever type behind this one, so
/// that what runs under any attack is compiled once. Itself an Attack; the chosen one's name is
/// `label()`, since a type's name cannot change.
class ChosenAttack {
 public:
  static constexpr std::string_view name = "Chosen attack";

  /// @param label  what tables call it; the attack's own name unless it is given.
  template <Attack A>
  [[nodiscard]] static ChosenAttack of(const A& attack, std::string_view label = A::name) {
    ChosenAttack chosen;
    chosen.label_ = label;
    chosen.settings_ = settings_text(attack);
    if constexpr (requires { double(attack.epsilon); })
      chosen.epsilon_ = double(attack.epsilon);
    else if constexpr (requires { double(attack.attack.epsilon); })
      chosen.epsilon_ = double(attack.attack.epsilon);
    else if constexpr (requires { double(attack.pgd.epsilon); })
      chosen.epsilon_ = double(attack.pgd.epsilon);
    if (!leaves_images(attack))
      chosen.perturb_ = [attack](const Victim& victim, const at::Tensor& images, Generator& rng) {
        return attack.perturb(victim, images, rng);
      };
    return chosen;
  }

  /// As the chosen attack's.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    return perturb_ ? perturb_(victim, images, rng) : images;
  }

  /// Whether it leaves images as they are.
  [[nodiscard]] bool does_nothing() const { return !perturb_; }
  [[nodiscard]] const std::string& label() const { return label_; }
  /// Name and all settings: what results are kept under.
  [[nodiscard]] const std::string& settings() const { return settings_; }
  /// Its radius, as its setting `epsilon` counts it; 0 for an attack without one.
  [[nodiscard]] double epsilon() const { return epsilon_; }

 private:
  ChosenAttack() = default;

  std::string label_, settings_;
  double epsilon_ = 0;
  std::function<at::Tensor(const Victim&, const at::Tensor&, Generator&)> perturb_;
};

static_assert(Attack<ChosenAttack>);

}  // namespace serpette
