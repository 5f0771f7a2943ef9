#pragma once

#include <ATen/ATen.h>

#include <cmath>

#include "serpette/deploy/finish.hpp"
#include "support/catch.hpp"

namespace serpette::test {

/// What a convolution of deploy/ writes: run(y, finish) gets memory for `numbers` floats and what
/// to finish with, a leaky slope of 0.1 and, if it is defined, a residual with a slope of 0.
/// Guard cells around the output show writes outside it, and all of it has to be written.
template <class Run>
at::Tensor guarded_output(std::int64_t numbers, const at::Tensor& residual, const Run& run) {
  const auto memory = at::full({numbers + 128}, std::nan(""));
  auto y = memory.narrow(0, 64, numbers);
  deploy::Finish finish{.slope = 0.1F};
  if (residual.defined()) {
    finish.residual = residual.const_data_ptr<float>();
    finish.residual_slope = 0;
  }
  run(y.mutable_data_ptr<float>(), finish);
  CHECK(memory.narrow(0, 0, 64).isnan().all().item<bool>());
  CHECK(memory.slice(0, 64 + numbers).isnan().all().item<bool>());
  REQUIRE(y.isfinite().all().item<bool>());
  return y;
}

}  // namespace serpette::test
