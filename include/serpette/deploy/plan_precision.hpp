#pragma once

#include <array>

#include "serpette/core/settings.hpp"

namespace serpette::deploy {

/// The coarsest numbers that a plan's layers may multiply in; training has its own, `Precision`.
/// Each allows those before it, too.
enum class PlanPrecision {
  kFloat32,
  kBFloat16,  ///< float32 with 8 bits of mantissa instead of 24.
  kInt8,      ///< Bytes, by scales that calibration finds (calibration.hpp).
};

constexpr auto words(PlanPrecision) {
  return std::array<Word<PlanPrecision>, 3>{{{"f32", PlanPrecision::kFloat32},
                                             {"bf16", PlanPrecision::kBFloat16},
                                             {"int8", PlanPrecision::kInt8}}};
}

}  // namespace serpette::deploy
