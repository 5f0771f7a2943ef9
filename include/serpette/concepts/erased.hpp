#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "serpette/concepts/any_detector.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/color_mode.hpp"
#include "serpette/concepts/objective.hpp"
#include "serpette/concepts/score_init.hpp"

/// @file
/// Policies whose types are not known where they are used. Every policy becomes one of these by
/// itself where a stage of the method takes it, and so the method is compiled once, whatever the
/// policies are; what a type says of itself is then an answer at run time. The price is a call
/// through a pointer per layer or batch.

namespace serpette {

namespace detail {
/// Not the erased type itself, which is copied instead.
template <class P, class Erased>
concept OtherThan = !std::same_as<P, Erased>;
}  // namespace detail

/// An attack.
struct ErasedAttack {
  std::string_view name;
  bool is_identity;  ///< It leaves images as they are.
  double epsilon;    ///< radius_of; 0 if it has none.
  std::function<at::Tensor(const Victim&, const at::Tensor& images, Generator&)> perturb;

  template <detail::OtherThan<ErasedAttack> A>
    requires Attack<A>
  ErasedAttack(const A& attack)  // NOLINT(google-explicit-constructor): an attack is one
      : name(A::name),
        is_identity(serpette::is_identity<A>),
        epsilon(radius_of(attack).value_or(0)),
        perturb([attack](const Victim& victim, const at::Tensor& images, Generator& rng) {
          return attack.perturb(victim, images, rng);
        }) {}
};

/// A colour mode.
struct ErasedColorMode {
  std::string_view name;
  int channels;
  std::function<at::Tensor(const at::Tensor& rgb)> encode;
  std::function<at::Tensor(const at::Tensor& encoded)> expand;

  template <detail::OtherThan<ErasedColorMode> C>
    requires ColorMode<C>
  ErasedColorMode(const C& color)  // NOLINT(google-explicit-constructor): a colour mode is one
      : name(C::name),
        channels(C::channels),
        encode([color](const at::Tensor& rgb) { return color.encode(rgb); }),
        expand([color](const at::Tensor& encoded) { return color.expand(encoded); }) {}
};

/// An objective.
struct ErasedObjective {
  std::string_view name;
  using Loss =
      std::function<at::Tensor(AnyDetector&, const ImageBatch& batch, const Adversary& adversary)>;

  int replays;
  bool needs_teacher, remembers_nothing;
  std::function<Loss(const TrainingContext&)> start;  ///< The loss of a state of its own.

  template <detail::OtherThan<ErasedObjective> P>
    requires Objective<P>
  ErasedObjective(const P& objective)  // NOLINT(google-explicit-constructor): an objective is one
      : name(P::name),
        replays(serpette::replays<P>),
        needs_teacher(serpette::needs_teacher<P>),
        remembers_nothing(serpette::remembers_nothing<P>),
        start([objective](const TrainingContext& context) -> Loss {
          using State = decltype(objective.start(context));
          return [state = std::make_shared<State>(objective.start(context))](
                     AnyDetector& detector, const ImageBatch& batch, const Adversary& adversary) {
            return state->loss(detector, batch, adversary);
          };
        }) {}
};

/// How scores are trained after their start: the `optimizer` of a ScoreInit.
struct ErasedScoreTraining {
  double learning_rate, momentum;
  /// ∂L/∂s of one layer, of ∂L/∂eff, w and s.
  std::function<at::Tensor(const at::Tensor& effective_gradient, const at::Tensor& weight,
                           const at::Tensor& scores)>
      gradient;

  /// @param optimizer  learning_rate, momentum, gradient(∂L/∂eff, w, s).
  template <detail::OtherThan<ErasedScoreTraining> P>
    requires requires(const P& p, const at::Tensor& t) {
      { p.gradient(t, t, t) } -> std::same_as<at::Tensor>;
      double(p.learning_rate);
      double(p.momentum);
    }
  ErasedScoreTraining(const P& optimizer)  // NOLINT(google-explicit-constructor)
      : learning_rate(optimizer.learning_rate),
        momentum(optimizer.momentum),
        gradient([optimizer](const at::Tensor& effective_gradient, const at::Tensor& weight,
                             const at::Tensor& scores) {
          return optimizer.gradient(effective_gradient, weight, scores);
        }) {}
};

/// A score: one layer at a time, or all at once.
struct ErasedScore {
  std::string_view name;
  bool needs_input, needs_gradient;  ///< Of a score that sees one layer at a time.
  bool wants_twins;
  Levelled levels;  ///< What it makes equal.
  /// Refuses a network that it cannot score.
  std::function<void(const Graph&)> require_fits = [](const Graph&) {};
  std::function<at::Tensor(const LayerView&, Generator&)> score;
  /// Empty where the policy sees one layer at a time.
  std::function<ScoreMap(AnyDetector&, const BatchStream&, Generator&)> score_all;
  std::optional<ErasedScoreTraining> training;  ///< None where scores stay as they are.

  template <detail::OtherThan<ErasedScore> P>
    requires ScoreInit<P>
  ErasedScore(const P& policy)  // NOLINT(google-explicit-constructor): a score is one
      : name(P::name),
        needs_input(serpette::needs_input<P>),
        needs_gradient(serpette::needs_gradient<P>),
        wants_twins(serpette::wants_twins(policy)),
        levels(serpette::levels(policy)) {
    if constexpr (req::ScoresAllLayers<P>)
      score_all = [policy](AnyDetector& detector, const BatchStream& batches, Generator& rng) {
        return policy.score_all(detector, batches, rng);
      };
    else
      score = [policy](const LayerView& layer, Generator& rng) { return policy.score(layer, rng); };
    if constexpr (req::TrainsScores<P>) training.emplace(policy.optimizer);
    if constexpr (requires(const Graph& graph) { policy.require_fits(graph); })
      require_fits = [policy](const Graph& graph) { policy.require_fits(graph); };
  }
};

}  // namespace serpette
