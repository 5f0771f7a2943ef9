#pragma once

#include <concepts>
#include <type_traits>

#include "serpette/concepts/any_detector.hpp"
#include "serpette/concepts/named.hpp"
#include "serpette/concepts/pieces.hpp"
#include "serpette/core/batch_stream.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/graph/layer_view.hpp"
#include "serpette/graph/mask.hpp"

namespace serpette {

namespace req {
/// `score(layer, rng)`: one layer at a time → importance like `layer.weight`; |score| ranks.
template <class P>
concept ScoresOneLayer = requires(const P& p, const LayerView& layer, Generator& rng) {
  { p.score(layer, rng) } -> std::same_as<at::Tensor>;
};
/// `score_all(detector, batches, rng)`: all layers at once. The images of the batches are network
/// inputs: the colour mode has been applied. Batches are made while they are walked, one at a time.
template <class P>
concept ScoresAllLayers =
    requires(const P& p, AnyDetector& detector, const BatchStream& batches, Generator& rng) {
      { p.score_all(detector, batches, rng) } -> std::same_as<ScoreMap>;
    };
/// One of the two: `ScoresOneLayer` or `ScoresAllLayers`.
template <class P>
concept ScoresOneLayerOrAllLayers = ScoresOneLayer<P> || ScoresAllLayers<P>;
/// `P::optimizer`: settings of a score training that follows the start (HYDRA's).
template <class P>
concept TrainsScores = requires(const P& p) { p.optimizer; };
/// The `optimizer`, where there is one, has `learning_rate`, `momentum` and `gradient(∂L/∂eff, w,
/// s)`, which gives ∂L/∂s of one layer.
template <class P>
concept TrainsByGradient = !TrainsScores<P> || requires(const P& p, const at::Tensor& t) {
  { p.optimizer.gradient(t, t, t) } -> std::same_as<at::Tensor>;
  double(p.optimizer.learning_rate);
  double(p.optimizer.momentum);
};
/// `needs_input` and `needs_gradient`, where they are, are static and known to the compiler: any
/// other would be passed over.
template <class P>
concept InputFlagsAreConstants =
    (!requires { P::needs_input; } || requires { typename std::bool_constant<P::needs_input>; }) &&
    (!requires { P::needs_gradient; } ||
     requires { typename std::bool_constant<P::needs_gradient>; });
}  // namespace req

/// Where importance scores come from. Either form will do; the driver picks by `if constexpr`. A
/// one-layer policy that reads `layer.input` is asked once per batch of images, and its scores are
/// averaged over all images: a mean over a batch becomes the mean over all of them.
/// Optional flags: `needs_input` (default true for one-layer policies), `needs_gradient` (default
/// false). A policy that cannot score every network has `void require_fits(graph) const`, which
/// throws Error and is asked before any work.
template <class P>
concept ScoreInit = req::Value<P> && req::Named<P> && req::ScoresOneLayerOrAllLayers<P> &&
                    req::TrainsByGradient<P> && req::InputFlagsAreConstants<P>;

/// Whether a one-layer policy reads `LayerView::input`.
template <ScoreInit P>
inline constexpr bool needs_input = [] {
  if constexpr (requires { P::needs_input; }) return bool{P::needs_input};
  return true;
}();

/// Whether batches must hold each image's attacked twin for whatever settings: `static constexpr
/// bool needs_twins = true`.
template <ScoreInit P>
inline constexpr bool always_wants_twins = requires { requires P::needs_twins; };

/// Whether batches must hold each image's attacked twin: 2N images, the attacked behind the clean
/// ones. Where settings decide, the policy has `bool needs_twins() const`.
template <ScoreInit P>
constexpr bool wants_twins(const P& policy) {
  if constexpr (always_wants_twins<P>) return true;
  if constexpr (requires {
                  { policy.needs_twins() } -> std::same_as<bool>;
                })
    return policy.needs_twins();
  return false;
}

/// What the scores make equal: a policy that divides them by a mean has `Levelled levels() const`.
template <ScoreInit P>
constexpr Levelled levels(const P& policy) {
  if constexpr (requires {
                  { policy.levels() } -> std::same_as<Levelled>;
                })
    return policy.levels();
  return Levelled::kNothing;
}

/// Whether a one-layer policy reads `LayerView::gradient`.
template <ScoreInit P>
inline constexpr bool needs_gradient = requires { requires P::needs_gradient; };

namespace req {
/// An attack that makes the twins which a score compares images with: not NoAttack, where the score
/// always wants some.
template <class A, class Score>
concept MakesTwins = !(always_wants_twins<Score> && is_identity<A>);
}  // namespace req

}  // namespace serpette
