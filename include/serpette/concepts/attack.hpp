#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include "serpette/concepts/named.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// What an attack makes the detector worse at: a goal, and how much each part of the loss counts.
struct Aim {
  enum class Goal {
    kTruth,      ///< Raise the training loss on ground truth (untargeted).
    kVanish,     ///< Objectness to 0 everywhere.
    kFabricate,  ///< Objectness to 1 everywhere.
    kMislabel,   ///< Ground-truth boxes under the least likely class.
  };
  Goal goal = Goal::kTruth;
  double box = 1, objectness = 1, classes = 1;  ///< Weights of the loss's parts.

  friend bool operator==(const Aim&, const Aim&) = default;

  friend constexpr auto words(Goal) {
    return std::array<Word<Goal>, 4>{{{"truth", Goal::kTruth},
                                      {"vanish", Goal::kVanish},
                                      {"fabricate", Goal::kFabricate},
                                      {"mislabel", Goal::kMislabel}}};
  }
  static constexpr auto describe() {
    return settings(setting<&Aim::goal>("What is made worse: the loss on ground truth, or a goal"),
                    setting<&Aim::box>("Weight of the box's part of the loss", at_least(0)),
                    setting<&Aim::objectness>("Weight of objectness", at_least(0)),
                    setting<&Aim::classes>("Weight of the classes' part", at_least(0)));
  }
};

/// Value and gradient of the attacked loss. An attack always ascends: for the goals that are
/// targets the loss is the negated distance to the target.
struct Ascent {
  at::Tensor
      loss;  ///< [N], one per image: images do not influence each other (batch norm in eval mode).
  at::Tensor gradient;  ///< ∂(Σ loss)/∂images, like the images.
};

/// The detector as an attack sees it, with truth, colour mode and frozen weights bound in. Weights
/// get no gradients. Calls do not change it, but for an aim that takes its targets from the first
/// images it is asked about (the clean ones).
class Victim {
 public:
  using Ascend = std::function<Ascent(const at::Tensor& images, const Aim& aim)>;
  using Lose = std::function<at::Tensor(const at::Tensor& images, const Aim& aim)>;

  /// @param lose  the loss alone; left out, it costs a backward pass too.
  Victim(Ascend ascend, Lose lose = {})  // NOLINT(google-explicit-constructor): a callable is one
      : ascend_(std::move(ascend)), lose_(std::move(lose)) {}
  template <class F>
    requires std::is_invocable_r_v<Ascent, const F&, const at::Tensor&, const Aim&>
  Victim(F ascend) : Victim(Ascend(std::move(ascend))) {}  // NOLINT(google-explicit-constructor)

  /// Loss and gradient: one forward and one backward pass.
  Ascent operator()(const at::Tensor& images, const Aim& aim) const { return ascend_(images, aim); }

  /// The loss alone [N]: one forward pass, for attacks that look at no gradient.
  [[nodiscard]] at::Tensor loss(const at::Tensor& images, const Aim& aim) const {
    return lose_ ? lose_(images, aim) : ascend_(images, aim).loss;
  }

 private:
  Ascend ascend_;
  Lose lose_;
};

namespace req {
/// `perturb(victim, images, rng)`: images [N, C, H, W] in [0, 1] → the attacked images, same
/// shape, in [0, 1]; the argument is not modified.
template <class P>
concept PerturbsImages =
    requires(const P& p, const Victim& victim, const at::Tensor& images, Generator& rng) {
      { p.perturb(victim, images, rng) } -> std::same_as<at::Tensor>;
    };
}  // namespace req

/// A way to change images so that the detector fails. An identity (NoAttack) says `static constexpr
/// bool is_identity = true`, and the driver then skips the second half of every batch and the
/// attacked evaluation.
template <class P>
concept Attack = req::Value<P> && req::Named<P> && req::PerturbsImages<P>;

/// Whether the attack leaves images as they are.
template <Attack P>
inline constexpr bool is_identity = requires { requires P::is_identity; };

}  // namespace serpette
