#include "serpette/torch/nn.hpp"

#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/winograd_convolution.hpp"
#include "support/catch.hpp"
#include "support/guarded_output.hpp"
#include "support/pieces.hpp"

using namespace serpette;
using deploy::DirectConvolution;
using deploy::WinogradConvolution;
using serpette::test::guarded_output;
using serpette::test::Pieces;

namespace {

struct Case {
  int channels, height, width, filters, size, stride, padding;
};

std::ostream& operator<<(std::ostream& out, const Case& k) {
  return out << k.channels << "×" << k.height << "×" << k.width << " → " << k.filters << ", "
             << k.size << "×" << k.size << "/" << k.stride << " padding " << k.padding;
}

/// Largest difference from LibTorch's convolution in double, over the largest output.
template <class Form>
double error(const Case& k, int threads, bool add) {
  const Convolutional c{.filters = k.filters,
                        .size = k.size,
                        .stride = k.stride,
                        .padding = k.padding,
                        .activation = Activation::kLeaky};
  const auto x = at::randn({1, k.channels, k.height, k.width}), bias = at::randn({k.filters}),
             weight = at::randn({k.filters, k.channels, k.size, k.size});
  const Form form(c, {k.channels, k.height, k.width}, weight.const_data_ptr<float>(),
                  bias.const_data_ptr<float>());
  auto expected = at::leaky_relu(at::conv2d(x.to(at::kDouble), weight.to(at::kDouble),
                                            bias.to(at::kDouble), k.stride, k.padding),
                                 0.1);
  const auto residual = at::randn_like(expected);
  if (add) expected = at::relu(expected + residual);
  CHECK(form.output() == Shape{k.filters, int(expected.size(2)), int(expected.size(3))});
  const at::Tensor in = x.permute({0, 2, 3, 1}).contiguous(),
                   added = residual.to(at::kFloat).permute({0, 2, 3, 1}).contiguous();
  const at::Tensor y = guarded_output(
      expected.numel(), add ? added : at::Tensor(), [&](float* to, const deploy::Finish& finish) {
        form.run(in.const_data_ptr<float>(), to, finish, Pieces{threads}, threads);
      });
  const auto wanted = expected.permute({0, 2, 3, 1}).reshape(-1);
  return ((y.to(at::kDouble) - wanted).abs().max() / wanted.abs().max()).item<double>();
}

}  // namespace

TEST_CASE("direct convolution equals LibTorch's in double at every shape", "[deploy][direct]") {
  at::manual_seed(3);
  const auto k = GENERATE(
      Case{5, 1, 1, 6, 1, 1, 0}, Case{5, 7, 9, 33, 1, 1, 0}, Case{3, 21, 17, 8, 3, 1, 1},
      Case{64, 13, 13, 100, 1, 1, 0}, Case{7, 40, 37, 9, 3, 2, 1}, Case{3, 33, 70, 5, 5, 2, 2},
      Case{3, 9, 70, 5, 7, 3, 3}, Case{3, 9, 30, 50, 3, 1, 0}, Case{3, 9, 30, 5, 1, 1, 1},
      Case{256, 6, 5, 255, 3, 1, 1}, Case{300, 26, 26, 40, 1, 1, 0}, Case{1, 3, 3, 1, 3, 1, 1});
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(error<DirectConvolution>(k, threads, threads != 2) < 5e-6);
}

TEST_CASE(
    "Winograd's convolution equals LibTorch's in double within the rounding of its transforms",
    "[deploy][winograd]") {
  at::manual_seed(4);
  const auto k = GENERATE(
      Case{1, 1, 1, 1, 3, 1, 1}, Case{5, 3, 2, 6, 3, 1, 1}, Case{3, 21, 17, 8, 3, 1, 1},
      Case{16, 8, 12, 32, 3, 1, 1}, Case{64, 13, 13, 100, 3, 1, 1}, Case{17, 30, 41, 33, 3, 1, 1},
      Case{20, 9, 30, 50, 3, 1, 0}, Case{512, 13, 13, 64, 3, 1, 1}, Case{8, 104, 97, 16, 3, 1, 1});
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(error<WinogradConvolution>(k, threads, threads != 2) < 1e-5);
}

TEST_CASE("threads do not change a bit of a dense convolution", "[deploy][direct][winograd]") {
  at::manual_seed(5);
  const Convolutional c{.filters = 70, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const auto weight = at::randn({70, 24, 3, 3}), bias = at::randn({70}),
             x = at::randn({60, 52, 24});
  const auto check = [&](const auto& form) {
    const auto run = [&](int threads) {
      auto y = at::empty({60, 52, 70});
      form.run(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
               deploy::Finish{.slope = 0.1F}, Pieces{threads}, threads);
      return y;
    };
    for (const int threads : {2, 3, 8}) CHECK(run(1).equal(run(threads)));
  };
  const float *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  check(DirectConvolution(c, {24, 60, 52}, w, b));
  check(WinogradConvolution(c, {24, 60, 52}, w, b));
}

TEST_CASE("what has no dense form of ours is refused", "[deploy][direct][winograd]") {
  const std::vector<float> zeros(100);
  Convolutional c{.filters = 2, .size = 3, .padding = 1, .groups = 2};
  CHECK_THROWS_WITH(DirectConvolution(c, {2, 4, 4}, zeros.data(), zeros.data()),
                    "direct convolution: should be in one group, got 2 groups");
  c = {.filters = 2, .size = 3, .stride = 2, .padding = 1};
  CHECK_THROWS_WITH(
      WinogradConvolution(c, {2, 4, 4}, zeros.data(), zeros.data()),
      "Winograd convolution: should be 3×3 with stride 1 in one group, got 3×3 with stride 2 in 1 "
      "groups");
}
