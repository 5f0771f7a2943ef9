#include "serpette/torch/nn.hpp"

#include <limits>

#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/winograd_convolution.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"
#include "support/narrow_plan.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using deploy::BFloat16;
using serpette::test::convolution_error;
using serpette::test::ConvolutionCase;
using serpette::test::ReferenceNetwork;
using serpette::test::threads_change_no_bit;

namespace {

void need_bfloat16() {
  if (!deploy::has_bfloat16()) SKIP("this processor has no AVX512-BF16");
}

}  // namespace

TEST_CASE("numbers are rounded as LibTorch rounds them", "[deploy][bfloat16]") {
  at::manual_seed(6);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto x = at::cat({at::randn({10000}), at::randn({1000}) * 1e-38,
                          at::tensor({0.0F, -0.0F, 1.00390625F, 1.01171875F, kInfinity, -kInfinity,
                                      std::numeric_limits<float>::max()})});
  const auto wanted = x.to(at::kBFloat16).view(at::kShort);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const BFloat16 half(x.const_data_ptr<float>()[i]);
    if (half.bits != static_cast<std::uint16_t>(wanted.const_data_ptr<std::int16_t>()[i]))
      FAIL_CHECK(x.const_data_ptr<float>()[i]);
  }
  const auto nan = BFloat16(std::numeric_limits<float>::quiet_NaN()).bits;
  CHECK((nan & 0x7f80U) == 0x7f80U);
  CHECK((nan & 0x7fU) != 0);
}

TEST_CASE("direct convolution in bfloat16 equals LibTorch's of rounded operands",
          "[deploy][bfloat16]") {
  need_bfloat16();
  at::manual_seed(7);
  const auto k =
      GENERATE(ConvolutionCase{5, 1, 1, 6, 1, 1, 0}, ConvolutionCase{5, 7, 9, 33, 1, 1, 0},
               ConvolutionCase{3, 21, 17, 8, 3, 1, 1}, ConvolutionCase{64, 13, 13, 100, 1, 1, 0},
               ConvolutionCase{7, 40, 37, 9, 3, 2, 1}, ConvolutionCase{3, 33, 70, 5, 5, 2, 2},
               ConvolutionCase{3, 9, 30, 50, 3, 1, 0}, ConvolutionCase{256, 6, 5, 255, 3, 1, 1},
               ConvolutionCase{300, 26, 26, 40, 1, 1, 0}, ConvolutionCase{1, 3, 3, 1, 3, 1, 1});
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(convolution_error<deploy::DirectConvolutionOf<BFloat16>>(k, threads, threads != 2,
                                                                   at::kBFloat16) < 5e-6);
}

TEST_CASE("Winograd's convolution in bfloat16 is near the exact one", "[deploy][bfloat16]") {
  need_bfloat16();
  at::manual_seed(8);
  const auto k =
      GENERATE(ConvolutionCase{1, 4, 5, 8, 3, 1, 1}, ConvolutionCase{5, 3, 2, 6, 3, 1, 1},
               ConvolutionCase{3, 21, 17, 8, 3, 1, 1}, ConvolutionCase{64, 13, 13, 100, 3, 1, 1},
               ConvolutionCase{17, 30, 41, 33, 3, 1, 1}, ConvolutionCase{20, 9, 30, 50, 3, 1, 0},
               ConvolutionCase{512, 13, 13, 64, 3, 1, 1});
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(convolution_error<deploy::WinogradConvolutionOf<BFloat16>>(k, threads, threads != 2) <
          0.05);
}

TEST_CASE("threads do not change a bit of a convolution in bfloat16", "[deploy][bfloat16]") {
  need_bfloat16();
  at::manual_seed(9);
  const Convolutional c{.filters = 70, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const auto weight = at::randn({70, 25, 3, 3}), bias = at::randn({70}),
             x = at::randn({60, 52, 25});
  const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  threads_change_no_bit(deploy::DirectConvolutionOf<BFloat16>(c, {25, 60, 52}, w, b), x);
  threads_change_no_bit(deploy::WinogradConvolutionOf<BFloat16>(c, {25, 60, 52}, w, b), x);
}

TEST_CASE("a plan in bfloat16 is near the float one, and is kept as it is",
          "[deploy][bfloat16][plan_file]") {
  need_bfloat16();
  for (std::uint64_t i = 0; i < 4; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    const auto forms = test::near_and_kept(
        network, {.measure = false, .precision = deploy::PlanPrecision::kBFloat16}, 0.1, "_bf16");
    // What was chosen for bfloat16 is no choice of a float plan.
    CHECK_THROWS_WITH(deploy::make_plan(network, {.choices = deploy::parse_choices(forms)}),
                      ContainsSubstring("or it does not fit"));
  }
}

TEST_CASE("a processor without bfloat16 refuses it by name", "[deploy][bfloat16][lesser_cpu]") {
  if (deploy::has_bfloat16()) SKIP("this processor has AVX512-BF16");
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  CHECK_THROWS_WITH(deploy::make_plan(network, {.precision = deploy::PlanPrecision::kBFloat16}),
                    ContainsSubstring("should be f32 on a machine without AVX512-BF16, got bf16"));
}
