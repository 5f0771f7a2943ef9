#pragma once

#include <string_view>
#include <utility>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

/// An objective that meets an attack of its own in place of the scenario's, which then only
/// evaluates:  `Under<Mtd, AdversarialOnly>`.
template <Attack A, Objective Goal>
struct Under {
  static constexpr std::string_view name = Goal::name;
  static constexpr int replays = serpette::replays<Goal>;
  static constexpr bool remembers_nothing = serpette::remembers_nothing<Goal>;
  static constexpr bool needs_teacher = serpette::needs_teacher<Goal>;

  A attack{};
  Goal objective{};

  static constexpr auto describe() {
    return settings(part<&Under::attack>("attack"), part<&Under::objective>(""));
  }

  template <class GoalState>
  struct State {
    A attack;
    GoalState state;

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) {
      return state.loss(detector, batch, adversary.with(attack));
    }
  };

  [[nodiscard]] auto start(const TrainingContext& context) const {
    return State<decltype(objective.start(context))>{attack, objective.start(context)};
  }
};

}  // namespace serpette
