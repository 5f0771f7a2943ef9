#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/concepts/any_detector.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/named.hpp"
#include "serpette/core/image_batch.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/core/share.hpp"

namespace serpette {

/// The attacker that a training step meets: the detector in evaluation mode as it is now, the
/// scenario's attack and colour mode, and the stage's random numbers, bound in by the training loop
/// (`make_adversary` in method/view.hpp). Images of batches are network inputs [N, 3, H, W].
class Adversary {
 public:
  using Perturb = std::function<at::Tensor(const Victim&, const at::Tensor& encoded, Generator&)>;

  /// What the training loop binds in.
  struct Parts {
    std::function<at::Tensor(const at::Tensor&)> encode, expand;  ///< The colour mode's.
    /// The detector as an attack sees it, in the colour mode's channels.
    std::function<Victim(const at::Tensor& truth)> victim;
    Perturb perturb;  ///< The scenario's attack; empty if it leaves images alone.
  };
  /// @param rng  outlives the adversary.
  Adversary(Parts parts, Generator& rng) : parts_(std::move(parts)), rng_(&rng) {}

  /// Whether the scenario's attack leaves images as they are (NoAttack).
  [[nodiscard]] bool is_identity() const { return !parts_.perturb; }

  /// Network images of the batch under the attack, in evaluation mode.
  [[nodiscard]] at::Tensor operator()(const ImageBatch& batch) const {
    if (is_identity()) return batch.images;
    return expand(parts_.perturb(parts_.victim(batch.truth), encode(batch.images), *rng_));
  }

  /// The attacker with another attack.
  template <Attack A>
  [[nodiscard]] Adversary with(const A& attack) const {
    auto other = *this;
    other.parts_.perturb = perturb_of(attack);
    return other;
  }

  /// What `Parts` takes of an attack.
  template <Attack A>
  static Perturb perturb_of(const A& attack) {
    if constexpr (serpette::is_identity<A>)
      return {};
    else
      return [attack](const Victim& victim, const at::Tensor& encoded, Generator& rng) {
        return attack.perturb(victim, encoded, rng);
      };
  }

  /// Network images as the channels that an attack may change, [N, channels, H, W].
  [[nodiscard]] at::Tensor encode(const at::Tensor& images) const { return parts_.encode(images); }
  /// And back; differentiable.
  [[nodiscard]] at::Tensor expand(const at::Tensor& encoded) const {
    return parts_.expand(encoded).contiguous();
  }

  /// The stage's random numbers.
  [[nodiscard]] Generator& rng() const { return *rng_; }

 private:
  Parts parts_;
  Generator* rng_;
};

/// Another network's heads for network images: what a distilled one learns from.
using Teacher = std::function<std::vector<at::Tensor>(const at::Tensor& images)>;

/// What an objective may know when a stage of training begins.
struct TrainingContext {
  Share share{};      ///< Which images of every batch this process has.
  Teacher teacher{};  ///< The network before it was pruned; empty where nothing has been.
};

namespace req {
/// `start(context)`: the run's state; the policy itself stays as it is.
template <class P>
concept StartsTraining = requires(const P& p, const TrainingContext& context) {
  { p.start(context) } -> std::movable;
};
/// `state.loss(detector, batch, adversary)`: what the step lowers, per image of the batch (a mean
/// over its images); differentiable by the detector's parameters. The batch's images are network
/// inputs, the detector is in training mode.
template <class P>
concept GivesLoss = requires(const P& p, const TrainingContext& context, AnyDetector& detector,
                             const ImageBatch& batch, const Adversary& adversary) {
  { p.start(context).loss(detector, batch, adversary) } -> std::same_as<at::Tensor>;
};
/// `replays`, `needs_teacher` and `remembers_nothing`, where they are, are static and known to the
/// compiler: any other would be passed over.
template <class P>
concept TrainingFlagsAreConstants =
    (!requires { P::replays; } || requires { typename std::integral_constant<int, P::replays>; }) &&
    (!requires { P::needs_teacher; } ||
     requires { typename std::bool_constant<P::needs_teacher>; }) &&
    (!requires { P::remembers_nothing; } ||
     requires { typename std::bool_constant<P::remembers_nothing>; });
}  // namespace req

/// What a training step minimises, in robust training, fine-tuning and score training alike.
/// Optional: `static constexpr int replays` (steps made of every batch, default 1), `static
/// constexpr bool needs_teacher`, and of one that is made of another `static constexpr bool
/// remembers_nothing`.
template <class P>
concept Objective = req::Value<P> && req::Named<P> && req::StartsTraining<P> && req::GivesLoss<P> &&
                    req::TrainingFlagsAreConstants<P>;

/// How many steps are made of every batch.
template <Objective P>
inline constexpr int replays = [] {
  if constexpr (requires { P::replays; }) return int{P::replays};
  return 1;
}();

/// Whether fine-tuning and score training should keep the unpruned network as teacher.
template <Objective P>
inline constexpr bool needs_teacher = requires { requires P::needs_teacher; };

namespace detail {
template <Objective Goal>
inline constexpr bool loss_is_const =
    requires(const decltype(std::declval<const Goal&>().start(
                 std::declval<const TrainingContext&>()))& state,
             AnyDetector& detector, const ImageBatch& batch,
             const Adversary& adversary) { state.loss(detector, batch, adversary); };
}  // namespace detail

/// Whether an objective's state is the same after every step, so that a training can be stopped
/// between two: its `loss` is const, or the type says so of the objective that it is made of.
template <Objective Goal>
inline constexpr bool remembers_nothing = [] {
  if constexpr (requires { Goal::remembers_nothing; }) return bool{Goal::remembers_nothing};
  return detail::loss_is_const<Goal>;
}();

}  // namespace serpette
