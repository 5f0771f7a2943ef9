#include "serpette/graph/convolve.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>

#include "serpette/core/seed.hpp"
#include "serpette/torch/operators.hpp"
#include "support/catch.hpp"

using namespace serpette;

TEST_CASE("convolve and its gradients equal LibTorch's whatever way it takes", "[core][convolve]") {
  const auto size = GENERATE(1, 3), stride = GENERATE(1, 2), groups = GENERATE(1, 2),
             images = GENERATE(1, 2);
  const auto side = GENERATE(5, 64);  // of one image, 64 is enough for oneDNN and 5 is not
  const Convolutional c{
      .filters = 6, .size = size, .stride = stride, .padding = size / 2, .groups = groups};
  Generator rng{Seed(1)};
  const auto draw = [&](at::IntArrayRef shape) {
    return at::empty(shape, at::kDouble).normal_(0, 1, rng.torch());
  };
  const auto x = draw({images, 8, side, side}), weight = draw({6, 8 / groups, size, size}),
             bias = draw({6});
  const auto exact = at::conv2d(x, weight, bias, stride, c.padding, 1, groups);
  const auto by = draw(exact.sizes());
  const auto [of_x, of_weight, none] = at::convolution_backward(
      by, x, weight, at::OptionalIntArrayRef{}, {stride, stride}, {c.padding, c.padding}, {1, 1},
      false, {0, 0}, groups, {true, true, false});
  const auto error = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a.to(at::kDouble) - b).abs().max() / b.abs().max()).item<double>();
  };
  const auto threads = at::get_num_threads();
  for (const int n : {1, 2}) {
    at::set_num_threads(n);
    const auto f = [](const at::Tensor& t) { return t.to(at::kFloat); };
    CHECK(error(convolve(f(x), f(weight), f(bias), c), exact) < 1e-5);
    const auto [to_x, to_weight] = convolve_backward(f(by), f(x), f(weight), c, true, true);
    CHECK(error(to_x, of_x) < 1e-5);
    CHECK(error(to_weight, of_weight) < 1e-5);
    CHECK(at::equal(convolve(x, weight, bias, c), exact));
  }
  at::set_num_threads(threads);
  const auto [only_x, no_weight] = convolve_backward(by, x, weight, c, true, false);
  CHECK(only_x.defined());
  CHECK_FALSE(no_weight.defined());
}
