#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>

#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"
#include "support/integer_case.hpp"
#include "support/narrow_plan.hpp"
#include "support/pieces.hpp"
#include "support/pruned_network.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/refused_bytes.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using deploy::Int8;
using deploy::PlanPrecision;
using deploy::Quantization;
using serpette::test::ConvolutionCase;
using serpette::test::images_for;
using serpette::test::IntegerCase;
using serpette::test::kRange;
using serpette::test::ReferenceNetwork;
using serpette::test::threads_change_no_bit;

namespace {

using DirectInt8 = deploy::DirectConvolutionOf<Int8>;
using SparseInt8 = deploy::SparseConvolutionOf<Int8>;

void need_int8() {
  if (!deploy::has_int8()) SKIP("this processor has no AVX512-VNNI");
}

/// [H, W, C] as planes.
at::Tensor as_planes(const at::Tensor& map) { return map.permute({2, 0, 1}).contiguous(); }

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
               ConvolutionCase{1, 3, 3, 1, 3, 1, 1}, ConvolutionCase{512, 7, 11, 70, 1, 1, 0});
  const bool extreme = GENERATE(false, true);
  INFO(k << (extreme ? ", extreme" : ""));
  const IntegerCase of(k, extreme);
  of.check(DirectInt8(of.c, of.in, of.weight.const_data_ptr<float>(),
                      of.bias.const_data_ptr<float>(), {Quantization::of(kRange)}),
           [](const at::Tensor& map) { return map; });
}

TEST_CASE("sparse convolution in int8 equals plain loops over integers", "[deploy][int8][sparse]") {
  need_int8();
  at::manual_seed(6);
  const auto k =
      GENERATE(ConvolutionCase{5, 1, 1, 6, 1, 1, 0}, ConvolutionCase{5, 7, 9, 33, 1, 1, 0},
               ConvolutionCase{8, 4, 4, 6, 1, 1, 0}, ConvolutionCase{21, 21, 17, 8, 3, 1, 1},
               ConvolutionCase{30, 13, 13, 20, 1, 1, 0}, ConvolutionCase{7, 40, 37, 9, 3, 2, 1},
               ConvolutionCase{3, 33, 70, 5, 5, 2, 2}, ConvolutionCase{3, 9, 30, 50, 3, 1, 0},
               ConvolutionCase{14, 26, 26, 5, 3, 1, 1}, ConvolutionCase{6, 52, 52, 5, 3, 1, 1},
               ConvolutionCase{3, 9, 70, 5, 7, 3, 3}, ConvolutionCase{1, 3, 3, 1, 3, 1, 1});
  const double density = GENERATE(0.0, 0.1, 0.4, 1.0);
  const bool extreme = density == 1;
  const std::int64_t bytes = GENERATE(1024, 1 << 20);  // one lane of channels at a time, all
  INFO(k << ", density " << density << ", " << bytes << " bytes");
  const IntegerCase of(k, extreme, density);
  of.check(
      SparseInt8(of.c, of.in, of.weight.const_data_ptr<float>(), of.bias.const_data_ptr<float>(),
                 {.tile_bytes = bytes}, {Quantization::of(kRange)}),
      as_planes);
}

TEST_CASE("threads do not change a bit of a convolution in int8", "[deploy][int8]") {
  need_int8();
  at::manual_seed(9);
  const Convolutional c{.filters = 70, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const auto weight = at::randn({70, 25, 3, 3}), bias = at::randn({70}),
             x = at::randn({60, 52, 25});
  const DirectInt8 dense(c, {25, 60, 52}, weight.const_data_ptr<float>(),
                         bias.const_data_ptr<float>(), {Quantization::of({-3, 3})});
  threads_change_no_bit(dense, x);
  // Sums are exact: nor does it matter which form it is, nor that channels stand in another order.
  const SparseInt8 sparse(c, {25, 60, 52}, weight.const_data_ptr<float>(),
                          bias.const_data_ptr<float>(), {}, {Quantization::of({-3, 3})});
  const auto in = as_planes(x);
  const auto run = [](const auto& form, const at::Tensor& from, int threads) {
    auto y = at::empty({70 * 60 * 52});
    form.run(from.template const_data_ptr<float>(), y.template mutable_data_ptr<float>(),
             deploy::Finish{.slope = 0.1F}, test::Pieces{threads}, threads);
    return y;
  };
  const auto expected = as_planes(run(dense, x, 1).view({60, 52, 70})).view(-1);
  for (const int threads : {1, 2, 3, 8}) CHECK(run(sparse, in, threads).equal(expected));
}

TEST_CASE("the loop that rounds planes to bytes rounds as one number is rounded",
          "[deploy][int8][sparse]") {
  need_int8();
  at::manual_seed(4);
  constexpr auto kInfinity = std::numeric_limits<float>::infinity();
  const auto x = at::cat({at::randn({83}) * 2, at::arange(-300, 300, 3).to(at::kFloat) / 128,
                          at::tensor({kInfinity, -kInfinity, std::nanf(""), 1e30F, -1e30F, 3e9F})})
                     .reshape({17, 17});
  for (const auto& range : {kRange, deploy::ValueRange{-0.31F, 2.9F}, {0.0F, 1e-3F}}) {
    deploy::RoundPlanesJob job{.rounding = {Quantization::of(range)}};
    for (int count = 1; count <= 17; ++count) {
      std::vector<deploy::Together<Int8>> bytes(static_cast<std::size_t>(count) + 1);
      bytes.back().fill(Int8(std::uint8_t{77}));
      job.count = count;
      job.to = bytes.data();
      const auto* from = x.const_data_ptr<float>() + count;
      job.planes = {from, from + 17, nullptr, x.const_data_ptr<float>() + x.numel() - count};
      deploy::sparse_int8_kernels_here().round_planes(job);
      for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
        for (const std::size_t p : {0, 1, 3})
          CHECK(bytes[i][p].bits == job.rounding.by(job.planes[p][i]));
      for (const auto& untouched : bytes.back()) CHECK(untouched.bits == 77);
    }
  }
}

TEST_CASE("a convolution whose sums bytes could overflow is none of int8", "[deploy][int8]") {
  const Convolutional c{.filters = 1, .size = 3};
  CHECK(DirectInt8::fits(c, {7281, 4, 4}));
  CHECK_FALSE(DirectInt8::fits(c, {7282, 4, 4}));
  CHECK(deploy::DirectConvolution::fits(c, {7282, 4, 4}));
  CHECK(SparseInt8::fits(c, {7281, 4, 4}));
  CHECK_FALSE(SparseInt8::fits(c, {7282, 4, 4}));
  CHECK(deploy::SparseConvolution::fits(c, {7282, 4, 4}));
  CHECK_FALSE(SparseInt8::fits({.filters = 2, .size = 3, .groups = 2}, {8, 4, 4}));
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
    const auto few = test::pruned(network, Weight{}, 90);
    const auto ranges = calibration.ranges();
    deploy::Choices sparse;
    for (const int c : few.graph().convolutions()) {
      const auto& name = few.graph()[c].name;
      const bool in_bytes = ranges.contains(name) && few.graph().convolution(c).groups == 1;
      sparse[name] = in_bytes ? "weights_int8" : "weights";
    }
    test::near_and_kept(few,
                        {.precision = PlanPrecision::kInt8, .ranges = ranges, .choices = sparse},
                        0.15, "weights_int8");
  }
}

TEST_CASE("a plan in int8 of few weights multiplies those alone", "[deploy][int8]") {
  need_int8();
  const auto demo = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/demo";
  const ReferenceNetwork network(load_cfg(demo / "yolov3-slim.cfg"), Seed(1));
  deploy::Calibration calibration(network);
  calibration.observe(images_for(network.graph(), 1));
  const auto forms = [&](int percent) {
    const auto plan = deploy::make_plan(
        test::pruned(network, Weight{}, percent),
        {.measure = false, .precision = PlanPrecision::kInt8, .ranges = calibration.ranges()});
    return deploy::write_choices(plan.choices());
  };
  CHECK_THAT(forms(90), ContainsSubstring("weights_int8"));
  CHECK_THAT(forms(0), ContainsSubstring(deploy::has_amx<Int8>() ? "amx_int8" : "direct_int8"));
}

TEST_CASE("a network of which no layer is worth int8 is computed without", "[deploy][int8]") {
  need_int8();
  const ReferenceNetwork network(
      test::GraphBuilder({3, 16, 16}).conv({.filters = 8, .size = 3, .padding = 1}).head(2).done(),
      Seed(1));
  deploy::Calibration calibration(network);
  calibration.observe(images_for(network.graph(), 1));
  CHECK(calibration.ranges().empty());
  test::near_and_kept(
      network,
      {.measure = false, .precision = PlanPrecision::kInt8, .ranges = calibration.ranges()}, 0.15,
      "");
}

TEST_CASE("filters of the smallest numbers there are become bytes, too", "[deploy][int8]") {
  for (const float largest : {1e-44F, 1e-40F, 1e-38F, 1e-37F, 1e-30F}) {
    const std::array weights{largest, -largest, largest / 3, 0.0F};
    const deploy::QuantizedFilter filter(weights);
    CHECK(filter.scale >= std::numeric_limits<float>::min());
    for (std::size_t i = 0; i < weights.size(); ++i)
      CHECK(std::abs(filter.scale * static_cast<float>(filter.weights[i]) - weights[i]) <=
            filter.scale / 2);
  }
  CHECK_THROWS_WITH(
      deploy::QuantizedFilter(std::array{1.0F, std::numeric_limits<float>::infinity()}),
      ContainsSubstring("should have finite weights, got inf"));
}

TEST_CASE("int8 of weights that are not finite is refused by the layer's name", "[deploy][int8]") {
  need_int8();
  const auto graph = test::GraphBuilder({8, 16, 16})
                         .conv({.filters = 8, .size = 3, .padding = 1})
                         .conv({.filters = 8, .size = 3, .padding = 1})
                         .done();
  const ReferenceNetwork network(graph, Seed(1));
  network.layer(1).weight[3][2][1][0] = std::numeric_limits<float>::infinity();
  const deploy::PlanOptions options{.measure = false,
                                    .precision = PlanPrecision::kInt8,
                                    .ranges = deploy::Ranges{{"conv_1", {0, 1}}}};
  CHECK_THROWS_WITH(deploy::make_plan(network, options),
                    "int8: conv_1 should have finite weights, got inf");
  CHECK_NOTHROW(deploy::make_plan(network, {.measure = false}));
}

TEST_CASE("a plan in int8 is made of ranges, and ranges are for int8", "[deploy][int8]") {
  need_int8();
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto name = network.graph()[network.graph().convolutions().front()].name;
  CHECK_THROWS_WITH(deploy::make_plan(network, {.precision = PlanPrecision::kInt8}),
                    ContainsSubstring("that calibration finds on images"));
  CHECK_THROWS_WITH(deploy::make_plan(network, {.ranges = deploy::Ranges{{name, {-1, 1}}}}),
                    ContainsSubstring("got 1 ranges for f32"));
  CHECK_THROWS_WITH(
      deploy::make_plan(network, {.precision = PlanPrecision::kInt8,
                                  .ranges = deploy::Ranges{{name, {-1, 1}}, {"conv_777", {}}}}),
      ContainsSubstring("got 1 names of others"));
}

TEST_CASE("a scale that is none is refused when a plan is read", "[deploy][int8][plan_file]") {
  need_int8();
  const Convolutional c{.filters = 3, .size = 1};
  const Shape in{4, 2, 2};
  const std::vector<float> weight(12, 0.5F), bias(3, 0.0F);
  const deploy::Rounding<Int8> rounding{Quantization::of({-1, 1})};
  const auto refused = [&](const auto& kept, std::size_t at, const auto& by, const char* says) {
    test::refused_with(kept, c, in, at, by, says);
  };
  const DirectInt8 dense(c, in, weight.data(), bias.data(), rounding);
  const SparseInt8 sparse(c, in, weight.data(), bias.data(), {}, rounding);
  const auto both = [&](const Quantization& by) {
    refused(dense, 0, by, "should hold a positive scale");
    refused(sparse, 2 * sizeof(bool), by, "should hold a positive scale");
  };
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()})
    both({scale, 0});
  both({1, -1});
  both({1, 256});
  // Behind bias and scales, each from a whole line on.
  refused(sparse, 3 * deploy::detail::kAlignment, std::int32_t{4},
          "should hold channels from 0 to 3, got 4");
  refused(sparse, 3 * deploy::detail::kAlignment, std::int32_t{-1},
          "should hold channels from 0 to 3, got -1");
}

TEST_CASE("a processor without VNNI refuses int8 by name", "[deploy][int8][lesser_cpu]") {
  if (deploy::has_int8()) SKIP("this processor has AVX512-VNNI");
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto name = network.graph()[network.graph().convolutions().front()].name;
  CHECK_THROWS_WITH(deploy::make_plan(network, {.precision = PlanPrecision::kInt8,
                                                .ranges = deploy::Ranges{{name, {-1, 1}}}}),
                    ContainsSubstring("should be f32 on a machine without AVX512-VNNI, got int8"));
}
