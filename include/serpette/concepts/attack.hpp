#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <optional>
#include <string_view>
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
    kMislabel,   ///< True boxes under the class that is least likely on the clean image; where
                 ///< there is no other class, under none.
    kEvade,      ///< Every true box unseen or under another class: −Σ max(0, the smaller of its
                 ///< objectness logit and the margin of its class); 0 once that is reached.
  };
  Goal goal = Goal::kTruth;
  double box = 1, objectness = 1, classes = 1;  ///< Weights of the loss's parts.
  bool own = false;  ///< The boxes are the detector's own on the clean image, not ground truth.

  /// Whether targets are taken from the clean images (Victim::facing).
  [[nodiscard]] bool needs_clean() const { return goal == Goal::kMislabel || (own && has_boxes()); }
  /// Whether it matters where boxes are.
  [[nodiscard]] bool has_boxes() const { return goal != Goal::kVanish && goal != Goal::kFabricate; }

  /// Whether a setting has an effect under the goal.
  [[nodiscard]] bool has(std::string_view setting) const {
    if (setting == "own") return has_boxes();
    if (setting == "objectness") return goal != Goal::kEvade;
    if (setting == "box" || setting == "classes")
      return goal == Goal::kTruth || goal == Goal::kMislabel;
    return true;
  }

  /// @throws Error  if no part of the loss is left that the goal has.
  void check() const {
    require(
        goal == Goal::kEvade || objectness > 0 || (has("box") && box + classes > 0), "aim",
        "should leave a part of the loss, got a weight of 0 for {}",
        has("box") ? "box, objectness and classes" : "objectness, all there is under this goal");
  }

  friend bool operator==(const Aim&, const Aim&) = default;

  friend constexpr auto words(Goal) {
    return std::array<Word<Goal>, 5>{{{"truth", Goal::kTruth},
                                      {"vanish", Goal::kVanish},
                                      {"fabricate", Goal::kFabricate},
                                      {"mislabel", Goal::kMislabel},
                                      {"evade", Goal::kEvade}}};
  }
  static constexpr auto describe() {
    return settings(
        setting<&Aim::goal>("What is made worse: the loss on ground truth, or a goal").as(""),
        setting<&Aim::box>("Weight of the box's part of the loss", at_least(0)),
        setting<&Aim::objectness>("Weight of objectness", at_least(0)),
        setting<&Aim::classes>("Weight of the classes' part", at_least(0)),
        setting<&Aim::own>("Boxes: the detector's own, not ground truth"));
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
/// get no gradients, and calls do not change it.
class Victim {
 public:
  /// What a detector answers; all but the first may be left out.
  struct Parts {
    std::function<Ascent(const at::Tensor& images, const Aim& aim)> ascend;
    std::function<at::Tensor(const at::Tensor& images, const Aim& aim)> loss{};
    std::function<Victim(const at::Tensor& clean, const Aim& aim)> facing{};
    std::function<Victim(const at::Tensor& rows)> only{};
  };

  explicit Victim(Parts parts) : parts_(std::move(parts)) {}
  /// A callable (images, aim) → Ascent is a victim.
  template <class F>
    requires std::is_invocable_r_v<Ascent, const F&, const at::Tensor&, const Aim&>
  Victim(F ascend)  // NOLINT(google-explicit-constructor)
      : parts_{.ascend = std::move(ascend)} {}

  /// Loss and gradient: one forward and one backward pass.
  /// @throws Error  if the aim takes its targets from the clean images, and they are not known.
  Ascent operator()(const at::Tensor& images, const Aim& aim) const {
    return parts_.ascend(images, aim);
  }

  /// The loss alone [N]: one forward pass, for attacks that look at no gradient.
  [[nodiscard]] at::Tensor loss(const at::Tensor& images, const Aim& aim) const {
    return parts_.loss ? parts_.loss(images, aim) : parts_.ascend(images, aim).loss;
  }

  /// The victim that knows the clean images, what an attack begins with: own detections and least
  /// likely classes are those on them, and what truths alone decide is decided once. A forward pass
  /// where the aim needs one.
  [[nodiscard]] Victim facing(const at::Tensor& clean, const Aim& aim) const {
    return parts_.facing ? parts_.facing(clean, aim) : *this;
  }

  /// Whether `only` is there.
  [[nodiscard]] bool narrows() const { return static_cast<bool>(parts_.only); }

  /// The victim for some of the batch's images: of those that an attack still works on.
  /// @param rows  [K] int64, ascending.
  [[nodiscard]] Victim only(const at::Tensor& rows) const { return parts_.only(rows); }

 private:
  Parts parts_;
};

namespace req {
/// `perturb(victim, images, rng)`: images [N, C, H, W] in [0, 1] → the attacked images, same
/// shape, in [0, 1]; the argument is not modified.
template <class P>
concept PerturbsImages =
    requires(const P& p, const Victim& victim, const at::Tensor& images, Generator& rng) {
      { p.perturb(victim, images, rng) } -> std::same_as<at::Tensor>;
    };
/// `is_identity`, where there is one, is static and known to the compiler: any other would count
/// as false.
template <class P>
concept IdentityFlagIsConstant =
    !requires { P::is_identity; } || requires { typename std::bool_constant<P::is_identity>; };
}  // namespace req

/// A way to change images so that the detector fails. An identity (NoAttack) says `static constexpr
/// bool is_identity = true`, and the driver then skips the second half of every batch and the
/// attacked evaluation.
template <class P>
concept Attack =
    req::Value<P> && req::Named<P> && req::PerturbsImages<P> && req::IdentityFlagIsConstant<P>;

/// Whether the attack leaves images as they are.
template <Attack P>
inline constexpr bool is_identity = requires { requires P::is_identity; };

/// The radius of an attack: its `epsilon`, or that of the one it is made of (Restarts, Mtd).
template <class P>
std::optional<double> radius_of(const P& attack) {
  if constexpr (requires { double(attack.epsilon); })
    return double(attack.epsilon);
  else if constexpr (requires { attack.attack; })
    return radius_of(attack.attack);
  else if constexpr (requires { attack.pgd; })
    return radius_of(attack.pgd);
  else
    return std::nullopt;
}

}  // namespace serpette
