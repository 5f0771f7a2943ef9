#include "serpette/deploy/amx_convolution.hpp"

#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/plan.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"
#include "support/integer_case.hpp"
#include "support/narrow_plan.hpp"
#include "support/need_cpu.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/refused_bytes.hpp"
#include "support/slim_yolov3.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using deploy::BFloat16;
using deploy::CpuFeature;
using deploy::Int8;
using serpette::test::ConvolutionCase;
using serpette::test::need_amx;
using serpette::test::ReferenceNetwork;

namespace {

/// Whole chunks of channels, an odd and an even number of them, and not; one tile and several, that
/// end within a row and with it; one vector of filters, two, and a third; wide steps and none.
ConvolutionCase tile_case() {
  return GENERATE(
      ConvolutionCase{5, 1, 1, 6, 1, 1, 0}, ConvolutionCase{5, 7, 9, 33, 1, 1, 0},
      ConvolutionCase{3, 21, 17, 8, 3, 1, 1}, ConvolutionCase{64, 13, 13, 100, 1, 1, 0},
      ConvolutionCase{64, 13, 13, 48, 3, 1, 1}, ConvolutionCase{32, 16, 16, 32, 3, 1, 1},
      ConvolutionCase{96, 9, 4, 17, 3, 1, 1}, ConvolutionCase{192, 5, 6, 40, 3, 2, 1},
      ConvolutionCase{7, 40, 37, 9, 3, 2, 1}, ConvolutionCase{3, 33, 70, 5, 5, 2, 2},
      ConvolutionCase{3, 9, 30, 50, 3, 1, 0}, ConvolutionCase{256, 6, 5, 255, 3, 1, 1},
      ConvolutionCase{300, 26, 26, 40, 1, 1, 0}, ConvolutionCase{1, 3, 3, 1, 3, 1, 1},
      ConvolutionCase{32, 20, 11, 16, 3, 8, 2}, ConvolutionCase{64, 52, 52, 96, 3, 1, 1},
      ConvolutionCase{128, 3, 40, 1100, 3, 1, 1});
}

}  // namespace

TEST_CASE("convolution by tiles in bfloat16 equals LibTorch's of rounded operands",
          "[deploy][amx][bfloat16]") {
  need_amx();
  at::manual_seed(7);
  const auto k = tile_case();
  INFO(k);
  for (const int threads : {1, 2, 5})
    CHECK(test::convolution_error<deploy::AmxConvolutionOf<BFloat16>>(k, threads, threads != 2,
                                                                      at::kBFloat16) < 5e-6);
}

TEST_CASE("convolution by tiles in int8 equals plain loops over integers", "[deploy][amx][int8]") {
  need_amx();
  at::manual_seed(5);
  const auto k = tile_case();
  // Of more such products the reference's float does not hold every sum.
  const bool extreme = GENERATE(false, true) && k.channels * k.size * k.size <= 500;
  INFO(k << (extreme ? ", extreme" : ""));
  const test::IntegerCase of(k, extreme);
  of.check(deploy::AmxConvolutionOf<Int8>(of.c, of.in, of.weight.const_data_ptr<float>(),
                                          of.bias.const_data_ptr<float>(),
                                          {deploy::Quantization::of(test::kRange)}),
           [](const at::Tensor& map) { return map; });
}

TEST_CASE("steps without weights are left out, down to none", "[deploy][amx]") {
  need_amx();
  at::manual_seed(8);
  const Convolutional c{.filters = 96, .size = 3, .padding = 1};
  const Shape in{128, 9, 7};
  // All weights of the second 32 filters, and of two thirds of the blocks of the others.
  auto left = at::ones({3, 32, 2, 64, 9});
  left[1].zero_();
  for (int f : {0, 2})
    for (int block = 0; block < 2; ++block)
      for (int cell = 0; cell < 9; ++cell)
        if ((f + block + cell) % 3 != 0) left[f].select(1, block).select(2, cell).zero_();
  const auto mask = left.reshape({96, 128, 3, 3});
  const auto weight = (at::randn({96, 128, 3, 3}) * mask).contiguous(), bias = at::randn({96}),
             x = at::randn({9, 7, 128});
  const auto compute = [&](const auto& form) {
    auto y = at::empty({9, 7, 96});
    form.run(x.const_data_ptr<float>(), y.template mutable_data_ptr<float>(),
             deploy::Finish{.slope = 0.1F}, deploy::on_one_thread, 1);
    return y;
  };
  const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  const deploy::Rounding<Int8> bytes{deploy::Quantization::of({-3, 3})};
  CHECK(compute(deploy::AmxConvolutionOf<Int8>(c, in, w, b, bytes))
            .equal(compute(deploy::DirectConvolutionOf<Int8>(c, in, w, b, bytes))));
  const deploy::AmxConvolutionOf<BFloat16> tiles(c, in, w, b);
  const auto expected = compute(deploy::DirectConvolutionOf<BFloat16>(c, in, w, b));
  CHECK((compute(tiles) - expected).abs().max().item<double>() < 1e-4);
  // The form knows what that saves.
  deploy::FoldedLayer layer{c, in, {96, 9, 7}, {w, 96 * 128 * 9}, {b, 96}};
  layer.precision = deploy::PlanPrecision::kBFloat16;
  layer.count_left();
  const auto sparse = deploy::AmxBFloat16Form::cost(layer);
  const auto whole = at::randn({96, 128, 3, 3});
  layer.weight = {whole.const_data_ptr<float>(), 96 * 128 * 9};
  layer.count_left();
  CHECK(sparse < 0.8 * deploy::AmxBFloat16Form::cost(layer));
  // Nothing left at all: the biases.
  const auto none = at::zeros({96, 128, 3, 3});
  const auto y =
      compute(deploy::AmxConvolutionOf<BFloat16>(c, in, none.const_data_ptr<float>(), b));
  CHECK(y.equal(at::leaky_relu(bias, 0.1).expand({9, 7, 96})));

  // In a file: 4 chunks of 9 cells.
  const auto refused = [&](std::size_t at, const auto& value, const char* says) {
    test::refused_with(tiles, c, in, at, value, says);
  };
  const std::size_t line = deploy::detail::kAlignment,
                    steps = 3 * line + 36 * 32 * 96 * sizeof(BFloat16) + 96 * 4;
  refused(steps, std::int32_t{36}, "should hold steps from 0 to 35, got 36");
  refused(steps, std::int32_t{-1}, "should hold steps from 0 to 35, got -1");
  // Of the first 32 filters steps 0, 3, 6, … are left.
  refused(steps + 4, std::int32_t{0}, "lists of steps in ascending order, got 0 behind 0");
  refused(steps + 8, std::int32_t{1}, "lists of steps in ascending order, got 1 behind 3");
}

TEST_CASE("threads do not change a bit of a convolution by tiles", "[deploy][amx]") {
  need_amx();
  at::manual_seed(9);
  const Convolutional c{.filters = 70, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  for (const int channels : {25, 64}) {
    const auto weight = at::randn({70, channels, 3, 3}), bias = at::randn({70}),
               x = at::randn({60, 52, channels});
    const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
    test::threads_change_no_bit(deploy::AmxConvolutionOf<BFloat16>(c, {channels, 60, 52}, w, b), x);
    test::threads_change_no_bit(deploy::AmxConvolutionOf<Int8>(c, {channels, 60, 52}, w, b,
                                                               {deploy::Quantization::of({-3, 3})}),
                                x);
  }
}

TEST_CASE("plans compute by tiles where they may, and are kept as they are",
          "[deploy][amx][plan_file]") {
  need_amx();
  for (std::uint64_t i = 0; i < 4; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    deploy::Calibration calibration(network);
    calibration.observe(test::images_for(network.graph(), 2));
    const auto ranges = calibration.ranges();
    deploy::Choices halves, bytes;
    for (const int c : network.graph().convolutions()) {
      const auto layer = deploy::folded_layer(network.graph(), c);
      const auto& name = network.graph()[c].name;
      const bool fits = deploy::AmxConvolutionOf<Int8>::fits(layer.settings, layer.in);
      halves[name] = fits ? "amx_bf16" : "weights";
      bytes[name] = fits && ranges.contains(name) ? "amx_int8" : halves[name];
    }
    test::near_and_kept(network, {.precision = deploy::PlanPrecision::kBFloat16, .choices = halves},
                        0.1, "amx_bf16");
    test::near_and_kept(
        network, {.precision = deploy::PlanPrecision::kInt8, .ranges = ranges, .choices = bytes},
        0.25, "amx_int8");
  }
}

TEST_CASE("a plan of a dense network computes by tiles without being told", "[deploy][amx]") {
  need_amx();
  const ReferenceNetwork network(test::slim_yolov3(), Seed(1));
  const auto plan =
      deploy::make_plan(network, {.measure = false, .precision = deploy::PlanPrecision::kBFloat16});
  CHECK_THAT(deploy::write_choices(plan.choices()), ContainsSubstring("amx_bf16"));
}

TEST_CASE("what tiles do not fit is refused before any work is done", "[deploy][amx]") {
  using Tiles = deploy::AmxConvolutionOf<BFloat16>;
  CHECK(Tiles::fits({.filters = 4, .size = 3, .stride = 8, .padding = 2}, {4, 20, 20}));
  for (const Convolutional& c : {Convolutional{.filters = 4, .size = 3, .padding = 3},
                                 Convolutional{.filters = 4, .size = 3, .stride = 9, .padding = 1},
                                 Convolutional{.filters = 4, .size = 3, .groups = 2}}) {
    CHECK_FALSE(Tiles::fits(c, {4, 20, 20}));
    CHECK_THROWS_WITH(Tiles(c, {4, 20, 20}, nullptr, nullptr),
                      ContainsSubstring("convolution by tiles: should be in one group"));
  }
  // A map that would be much larger with its padding.
  CHECK(Tiles::fits({.filters = 1, .size = 25, .padding = 12}, {1, 1, 1 << 15}));
  CHECK_FALSE(Tiles::fits({.filters = 1, .size = 25, .padding = 12}, {1, 1, 1 << 20}));
  CHECK(deploy::AmxConvolutionOf<Int8>::fits({.filters = 4, .size = 1}, {65'536, 2, 2}));
  CHECK_FALSE(deploy::AmxConvolutionOf<Int8>::fits({.filters = 4, .size = 1}, {65'537, 2, 2}));
}

TEST_CASE("a scale that is none is refused when a convolution by tiles is read",
          "[deploy][amx][plan_file]") {
  need_amx();
  const Convolutional c{.filters = 3, .size = 1};
  const std::vector<float> weight(12, 0.5F), bias(3, 0.0F);
  const deploy::AmxConvolutionOf<Int8> tiles(c, {4, 2, 2}, weight.data(), bias.data(),
                                             {deploy::Quantization::of({-1, 1})});
  test::refused_with(tiles, c, {4, 2, 2}, 0, deploy::Quantization{0.0F, 0},
                     "should hold a positive scale");
}

TEST_CASE("a processor without AMX refuses tiles by name", "[deploy][lesser_cpu]") {
  if (deploy::has_amx<BFloat16>()) SKIP("this processor has AMX");
  const std::vector<float> weight(12, 0.5F), bias(3, 0.0F);
  CHECK_THROWS_WITH(deploy::AmxConvolutionOf<BFloat16>({.filters = 3, .size = 1}, {4, 2, 2},
                                                       weight.data(), bias.data()),
                    "plan: should have no layer in bfloat16 by tiles on a machine without AMX");
  CHECK_THROWS_WITH(deploy::AmxConvolutionOf<Int8>({.filters = 3, .size = 1}, {4, 2, 2},
                                                   weight.data(), bias.data()),
                    "plan: should have no layer in int8 by tiles on a machine without AMX");
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  deploy::Choices tiles;
  for (const int i : network.graph().convolutions()) tiles[network.graph()[i].name] = "amx_bf16";
  CHECK_THROWS_WITH(deploy::make_plan(network, {.choices = tiles}),
                    ContainsSubstring("cannot be 'amx_bf16': there is no such form here"));
}

TEST_CASE("features of a processor can be hidden, by their names", "[deploy][amx]") {
  deploy::detail::CpuFeatures all;
  all.fill(true);
  const auto left = [&](std::string_view hidden) {
    std::string text;
    const auto features = deploy::detail::without(all, hidden);
    for (std::size_t i = 0; i < features.size(); ++i)
      if (features[i]) text += fmt::format("{} ", deploy::kCpuFeatures[i]);
    return text;
  };
  CHECK(left("") == "avx512_bf16 avx512_vnni amx_bf16 amx_int8 ");
  CHECK(left("amx_bf16") == "avx512_bf16 avx512_vnni amx_int8 ");
  CHECK(left("amx_int8,avx512_vnni,amx_bf16") == "avx512_bf16 ");
  for (const auto* wrong : {"amx", "amx_bf16, amx_int8", "amx_bf16,,amx_int8", ",", "avx512f"})
    CHECK_THROWS_WITH(left(wrong),
                      ContainsSubstring("SERPETTE_WITHOUT: should name some of "
                                        "avx512_bf16, avx512_vnni, amx_bf16, amx_int8, "
                                        "got '"));
}

TEST_CASE("LibTorch's products by AMX and ours do not disturb each other", "[deploy][amx]") {
  need_amx();
  at::manual_seed(3);
  const at::NoGradGuard no_grad;
  const ConvolutionCase k{64, 20, 20, 64, 3, 1, 1};
  const auto x = at::randn({1, 64, 20, 20}).to(at::kBFloat16),
             weight = at::randn({64, 64, 3, 3}).to(at::kBFloat16);
  const auto theirs = [&] { return at::conv2d(x, weight, {}, 1, 1); };
  const auto ours = [&] {
    return test::convolution_error<deploy::AmxConvolutionOf<BFloat16>>(k, 1, true, at::kBFloat16);
  };
  const auto first = theirs();
  CHECK(ours() < 5e-6);
  CHECK(theirs().equal(first));  // with the tiles as they left them, for all they know
  CHECK(ours() < 5e-6);
  CHECK(theirs().equal(first));
}
