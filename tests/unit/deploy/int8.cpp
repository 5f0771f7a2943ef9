#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"
#include "support/guarded_output.hpp"
#include "support/narrow_plan.hpp"
#include "support/pieces.hpp"
#include "support/pruned_network.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using deploy::Int8;
using deploy::PlanPrecision;
using deploy::Quantization;
using serpette::test::ConvolutionCase;
using serpette::test::images_for;
using serpette::test::ReferenceNetwork;
using serpette::test::threads_change_no_bit;

namespace {

using DirectInt8 = deploy::DirectConvolutionOf<Int8>;

void need_int8() {
  if (!deploy::has_int8()) SKIP("this processor has no AVX512-VNNI");
}

/// Bytes in steps of 1/64, zero at 40, for the map; weights in steps of 1/128: floats hold every
/// sum of products exactly.
constexpr deploy::ValueRange kRange{-40.0F / 64, 215.0F / 64};
constexpr float kStep = 1.0F / 64, kWeightStep = 1.0F / 128;

/// A convolution's output by plain loops over integers, [H', W', C_out].
/// @param x       [H, W, C_in] in steps, from −40 to 215.
/// @param weight  [C_out, C_in, k, k] in steps, from −127 to 127.
at::Tensor by_integers(const Convolutional& c, const Shape& in, const Shape& out,
                       const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto q = x.accessor<int, 3>();
  const auto w = weight.accessor<int, 4>();
  auto y = at::empty({out.height, out.width, out.channels});
  auto to = y.accessor<float, 3>();
  for (int row = 0; row < out.height; ++row)
    for (int column = 0; column < out.width; ++column)
      for (int f = 0; f < out.channels; ++f) {
        int sum = 0;
        for (int r = 0; r < c.size; ++r)
          for (int s = 0; s < c.size; ++s) {
            const int i = row * c.stride - c.padding + r, j = column * c.stride - c.padding + s;
            if (i < 0 || j < 0 || i >= in.height || j >= in.width) continue;
            for (int k = 0; k < in.channels; ++k) sum += q[i][j][k] * w[f][k][r][s];
          }
        to[row][column][f] =
            static_cast<float>(sum) * (kStep * kWeightStep) + bias.const_data_ptr<float>()[f];
      }
  return y;
}

}  // namespace

TEST_CASE("bytes hold a range and zero, and clip what lies beyond", "[deploy][int8]") {
  for (const auto& [least, most] :
       {std::pair{-0.7F, 3.1F}, {0.0F, 5.0F}, {0.2F, 5.0F}, {-3.0F, -1.0F}, {-1e-3F, 1e5F}}) {
    const auto by = Quantization::of({least, most});
    CHECK(by.is_valid());
    CHECK(by(0.0F) == by.zero_point);
    const auto back = [&](float x) { return by.scale * static_cast<float>(by(x) - by.zero_point); };
    for (int i = 0; i <= 100; ++i) {
      const float x = least + (most - least) * static_cast<float>(i) / 100;
      CHECK(std::abs(back(x) - x) <= 0.501F * by.scale);
    }
    CHECK(by(most + 100 * by.scale) == (most > 0 ? 255 : by.zero_point));
    CHECK(by(least - 100 * by.scale) == 0);
  }
  CHECK(Quantization::of({}).is_valid());  // of a map of zeros
  CHECK(Quantization::of({-1, 1})(std::numeric_limits<float>::quiet_NaN()) == 0);
  CHECK(Quantization::of({-1, 1})(std::numeric_limits<float>::infinity()) == 255);
}

TEST_CASE("the loop that rounds to bytes rounds as one number is rounded", "[deploy][int8]") {
  need_int8();
  at::manual_seed(3);
  const auto x = at::cat(
      {at::randn({5000}) * 2, at::arange(-600, 600).to(at::kFloat) / 128,
       at::tensor({std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                   std::numeric_limits<float>::quiet_NaN(), 1e30F, -1e30F})});
  for (const auto& range : {kRange, deploy::ValueRange{-0.31F, 2.9F}}) {
    const deploy::Rounding<Int8> rounding{Quantization::of(range)};
    std::vector<Int8> bytes(static_cast<std::size_t>(x.numel()));
    const auto* from = x.const_data_ptr<float>();
    deploy::dot_kernels_here<Int8>().round(rounding, from, x.numel(), bytes.data());
    std::int64_t different = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      different += bytes[i].bits != rounding.by(from[i]) ? 1 : 0;
    CHECK(different == 0);
  }
}

TEST_CASE("direct convolution in int8 equals plain loops over integers", "[deploy][int8]") {
  need_int8();
  at::manual_seed(5);
  const auto k =
      GENERATE(ConvolutionCase{5, 1, 1, 6, 1, 1, 0}, ConvolutionCase{5, 7, 9, 33, 1, 1, 0},
               ConvolutionCase{3, 21, 17, 8, 3, 1, 1}, ConvolutionCase{64, 13, 13, 100, 1, 1, 0},
               ConvolutionCase{7, 40, 37, 9, 3, 2, 1}, ConvolutionCase{3, 33, 70, 5, 5, 2, 2},
               ConvolutionCase{3, 9, 30, 50, 3, 1, 0}, ConvolutionCase{56, 6, 5, 255, 3, 1, 1},
               ConvolutionCase{1, 3, 3, 1, 3, 1, 1});
  const bool extreme = GENERATE(false, true);
  INFO(k << (extreme ? ", extreme" : ""));
  const Convolutional c{.filters = k.filters,
                        .size = k.size,
                        .stride = k.stride,
                        .padding = k.padding,
                        .activation = Activation::kLeaky};
  const Shape in{k.channels, k.height, k.width};
  auto q = at::randint(-40, 216, {k.height, k.width, k.channels}, at::kInt);
  auto w = at::randint(-127, 128, {k.filters, k.channels, k.size, k.size}, at::kInt);
  if (extreme) {  // all products of one sign, the largest there are
    q.fill_(215);
    w.fill_(-127);
  }
  w.flatten(1).select(1, 0).fill_(127);  // of every filter the largest
  const auto bias = at::randint(-64, 64, {k.filters}).to(at::kFloat);
  auto x = (q * kStep).to(at::kFloat);
  x.masked_fill_(q == 215, 4.0F);  // beyond the range
  const auto weight = (w * kWeightStep).to(at::kFloat).contiguous();
  const DirectInt8 form(c, in, weight.const_data_ptr<float>(), bias.const_data_ptr<float>(),
                        {Quantization::of(kRange)});
  const auto residual =
      at::randn({form.output().height, form.output().width, form.output().channels});
  const auto sums = at::leaky_relu(by_integers(c, in, form.output(), q, w, bias), 0.1);
  for (const int threads : {1, 2, 5})
    for (const bool add : {false, true}) {
      const auto y = test::guarded_output(sums.numel(), add ? residual : at::Tensor(),
                                          [&](float* to, const deploy::Finish& finish) {
                                            form.run(x.const_data_ptr<float>(), to, finish,
                                                     test::Pieces{threads}, threads);
                                          });
      CHECK(y.equal((add ? at::relu(sums + residual) : sums).reshape(-1)));
    }
}

TEST_CASE("threads do not change a bit of a convolution in int8", "[deploy][int8]") {
  need_int8();
  at::manual_seed(9);
  const Convolutional c{.filters = 70, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const auto weight = at::randn({70, 25, 3, 3}), bias = at::randn({70}),
             x = at::randn({60, 52, 25});
  threads_change_no_bit(DirectInt8(c, {25, 60, 52}, weight.const_data_ptr<float>(),
                                   bias.const_data_ptr<float>(), {Quantization::of({-3, 3})}),
                        x);
}

TEST_CASE("a convolution whose sums bytes could overflow is none of int8", "[deploy][int8]") {
  const Convolutional c{.filters = 1, .size = 3};
  CHECK(DirectInt8::fits(c, {7281, 4, 4}));
  CHECK_FALSE(DirectInt8::fits(c, {7282, 4, 4}));
  CHECK(deploy::DirectConvolution::fits(c, {7282, 4, 4}));
}

TEST_CASE("calibration finds the ranges of what convolutions read", "[deploy][int8]") {
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto images = images_for(network.graph(), 3);
  deploy::Calibration calibration(network);
  CHECK_THROWS_WITH(calibration.ranges(), ContainsSubstring("should observe at least one image"));
  calibration.observe(images.narrow(0, 0, 1));
  calibration.observe(images.narrow(0, 1, 2));
  const auto ranges = calibration.ranges();
  // Neither of the first layer nor of the head: what is left reads the first layer's output.
  REQUIRE(ranges.size() == 1);
  const auto read =
      test::plain_outputs(network.graph(), network.parameters(), images)[0].flatten(1);
  const auto& range = ranges.at(network.graph()[1].name);
  CHECK(std::abs(range.least - read.amin(1).mean().item<float>()) < 1e-5);
  CHECK(std::abs(range.most - read.amax(1).mean().item<float>()) < 1e-5);
  CHECK_THROWS_WITH(calibration.observe(images.narrow(2, 0, 3)), ContainsSubstring("shape should"));
  CHECK_THROWS_WITH(calibration.observe(images * std::numeric_limits<float>::quiet_NaN()),
                    ContainsSubstring("should read finite numbers"));
}

TEST_CASE("a plan in int8 is near the float one, and is kept as it is",
          "[deploy][int8][plan_file]") {
  need_int8();
  for (std::uint64_t i = 0; i < 4; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    deploy::Calibration calibration(network);
    calibration.observe(images_for(network.graph(), 2));
    test::near_and_kept(
        network,
        {.measure = false, .precision = PlanPrecision::kInt8, .ranges = calibration.ranges()}, 0.15,
        "_int8");
  }
}

TEST_CASE("a plan in int8 is made of ranges, and ranges are for int8", "[deploy][int8]") {
  need_int8();
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto name = network.graph()[network.graph().convolutions().front()].name;
  CHECK_THROWS_WITH(deploy::make_plan(network, {.precision = PlanPrecision::kInt8}),
                    ContainsSubstring("that calibration finds on images"));
  CHECK_THROWS_WITH(deploy::make_plan(network, {.ranges = {{name, {-1, 1}}}}),
                    ContainsSubstring("got 1 ranges for f32"));
  CHECK_THROWS_WITH(deploy::make_plan(network, {.precision = PlanPrecision::kInt8,
                                                .ranges = {{name, {-1, 1}}, {"conv_777", {}}}}),
                    ContainsSubstring("got 1 names of others"));
}

TEST_CASE("a scale that is none is refused when a plan is read", "[deploy][int8][plan_file]") {
  need_int8();
  const Convolutional c{.filters = 3, .size = 1};
  const Shape in{4, 2, 2};
  const std::vector<float> weight(12, 0.5F), bias(3, 0.0F);
  deploy::PlanWriter to(0);
  DirectInt8(c, in, weight.data(), bias.data(), {Quantization::of({-1, 1})}).write(to);
  const auto refused = [&](const Quantization& by) {
    const auto bytes = std::make_shared<std::string>(to.bytes());
    std::memcpy(bytes->data(), &by, sizeof by);
    deploy::PlanReader from(bytes, std::as_bytes(std::span(*bytes)), 0, "network.plan");
    CHECK_THROWS_WITH(DirectInt8(c, in, from),
                      ContainsSubstring("network.plan: should hold a positive scale"));
  };
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()})
    refused({scale, 0});
  refused({1, -1});
  refused({1, 256});
}

TEST_CASE("a processor without VNNI refuses int8 by name", "[deploy][int8]") {
  if (deploy::has_int8()) SKIP("this processor has AVX512-VNNI");
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto name = network.graph()[network.graph().convolutions().front()].name;
  CHECK_THROWS_WITH(
      deploy::make_plan(network, {.precision = PlanPrecision::kInt8, .ranges = {{name, {-1, 1}}}}),
      ContainsSubstring("should be f32 on a machine without AVX512-VNNI, got int8"));
}
