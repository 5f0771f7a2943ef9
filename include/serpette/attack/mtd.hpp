#pragma once

#include <ATen/ops/where.h>

#include <string_view>

#include "serpette/attack/pgd.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// The attack of multi-task-domain training: PGD on the location loss and PGD on the classification
/// loss, and for every image whichever raises the whole loss more (a tie takes the location's).
/// Cost: 2 · (`steps` + 1) forward and backward passes. Source: Zhang & Wang 2019, sec. 3.3.
struct Mtd {
  static constexpr std::string_view name = "MTD";

  Pgd pgd{};  ///< Radius, steps and norm of both; its aim is set aside.

  static constexpr auto describe() {
    return settings(part<&Mtd::pgd>("", {"goal", "box", "objectness", "classes", "own"}));
  }

  /// @throws Error  as Pgd.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    const auto towards = [&](const Aim& aim) {
      auto one = pgd;
      one.aim = aim;
      return one.perturb(victim, images, rng);
    };
    const auto location = towards({.box = 1, .objectness = 0, .classes = 0});
    const auto category = towards({.box = 0, .objectness = 1, .classes = 1});
    const auto stronger = victim.loss(category, {}) > victim.loss(location, {});
    return at::where(stronger.view({-1, 1, 1, 1}), category, location);
  }
};

static_assert(Attack<Mtd>);

}  // namespace serpette
