#include "serpette/deploy/sparse_convolution.hpp"

#include "serpette/torch/nn.hpp"

#include "support/catch.hpp"
#include "support/guarded_output.hpp"

using namespace serpette;
using deploy::SparseConvolution;
using deploy::SparseSettings;
using serpette::test::guarded_output;

namespace {
struct Case {
  int channels, height, width, filters, size, stride, padding, groups;
  double density;
};

double error(const Case& k, const SparseSettings& settings, int threads, bool add) {
  Convolutional c;
  c.filters = k.filters;
  c.size = k.size;
  c.stride = k.stride;
  c.padding = k.padding;
  c.groups = k.groups;
  c.activation = Activation::kLeaky;
  const auto x = at::randn({1, k.channels, k.height, k.width}), bias = at::randn({k.filters});
  const std::vector<std::int64_t> shape{k.filters, k.channels / k.groups, k.size, k.size};
  const auto weight = (at::randn(shape) * (at::rand(shape) < k.density)).contiguous();
  const SparseConvolution sparse(c, {k.channels, k.height, k.width}, weight.const_data_ptr<float>(),
                                 bias.const_data_ptr<float>(), settings);
  auto expected =
      at::leaky_relu(at::conv2d(x, weight, bias, c.stride, c.padding, 1, c.groups), 0.1);
  const auto residual = at::randn_like(expected);
  if (add) expected = at::relu(expected + residual);
  CHECK(sparse.output() == Shape{k.filters, int(expected.size(2)), int(expected.size(3))});
  const auto in_any_order = [](std::int64_t count, const auto& f) {
    for (auto p = count; p-- > 0;) f(p, p + 1);
  };
  const auto y =
      guarded_output(expected.numel(), add ? residual : at::Tensor(),
                     [&](float* to, const deploy::Finish& finish) {
                       sparse.run(x.const_data_ptr<float>(), to, finish, in_any_order, threads);
                     })
          .view(expected.sizes());
  return (y - expected).abs().max().item<double>() /
         std::max(1.0, expected.abs().max().item<double>());
}
}  // namespace

TEST_CASE("sparse convolution equals LibTorch's at every shape", "[deploy][sparse]") {
  at::manual_seed(3);
  const auto narrow = GENERATE(false, true), shifted = GENERATE(false, true);
  const std::int64_t bytes = GENERATE(1024, 16384, 1 << 20);  // one channel at a time, some, all
  const auto k = GENERATE(Case{5, 1, 1, 6, 1, 1, 0, 1, 0.5}, Case{5, 7, 9, 6, 1, 1, 0, 1, 0.3},
                          Case{8, 4, 4, 6, 1, 1, 0, 1, 0.3}, Case{4, 13, 13, 20, 3, 1, 1, 1, 0.1},
                          Case{4, 15, 17, 9, 3, 1, 1, 1, 0.5}, Case{4, 15, 16, 9, 3, 2, 1, 1, 0.5},
                          Case{4, 40, 37, 9, 3, 2, 1, 1, 0.1}, Case{3, 33, 70, 5, 5, 2, 2, 1, 0.2},
                          Case{3, 9, 70, 5, 7, 3, 3, 1, 0.2}, Case{3, 9, 30, 5, 3, 1, 0, 1, 0.2},
                          Case{3, 9, 30, 5, 1, 1, 1, 1, 0.6}, Case{6, 12, 12, 6, 3, 1, 1, 6, 0.5},
                          Case{6, 12, 12, 9, 3, 1, 1, 3, 0.5}, Case{6, 12, 12, 4, 1, 1, 0, 2, 0.5},
                          Case{4, 12, 12, 8, 3, 1, 1, 1, 0}, Case{4, 9, 9, 8, 1, 1, 0, 1, 1},
                          Case{3, 416, 5, 2, 3, 1, 1, 1, 0.5},
                          // Rows that end in a half, a quarter, … of a vector, in several bands.
                          Case{3, 52, 52, 5, 3, 1, 1, 1, 0.2}, Case{3, 26, 26, 5, 3, 1, 1, 1, 0.2},
                          Case{4, 31, 27, 6, 3, 1, 1, 2, 0.3}, Case{3, 57, 50, 5, 3, 2, 1, 1, 0.3},
                          Case{2, 50, 23, 4, 5, 1, 2, 1, 0.3}, Case{2, 64, 1, 4, 3, 1, 1, 1, 0.5},
                          Case{2, 119, 6, 3, 3, 1, 0, 1, 0.4},
                          // Sums that move by lanes: as many as there are, and one more column.
                          Case{3, 20, 14, 5, 3, 1, 1, 1, 0.3}, Case{3, 20, 15, 5, 3, 2, 1, 1, 0.3},
                          Case{3, 20, 31, 5, 3, 2, 0, 1, 0.3}, Case{3, 20, 29, 5, 4, 1, 2, 1, 0.3},
                          Case{3, 9, 40, 5, 7, 1, 3, 1, 0.2}, Case{3, 11, 33, 5, 2, 3, 1, 1, 0.4});
  INFO(k.channels << "×" << k.height << "×" << k.width << " → " << k.filters << ", " << k.size
                  << "×" << k.size << "/" << k.stride << ", groups " << k.groups << ", density "
                  << k.density << (narrow ? ", narrow" : "") << (shifted ? ", shifted" : ""));
  for (const int threads : {1, 4})
    CHECK(error(k, {narrow, shifted, bytes}, threads, threads == 4) < 1e-5);
}

TEST_CASE("the number of pieces does not change a bit of the result", "[deploy][sparse]") {
  at::manual_seed(4);
  Convolutional c;
  c.filters = 70;
  c.size = 3;
  c.padding = 1;
  c.activation = Activation::kLeaky;
  const auto weight = at::randn({70, 16, 3, 3}) * (at::rand({70, 16, 3, 3}) < 0.3),
             bias = at::randn({70});
  const auto x = at::randn({16, 13, 13});
  const auto shifted = GENERATE(false, true);
  const SparseConvolution sparse(c, {16, 13, 13}, weight.const_data_ptr<float>(),
                                 bias.const_data_ptr<float>(), {.shifted = shifted});
  std::int64_t pieces = 0;
  const auto run = [&](int threads) {
    auto y = at::empty({70, 13, 13});
    sparse.run(
        x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), deploy::Finish{},
        [&](std::int64_t count, const auto& f) { f(0, pieces = count); }, threads);
    return y;
  };
  run(1);
  const auto of_one = pieces;
  run(4);
  CHECK(of_one < pieces);
  CHECK(run(1).equal(run(2)));
  CHECK(run(1).equal(run(4)));
}
