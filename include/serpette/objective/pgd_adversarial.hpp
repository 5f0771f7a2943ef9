#pragma once

#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

/// Adversarial training on a mixed batch:  mean over the images of L(x_i'),  with x_i' = x_i for
/// the first images and x_i under attack for the last `attacked` part of the batch. One forward and
/// backward pass, and the attack on a part of the images. Of a batch shared by several processes
/// the same images are attacked as one process would attack. Source: Madry et al. 2018, sec. 2;
/// Goodfellow et al. 2015, sec. 6 (the mix); docs/policies/objective.md.
struct PgdAdversarial {
  static constexpr std::string_view name = "PGD adversarial";

  double attacked = 0.5;  ///< Part of every batch that is attacked, in [0, 1].

  static constexpr auto describe() {
    return settings(setting<&PgdAdversarial::attacked>(
        "Part of every training batch that is attacked", from_to(0, 1)));
  }

  struct State {
    double attacked;
    Share share;

    /// Network images of the batch, the last part of it under attack.
    [[nodiscard]] at::Tensor images(const ImageBatch& batch, const Adversary& adversary) const {
      if (adversary.is_identity()) return batch.images;
      // Image i of this process is image rank + i · size of the whole batch.
      const auto n = batch.size(), whole = n * share.size;
      const auto clean_in_whole = whole - std::llround(static_cast<double>(whole) * attacked);
      const auto clean = std::clamp<std::int64_t>(
          (clean_in_whole - share.rank + share.size - 1) / share.size, 0, n);
      if (clean == n) return batch.images;
      return at::cat(
          std::vector{batch.images.slice(0, 0, clean), adversary(batch.slice(clean, n))});
    }

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) const {
      return detector.loss(detector.forward(images(batch, adversary)), batch.truth).total();
    }
  };

  [[nodiscard]] State start(const TrainingContext& context) const {
    require(attacked >= 0 && attacked <= 1, name, "attacked should be in [0, 1], got {}", attacked);
    return {attacked, context.share};
  }
};

static_assert(Objective<PgdAdversarial>);

}  // namespace serpette
