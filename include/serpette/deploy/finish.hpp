#pragma once

namespace serpette::deploy {

/// What becomes of a convolution's sum before it is stored:  a'(a(sum) + residual), where a(v) = v
/// for v > 0 and slope · v below: 1 is no activation, 0 ReLU.
struct Finish {
  float slope = 1;
  const float* residual = nullptr;  ///< Laid out like the output; null if none is added.
  float residual_slope = 1;         ///< Of the activation behind the sum with it.
};

}  // namespace serpette::deploy
