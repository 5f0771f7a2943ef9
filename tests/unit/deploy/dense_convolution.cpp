#include "serpette/torch/nn.hpp"

#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/winograd_convolution.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"

using namespace serpette;
using deploy::DirectConvolution;
using deploy::WinogradConvolution;
using serpette::test::convolution_error;
using serpette::test::ConvolutionCase;
using serpette::test::threads_change_no_bit;

TEST_CASE("direct convolution equals LibTorch's in double at every shape", "[deploy][direct]") {
  at::manual_seed(3);
  const auto k =
      GENERATE(ConvolutionCase{5, 1, 1, 6, 1, 1, 0}, ConvolutionCase{5, 7, 9, 33, 1, 1, 0},
               ConvolutionCase{3, 21, 17, 8, 3, 1, 1}, ConvolutionCase{64, 13, 13, 100, 1, 1, 0},
               ConvolutionCase{7, 40, 37, 9, 3, 2, 1}, ConvolutionCase{3, 33, 70, 5, 5, 2, 2},
               ConvolutionCase{3, 9, 70, 5, 7, 3, 3}, ConvolutionCase{3, 9, 30, 50, 3, 1, 0},
               ConvolutionCase{3, 9, 30, 5, 1, 1, 1}, ConvolutionCase{256, 6, 5, 255, 3, 1, 1},
               ConvolutionCase{300, 26, 26, 40, 1, 1, 0}, ConvolutionCase{1, 3, 3, 1, 3, 1, 1});
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(convolution_error<DirectConvolution>(k, threads, threads != 2) < 5e-6);
}

TEST_CASE(
    "Winograd's convolution equals LibTorch's in double within the rounding of its transforms",
    "[deploy][winograd]") {
  at::manual_seed(4);
  const auto k =
      GENERATE(ConvolutionCase{1, 1, 1, 1, 3, 1, 1}, ConvolutionCase{5, 3, 2, 6, 3, 1, 1},
               ConvolutionCase{3, 21, 17, 8, 3, 1, 1}, ConvolutionCase{16, 8, 12, 32, 3, 1, 1},
               ConvolutionCase{64, 13, 13, 100, 3, 1, 1}, ConvolutionCase{17, 30, 41, 33, 3, 1, 1},
               ConvolutionCase{20, 9, 30, 50, 3, 1, 0}, ConvolutionCase{512, 13, 13, 64, 3, 1, 1},
               ConvolutionCase{8, 104, 97, 16, 3, 1, 1});
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(convolution_error<WinogradConvolution>(k, threads, threads != 2) < 1e-5);
}

TEST_CASE("threads do not change a bit of a dense convolution", "[deploy][direct][winograd]") {
  at::manual_seed(5);
  const Convolutional c{.filters = 70, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const auto weight = at::randn({70, 24, 3, 3}), bias = at::randn({70}),
             x = at::randn({60, 52, 24});
  const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  threads_change_no_bit(DirectConvolution(c, {24, 60, 52}, w, b), x);
  threads_change_no_bit(WinogradConvolution(c, {24, 60, 52}, w, b), x);
  // Few cells, which threads share out as they are.
  threads_change_no_bit(DirectConvolution(c, {24, 11, 9}, w, b), at::randn({11, 9, 24}));
}

TEST_CASE("what has no dense form of ours is refused", "[deploy][direct][winograd]") {
  const std::vector<float> zeros(100);
  Convolutional c{.filters = 2, .size = 3, .padding = 1, .groups = 2};
  CHECK_THROWS_WITH(DirectConvolution(c, {2, 4, 4}, zeros.data(), zeros.data()),
                    "direct convolution: should be in one group, and in int8 of at most 65536 "
                    "products, got 2 groups and 2 times 3×3");
  c = {.filters = 2, .size = 3, .stride = 2, .padding = 1};
  CHECK_THROWS_WITH(
      WinogradConvolution(c, {2, 4, 4}, zeros.data(), zeros.data()),
      "Winograd convolution: should be 3×3 with stride 1 in one group, got 3×3 with stride 2 in 1 "
      "groups");
}
