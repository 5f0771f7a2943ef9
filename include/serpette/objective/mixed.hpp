#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

/// Several objectives in turn, one batch each: with `Under`, each batch under another attack and
/// goal, e.g. `Mixed<Under<TogVanishing, AdversarialOnly>, Under<Pgd, BothForms>>`. Training on a
/// mix of strong attacks with different goals is what a benchmark of detector defences finds
/// strongest. Source: arXiv 2602.16494; docs/policies/objective.md.
template <Objective... Goals>
  requires(sizeof...(Goals) > 0 && ((replays<Goals> == 1) && ...))
struct Mixed {
  static constexpr std::string_view name = "Mixed";
  static constexpr bool needs_teacher = (serpette::needs_teacher<Goals> || ...);

  std::tuple<Goals...> objectives{};

  [[nodiscard]] std::string settings() const {
    return std::apply(
        [](const auto&... goal) {
          std::string text = "Mixed{";
          ((text += settings_text(goal)), ...);
          return text + '}';
        },
        objectives);
  }

  template <class... States>
  struct State {
    std::tuple<States...> states;
    std::size_t batch = 0;

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& images, const Adversary& adversary) {
      const auto turn = batch++ % sizeof...(States);
      at::Tensor loss;
      std::size_t index = 0;
      std::apply(
          [&](auto&... state) {
            ((index++ == turn ? void(loss = state.loss(detector, images, adversary)) : void()),
             ...);
          },
          states);
      return loss;
    }
  };

  [[nodiscard]] auto start(const TrainingContext& context) const {
    return std::apply(
        [&](const auto&... goal) {
          return State<decltype(goal.start(context))...>{{goal.start(context)...}};
        },
        objectives);
  }
};

}  // namespace serpette
