#pragma once

#include <string_view>

#include "serpette/score/deep_lift.hpp"
#include "serpette/score/scaled_start.hpp"
#include "serpette/score/straight_through.hpp"

namespace serpette {

/// DeepLIFT as the start of HYDRA's score training: the scores are scaled to HYDRA's range layer by
/// layer, s = √(6 / fan_in) · s / max|s|, and then trained for every ratio. Against `DeepLift` it
/// shows what the training adds, against `Hydra` what the start is worth.
struct DeepLiftTrained {
  static constexpr std::string_view name = "DeepLIFT trained";

  DeepLift start{};
  StraightThroughSgd optimizer{};

  static constexpr auto describe() {
    return settings(part<&DeepLiftTrained::start>(""), part<&DeepLiftTrained::optimizer>(""));
  }

  [[nodiscard]] bool needs_twins() const { return start.needs_twins(); }
  void require_fits(const Graph& graph) const { start.require_fits(graph); }
  [[nodiscard]] constexpr Levelled levels() const {  // layers get HYDRA's scale
    return start.levels() == Levelled::kFilters ? Levelled::kFilters : Levelled::kNothing;
  }

  template <Detector D>
  [[nodiscard]] ScoreMap score_all(D& detector, const BatchStream& batches, Generator& rng) const {
    auto scores = start.score_all(detector, batches, rng);
    for (auto& s : scores) s = scaled_start(s).to(s.scalar_type());
    return scores;
  }
};

static_assert(ScoreInit<DeepLiftTrained> && req::TrainsScores<DeepLiftTrained>);

}  // namespace serpette
