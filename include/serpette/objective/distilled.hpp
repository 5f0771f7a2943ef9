#pragma once

#include <ATen/core/grad_mode.h>

#include <string_view>
#include <vector>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/objective/consistency.hpp"

namespace serpette {

/// Another objective, and the unpruned network as teacher:  its loss + w · mean over the images of
/// D(teacher's heads(x_i), heads(x_i)),  D the divergence of objectness, classes and boxes
/// (consistency.hpp) on the clean images. Where nothing has been pruned yet (robust pre-training)
/// there is no teacher, and the other objective stands alone. Cost: the other's, one forward and
/// backward pass, and one forward pass of the teacher. Source: Hinton et al. 2015 (temperature 1);
/// docs/policies/objective.md.
template <Objective Goal>
struct Distilled {
  static constexpr std::string_view name = "Distilled";
  static constexpr int replays = serpette::replays<Goal>;
  static constexpr bool remembers_nothing = serpette::remembers_nothing<Goal>;
  static constexpr bool needs_teacher = true;

  Goal objective{};
  double weight = 1;  ///< w, of what the teacher says.

  static constexpr auto describe() {
    return settings(part<&Distilled::objective>(""),
                    setting<&Distilled::weight>("Weight of what the teacher says", at_least(0)));
  }

  template <class GoalState>
  struct State {
    GoalState state;
    double weight;
    Teacher teacher;

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) {
      const auto own = state.loss(detector, batch, adversary);
      if (!teacher) return own;
      std::vector<at::Tensor> said;
      {
        const at::NoGradGuard no_grad;
        said = teacher(batch.images);
      }
      return own +
             weight * divergence(said, detector.forward(batch.images), detector.graph().classes());
    }
  };

  /// @throws Error  if the weight is negative.
  [[nodiscard]] auto start(const TrainingContext& context) const {
    require(weight >= 0, name, "weight should be at least 0, got {}", weight);
    return State<decltype(objective.start(context))>{objective.start(context), weight,
                                                     context.teacher};
  }
};

}  // namespace serpette
