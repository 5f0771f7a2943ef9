#include "serpette/deploy/kernel_winograd_convolution.hpp"

#include <torch/torch.h>

#include "support/catch.hpp"

using namespace serpette;
using deploy::KernelWinogradConvolution;

namespace {

struct Case {
  int channels, height, width, filters, padding;
  double density;  // of kernels
};

std::ostream& operator<<(std::ostream& out, const Case& k) {
  return out << k.channels << "×" << k.height << "×" << k.width << " → " << k.filters
             << ", padding " << k.padding << ", density " << k.density;
}

Convolutional convolution(const Case& k) {
  return {.filters = k.filters,
          .size = 3,
          .stride = 1,
          .padding = k.padding,
          .activation = Activation::kLeaky};
}

at::Tensor weight_of(const Case& k) {
  return at::randn({k.filters, k.channels, 3, 3}) *
         (at::rand({k.filters, k.channels, 1, 1}) < k.density);
}

/// Ranges in reverse order: none may depend on another.
struct Pieces {
  int count = 1;
  template <class F>
  void operator()(std::int64_t n, const F& f) const {
    for (int i = count; i-- > 0;)
      if (n * i / count < n * (i + 1) / count) f(n * i / count, n * (i + 1) / count);
  }
};

/// Largest difference from LibTorch's convolution in double, over the largest output.
double error(const Case& k, int threads, bool add) {
  const auto x = at::randn({1, k.channels, k.height, k.width}), bias = at::randn({k.filters}),
             weight = weight_of(k);
  const KernelWinogradConvolution form(convolution(k), {k.channels, k.height, k.width},
                                       weight.const_data_ptr<float>(),
                                       bias.const_data_ptr<float>());
  auto expected = at::leaky_relu(
      at::conv2d(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), 1, k.padding),
      0.1);
  const auto residual = at::randn(expected.sizes());
  if (add) expected = at::relu(expected + residual);
  CHECK(form.output() == Shape{k.filters, int(expected.size(2)), int(expected.size(3))});
  // Guard cells around the output show writes outside it.
  const auto memory = at::full({expected.numel() + 128}, std::nan(""));
  auto y = memory.narrow(0, 64, expected.numel()).view(expected.sizes());
  deploy::Finish finish{.slope = 0.1F};
  if (add) {
    finish.residual = residual.const_data_ptr<float>();
    finish.residual_slope = 0;
  }
  form.run(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), finish, Pieces{threads},
           threads);
  CHECK(memory.narrow(0, 0, 64).isnan().all().item<bool>());
  CHECK(memory.slice(0, 64 + expected.numel()).isnan().all().item<bool>());
  REQUIRE(y.isfinite().all().item<bool>());
  return ((y - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace

TEST_CASE("kernels that are left equal LibTorch's convolution in double", "[deploy][kernels]") {
  at::manual_seed(6);
  const auto k = GENERATE(
      Case{1, 1, 1, 1, 1, 1}, Case{5, 3, 2, 6, 1, 0.5}, Case{3, 21, 17, 8, 1, 0.5},
      Case{16, 8, 12, 32, 1, 0.2}, Case{64, 13, 13, 100, 1, 0.1}, Case{40, 26, 26, 9, 1, 0.2},
      Case{17, 30, 41, 33, 1, 0.3}, Case{20, 9, 30, 50, 0, 0.2}, Case{70, 52, 52, 5, 1, 0.1},
      Case{2, 7, 66, 3, 0, 0.8}, Case{8, 104, 97, 16, 1, 0.2}, Case{4, 12, 12, 8, 1, 0},
      Case{9, 3, 416, 4, 1, 1}, Case{66, 67, 64, 3, 1, 0.4});
  INFO(k);
  for (const int threads : {1, 2, 5}) CHECK(error(k, threads, threads != 2) < 1e-5);
}

TEST_CASE("threads do not change a bit of a convolution of kernels", "[deploy][kernels]") {
  at::manual_seed(7);
  for (const auto& k : {Case{70, 52, 52, 30, 1, 0.2}, Case{24, 60, 52, 70, 1, 0.1}}) {
    const auto weight = weight_of(k), bias = at::randn({k.filters}),
               x = at::randn({k.channels, k.height, k.width});
    const KernelWinogradConvolution form(convolution(k), {k.channels, k.height, k.width},
                                         weight.const_data_ptr<float>(),
                                         bias.const_data_ptr<float>());
    const auto run = [&](int threads) {
      auto y = at::empty({k.filters, k.height, k.width});
      form.run(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
               deploy::Finish{.slope = 0.1F}, Pieces{threads}, threads);
      return y;
    };
    for (const int threads : {2, 3, 8}) CHECK(run(1).equal(run(threads)));
  }
}

TEST_CASE("what Winograd's convolution of kernels cannot compute is refused", "[deploy][kernels]") {
  const std::vector<float> zeros(100);
  const Convolutional c{.filters = 2, .size = 3, .stride = 2, .padding = 1};
  CHECK_THROWS_WITH(
      KernelWinogradConvolution(c, {2, 4, 4}, zeros.data(), zeros.data()),
      "Winograd convolution of kernels: should be 3×3 with stride 1 in one group, got 3×3 with "
      "stride 2 in 1 groups");
}
