#pragma once

/// @file
/// How a plan is made. No LibTorch.

#include <optional>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/choices.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/deploy/quantization.hpp"

namespace serpette::deploy {

/// @throws Error  if this machine has no products of such operands.
inline void require_precision(PlanPrecision precision, std::string_view place) {
  require(precision != PlanPrecision::kBFloat16 || has_bfloat16(), place,
          "should be f32 on a machine without AVX512-BF16, got bf16");
  require(precision != PlanPrecision::kInt8 || has_int8(), place,
          "should be f32 on a machine without AVX512-VNNI, got int8");
}

struct PlanOptions {
  /// Time the forms that the model of the machine cannot tell apart (a plan then depends on the
  /// machine, and its outputs in their last bits); otherwise the model alone decides.
  bool measure = true;
  int repeats = 3;  ///< Timings per form at least, of which the best counts.
  /// With kBFloat16 the dense forms may round the operands of their products, where that is faster,
  /// and maps between two of them, the sums of shortcuts among these: half the time, at an error of
  /// some 10⁻² of the largest logit. With kInt8 some forms may, by `ranges`, round to bytes.
  PlanPrecision precision = PlanPrecision::kFloat32;
  /// Of kInt8: what calibration.hpp finds, be it that no convolution is worth it. Those that are
  /// not named stay as in kBFloat16.
  std::optional<Ranges> ranges = {};
  /// Forms that are given, not chosen; empty, or one for every convolution that is left.
  Choices choices = {};
};

}  // namespace serpette::deploy
