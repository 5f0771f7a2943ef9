#pragma once

#include <ATen/ops/where.h>

#include <cstdint>
#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// An attack several times from its random starts, the best of them for each image: the first that
/// evades, every true box unseen or under another class (Aim::Goal::kEvade), whatever its loss;
/// else the one that raises the loss on ground truth most. An image is done where it is evaded:
/// later starts work on the others alone. Cost: at most `restarts` times the attack's, and two
/// forward passes each. Source: Madry et al. 2018, sec. 4; Croce & Hein 2020, sec. 5 for the stop.
template <Attack A>
struct Restarts {
  static constexpr std::string_view name = A::name;

  A attack{};        ///< One that starts at random; else every start is the same.
  int restarts = 3;  ///< Number of starts, at least 1.

  static constexpr auto describe() {
    return settings(
        part<&Restarts::attack>(""),
        setting<&Restarts::restarts>("Random starts, the best for each image", from_to(1, 1000)));
  }

  /// @throws Error  as the attack, or if there is no start.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    require(restarts >= 1, name, "restarts should be at least 1, got {}", restarts);
    auto best = attack.perturb(victim, images, rng);
    if (restarts == 1) return best;
    auto loss = victim.loss(best, {});
    auto open = victim.loss(best, kEvaded) < 0;
    for (int k = 1; k < restarts; ++k) {
      const auto rows = open.nonzero().squeeze(1);
      if (rows.size(0) == 0) break;
      const bool all = rows.size(0) == images.size(0) || !victim.narrows();
      const auto some = all ? victim : victim.only(rows);
      const auto found = attack.perturb(some, all ? images : images.index_select(0, rows), rng);
      const auto raised = some.loss(found, {});
      const auto tried = all ? found : best.index_copy(0, rows, found);
      const auto now = all ? raised : loss.index_copy(0, rows, raised);
      // The loss has more in it than the true boxes: what evades need not be where it is highest.
      const auto evaded = victim.loss(tried, kEvaded) >= 0;
      const auto better = open.logical_and(evaded.logical_or(now > loss));
      best = at::where(better.view({-1, 1, 1, 1}), tried, best);
      loss = at::where(better, now, loss);
      open = open.logical_and(evaded.logical_not());
    }
    return best;
  }

 private:
  static constexpr Aim kEvaded{.goal = Aim::Goal::kEvade};
};

}  // namespace serpette
