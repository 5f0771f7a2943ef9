#include "serpette/deploy/kernel_winograd_convolution.hpp"

#include "serpette/torch/nn.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "serpette/deploy/stored_array.hpp"
#include "support/catch.hpp"
#include "support/guarded_output.hpp"
#include "support/pieces.hpp"

using namespace serpette;
using deploy::KernelWinogradConvolution;
using serpette::test::guarded_output;
using serpette::test::Pieces;

namespace {

struct KernelCase {
  int channels, height, width, filters, padding;
  double density;  // of kernels
};

std::ostream& operator<<(std::ostream& out, const KernelCase& k) {
  return out << k.channels << "×" << k.height << "×" << k.width << " → " << k.filters
             << ", padding " << k.padding << ", density " << k.density;
}

Convolutional convolution(const KernelCase& k) {
  return {.filters = k.filters,
          .size = 3,
          .stride = 1,
          .padding = k.padding,
          .activation = Activation::kLeaky};
}

at::Tensor weight_of(const KernelCase& k) {
  return at::randn({k.filters, k.channels, 3, 3}) *
         (at::rand({k.filters, k.channels, 1, 1}) < k.density);
}

/// Largest difference from LibTorch's convolution in double, over the largest output, or 1.
double error(const KernelCase& k, int threads, bool add) {
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
  const auto y =
      guarded_output(expected.numel(), add ? residual.to(at::kFloat) : at::Tensor(),
                     [&](float* to, const deploy::Finish& finish) {
                       form.run(x.const_data_ptr<float>(), to, finish, Pieces{threads}, threads);
                     })
          .view(expected.sizes());
  return ((y - expected).abs().max() / expected.abs().max().clamp_min(1)).item<double>();
}

}  // namespace

TEST_CASE("kernels that are left equal LibTorch's convolution in double", "[deploy][kernels]") {
  at::manual_seed(6);
  const auto k = GENERATE(KernelCase{1, 1, 1, 1, 1, 1}, KernelCase{5, 3, 2, 6, 1, 0.5},
                          KernelCase{3, 21, 17, 8, 1, 0.5}, KernelCase{16, 8, 12, 32, 1, 0.2},
                          KernelCase{64, 13, 13, 100, 1, 0.1}, KernelCase{40, 26, 26, 9, 1, 0.2},
                          KernelCase{17, 30, 41, 33, 1, 0.3}, KernelCase{20, 9, 30, 50, 0, 0.2},
                          KernelCase{70, 52, 52, 5, 1, 0.1}, KernelCase{2, 7, 66, 3, 0, 0.8},
                          KernelCase{8, 104, 97, 16, 1, 0.2}, KernelCase{4, 12, 12, 8, 1, 0},
                          KernelCase{9, 3, 416, 4, 1, 1}, KernelCase{66, 67, 64, 3, 1, 0.4});
  INFO(k);
  for (const int threads : {1, 2, 5}) CHECK(error(k, threads, threads != 2) < 1e-5);
}

TEST_CASE("threads do not change a bit of a convolution of kernels", "[deploy][kernels]") {
  at::manual_seed(7);
  for (const auto& k : {KernelCase{70, 52, 52, 30, 1, 0.2}, KernelCase{24, 60, 52, 70, 1, 0.1},
                        KernelCase{30, 13, 13, 70, 1, 0.1}, KernelCase{9, 13, 13, 2, 1, 0.5}}) {
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

TEST_CASE("tiles are stored from their own numbers alone, whatever lies behind them",
          "[deploy][kernels]") {
  const bool narrow = GENERATE(false, true);
  const auto& table = deploy::kernel_winograd_table_here(narrow);
  constexpr int kShape = 2, kColumns = 17;  // the last row of tiles ends within a vector
  constexpr std::int64_t kVectors = deploy::kTileShapes[kShape].vectors;
  const std::int64_t tiles = kVectors * table.lanes;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto bytes = static_cast<std::size_t>(16 * tiles) * sizeof(float),
             size = (bytes + page - 1) / page * page;
  void* memory =
      ::mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto* end = static_cast<char*>(memory) + size;
  REQUIRE(::mprotect(end, page, PROT_NONE) == 0);

  const deploy::AlignedZeros<float> sums(static_cast<std::size_t>(36 * (tiles + 16)));
  deploy::FilterOutJob job;
  job.sums = sums.data;
  job.sums_pitch = tiles + 16;
  job.rows = reinterpret_cast<float*>(end - bytes);
  job.bias = 3;
  job.tile_columns = kColumns;
  job.width = 4 * kColumns;
  job.height = 4 * static_cast<int>((tiles + kColumns - 1) / kColumns);
  job.last = tiles;
  std::vector<float> out(static_cast<std::size_t>(job.width * job.height), std::nanf(""));
  job.out = out.data();
  table.kernels[kShape][kVectors - 1].filter_out(job);
  CHECK(std::ranges::count(out, 3.0F) == 16 * tiles);
  ::munmap(memory, size + page);
}
