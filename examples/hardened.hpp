#pragma once

#include <serpette/concepts/objective.hpp>

// [objective]
/// Every image under attack, none clean.
struct Hardened {
  static constexpr std::string_view name = "Hardened";

  struct State {
    template <serpette::Detector D>
    at::Tensor loss(D& detector, const serpette::ImageBatch& batch,
                    const serpette::Adversary& adversary) const {
      const auto attacked = adversary(batch);
      return detector.loss(detector.forward(attacked), batch.truth).total();
    }
  };
  State start(const serpette::TrainingContext&) const { return {}; }
};
static_assert(serpette::Objective<Hardened>);
// [objective]
