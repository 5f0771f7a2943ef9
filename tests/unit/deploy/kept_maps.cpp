#include "serpette/deploy/kept_maps.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/deploy/amx_convolution.hpp"
#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/plan.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/large_network.hpp"
#include "support/need_cpu.hpp"
#include "support/reference_network.hpp"
#include "support/steady_plan.hpp"

using namespace serpette;
using deploy::AmxConvolutionOf;
using deploy::Int8;
using deploy::KeptMaps;
using deploy::Quantization;
using deploy::RoundedLayout;
using test::GraphBuilder;
using test::leaky;
using test::need_amx;
using test::need_dots;

namespace {

RoundedLayout wish(const Shape& shape, int padding, std::optional<Quantization> bytes = {}) {
  return {.shape = shape,
          .padding = padding,
          .depth = shape.channels,
          .filled = shape.channels,
          .behind = 8,
          .bytes = bytes};
}

/// A network of 1×1 and 3×3 convolutions with a shortcut, a route and two heads.
GraphBuilder residual_network() {
  GraphBuilder network({3, 40, 44});
  network.conv(leaky(64, 3))
      .conv(leaky(32, 1))
      .conv(leaky(64, 3))
      .shortcut(0)  // 3
      .conv(leaky(32, 1))
      .conv(leaky(64, 3))
      .shortcut(3, Activation::kRelu)  // 6
      .conv(leaky(96, 3, 2))           // 7
      .conv(leaky(48, 1))              // 8
      .conv(leaky(96, 3))              // 9
      .head(2)                         // 11
      .route({7, 9})                   // 12
      .conv(leaky(64, 1))              // 13
      .head(2);                        // 15
  return network;
}

/// Forms that compute as ours do, and keep to floats.
template <class Form>
struct InFloats : Form {
  static std::optional<RoundedLayout> reads(const typename Form::Prepared&) { return {}; }
};

/// Forms that compute as ours do, and whole maps alone.
template <class Form>
struct InOnePiece : Form {
  static std::vector<deploy::Slice> slices(const typename Form::Prepared&) { return {}; }
};

template <class Form>
using AsItIs = Form;

/// Plans of which every layer that can be is computed from rounded maps: by tiles; by direct forms;
/// or by these and Winograd's.
struct Tiles {
  static constexpr bool kIsExact = true;
  static void need() { need_amx(); }
  template <template <class> class As>
  using Plan =
      deploy::PlanOf<As<deploy::AmxBFloat16Form>, As<deploy::AmxInt8Form>, deploy::WeightsForm>;
  static std::string form(const deploy::FoldedLayer& layer, bool in_bytes) {
    if (!AmxConvolutionOf<Int8>::fits(layer.settings, layer.in)) return "weights";
    return in_bytes ? "amx_int8" : "amx_bf16";
  }
};
struct Direct {
  static constexpr bool kIsExact = true;
  static void need() { need_dots(); }
  template <template <class> class As>
  using Plan = deploy::PlanOf<As<deploy::DirectBFloat16Form>, As<deploy::DirectInt8Form>>;
  static std::string form(const deploy::FoldedLayer&, bool in_bytes) {
    return in_bytes ? "direct_int8" : "direct_bf16";
  }
};
struct WithWinograd {
  static constexpr bool kIsExact = false;  // transforms of what is rounded are rounded
  static void need() { need_dots(); }
  template <template <class> class As>
  using Plan = deploy::PlanOf<As<deploy::DirectBFloat16Form>, As<deploy::DirectInt8Form>,
                              As<deploy::WinogradBFloat16Form>>;
  static std::string form(const deploy::FoldedLayer& layer, bool in_bytes) {
    return deploy::fits_winograd(layer.settings) && layer.settings.size == 3
               ? "winograd_bf16"
               : Direct::form(layer, in_bytes);
  }
};

/// Choices of a kind of forms, in bytes where there is a range; and the options that they need.
template <class Forms>
deploy::PlanOptions choices_of(const test::ReferenceNetwork& network,
                               deploy::PlanPrecision precision, const at::Tensor& images) {
  deploy::PlanOptions options{.measure = false, .precision = precision};
  if (precision == deploy::PlanPrecision::kInt8) {
    deploy::Calibration calibration(network);
    calibration.observe(images);
    options.ranges = calibration.ranges();
  }
  for (const int i : network.graph().convolutions()) {
    const auto& name = network.graph()[i].name;
    options.choices[name] = Forms::form(deploy::folded_layer(network.graph(), i),
                                        options.ranges && options.ranges->contains(name));
  }
  return options;
}

/// Maps that a plan keeps rounded.
template <class Plan>
int kept_rounded(const Plan& plan) {
  int count = 0;
  for (int i = 0; i < plan.graph().size(); ++i)
    count += plan.kept().contain(i, KeptMaps::kOperands) ? 1 : 0;
  return count;
}

double furthest(const std::vector<at::Tensor>& heads, const std::vector<at::Tensor>& wanted) {
  double furthest = 0;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    REQUIRE(heads[h].isfinite().all().item<bool>());
    furthest = std::max(
        furthest, ((heads[h] - wanted[h]).abs().max() / wanted[h].abs().max()).item<double>());
  }
  return furthest;
}

}  // namespace

TEST_CASE("maps are kept as those who read them want them", "[deploy][rounded]") {
  const auto graph = residual_network().done();
  const auto n = graph.layers.size();
  const deploy::FinishedShortcuts finished(graph, std::vector<bool>(n, true));
  std::vector<std::optional<RoundedLayout>> reads(n);
  std::vector<bool> rounds(n, false);
  for (const int i : graph.convolutions()) {
    if (i == 0) continue;
    reads[static_cast<std::size_t>(i)] =
        wish(graph.shape(graph[i].inputs.front()), graph.convolution(i).padding);
  }
  for (const int i : graph.convolutions()) rounds[static_cast<std::size_t>(i)] = true;
  const auto ways = [&](const KeptMaps& kept, int i) {
    std::string text;
    for (const auto way : {KeptMaps::kNumbers, KeptMaps::kOperands, KeptMaps::kAddends})
      if (kept.contain(i, way)) text += "noa"[way];
    return text;
  };
  SECTION("in bfloat16 sums add what the next convolution multiplies") {
    const KeptMaps kept(graph, finished, reads, rounds, true);
    for (const int i : {0, 1, 3, 4, 6, 8}) CHECK(ways(kept, i) == "o");
    CHECK(*kept.rounded(1, KeptMaps::kOperands) == *reads[2]);
    CHECK(kept.added_from(0) == KeptMaps::kOperands);
    CHECK(kept.added_from(3) == KeptMaps::kOperands);
    CHECK(ways(kept, 7) == "no");  // a route reads it, too
    CHECK(ways(kept, 9) == "no");
    for (const int i : {10, 12, 13, 14}) CHECK(ways(kept, i) == (i == 13 ? "o" : "n"));
    CHECK(kept.read_by(4) == KeptMaps::kOperands);
    CHECK(kept.read_by(13) == KeptMaps::kNumbers);  // from a route
    CHECK(kept.read_by(0) == KeptMaps::kNumbers);   // the image
  }
  SECTION("in bytes they add bfloat16") {
    for (auto& layout : reads)
      if (layout) layout->bytes = Quantization::of({-1, 1});
    const KeptMaps kept(graph, finished, reads, rounds, true);
    CHECK(ways(kept, 0) == "oa");
    CHECK(kept.added_from(0) == KeptMaps::kAddends);
    CHECK(*kept.rounded(0, KeptMaps::kAddends) ==
          RoundedLayout{.shape = graph.shape(0), .depth = 64, .filled = 64});
    CHECK(ways(kept, 6) == "o");                                    // nobody adds it
    const KeptMaps without(graph, finished, reads, rounds, false);  // no bfloat16 here
    CHECK(ways(without, 0) == "no");
    CHECK(without.added_from(0) == KeptMaps::kNumbers);
    CHECK(ways(without, 6) == "o");
  }
  SECTION("before an activation that follows the form there are floats") {
    Graph mish = graph;
    for (const int i : {1, 5})
      std::get<Convolutional>(mish.layers[static_cast<std::size_t>(i)].operation).activation =
          Activation::kMish;
    const KeptMaps kept(mish, deploy::FinishedShortcuts(mish, std::vector<bool>(n, true)), reads,
                        rounds, true);
    CHECK(ways(kept, 1) == "n");
    CHECK(ways(kept, 5) == "n");
    CHECK(ways(kept, 6) == "n");  // a shortcut of its own
    CHECK(ways(kept, 3) == "no");
    CHECK(kept.added_from(3) == KeptMaps::kNumbers);
  }
  SECTION("who writes floats alone is read in floats, and so is what such a one adds") {
    rounds[1] = rounds[5] = false;
    const KeptMaps kept(graph, finished, reads, rounds, true);
    CHECK(ways(kept, 1) == "n");
    CHECK(kept.read_by(2) == KeptMaps::kNumbers);
    CHECK(ways(kept, 3) == "no");
    CHECK(kept.added_from(3) == KeptMaps::kNumbers);
    CHECK(ways(kept, 6) == "n");
  }
  SECTION("two that read alike share; who reads otherwise has floats") {
    Graph twice = graph;  // 8 reads what 7 reads
    twice.layers[8].inputs = {6};
    const KeptMaps kept(twice, finished, reads, rounds, true);
    CHECK(ways(kept, 6) == "no");
    CHECK(kept.read_by(7) == KeptMaps::kOperands);
    CHECK(kept.read_by(8) == KeptMaps::kNumbers);
    auto alike = reads;
    alike[8] = alike[7];
    alike[8]->behind = alike[7]->behind + 5;  // the room that is larger serves both
    const KeptMaps shared(twice, finished, alike, rounds, true);
    CHECK(ways(shared, 6) == "o");
    CHECK(shared.read_by(8) == KeptMaps::kOperands);
    CHECK(shared.rounded(6, KeptMaps::kOperands)->behind == alike[8]->behind);
  }
}

TEMPLATE_TEST_CASE("plans that keep rounded maps compute what plans in floats compute",
                   "[deploy][amx][rounded]", Tiles, Direct, WithWinograd) {
  TestType::need();
  const auto precision = GENERATE(deploy::PlanPrecision::kBFloat16, deploy::PlanPrecision::kInt8);
  const bool adds = GENERATE(false, true);
  GraphBuilder plain({3, 40, 44});
  for (const auto& [filters, size] : {std::pair{64, 3}, {40, 1}, {64, 3}, {33, 3}, {64, 1}})
    plain.conv(leaky(filters, size));
  plain.head(2);
  const test::ReferenceNetwork network((adds ? residual_network() : plain).done(), Seed(3));
  const auto images = test::images_for(network.graph(), 2);
  const auto options = choices_of<TestType>(network, precision, images);
  auto rounded = deploy::make_plan<typename TestType::template Plan<AsItIs>>(network, options);
  auto floats = deploy::make_plan<typename TestType::template Plan<InFloats>>(network, options);
  CHECK(kept_rounded(rounded) >= 4);
  CHECK(kept_rounded(floats) == 0);
  const auto heads = rounded.forward(images), wanted = floats.forward(images);
  // What another image leaves behind does not show.
  for (const float left : {std::nanf(""), -1.0F / 0.0F, 1e30F})
    (void)rounded.forward(at::full_like(images, left));
  const auto after = rounded.forward(images);
  for (std::size_t h = 0; h < heads.size(); ++h) CHECK(after[h].equal(heads[h]));
  if (adds) {  // sums are rounded on the way
    CHECK(furthest(heads, wanted) < 0.04);
    CHECK(furthest(heads, network.forward(images)) <
          1.5 * furthest(wanted, network.forward(images)) + 0.005);
  } else if (!TestType::kIsExact) {
    CHECK(furthest(heads, wanted) < 0.02);
  } else {
    for (std::size_t h = 0; h < heads.size(); ++h) CHECK(heads[h].equal(wanted[h]));
  }
  test::steady(rounded, images, heads);
}

TEMPLATE_TEST_CASE("chains of rounded maps compute what whole maps do",
                   "[deploy][amx][rounded][slices]", Tiles, Direct, WithWinograd) {
  TestType::need();
  const auto precision = GENERATE(deploy::PlanPrecision::kBFloat16, deploy::PlanPrecision::kInt8);
  // Large as they are kept: bytes want twice the width.
  auto large = test::large_network(precision == deploy::PlanPrecision::kInt8 ? 832 : 416);
  large.shortcut(1, Activation::kLeaky).conv(leaky(32, 3, 2)).conv(leaky(64, 1)).head(2);
  const test::ReferenceNetwork network(large.done(), Seed(2));
  const auto images = test::images_for(network.graph(), 1);
  const auto options = choices_of<TestType>(network, precision, images);
  auto rounded = deploy::make_plan<typename TestType::template Plan<AsItIs>>(network, options);
  auto floats = deploy::make_plan<typename TestType::template Plan<InFloats>>(network, options);
  REQUIRE(rounded.chains().size() == 1);
  CHECK(rounded.chains().front().convolutions == std::vector{0, 1, 2, 3, 5});
  auto whole = deploy::make_plan<typename TestType::template Plan<InOnePiece>>(network, options);
  CHECK(whole.chains().empty());
  CHECK(kept_rounded(rounded) == kept_rounded(whole));
  const auto heads = rounded.forward(images), wanted = whole.forward(images);
  for (std::size_t h = 0; h < heads.size(); ++h) CHECK(heads[h].equal(wanted[h]));
  CHECK(furthest(heads, floats.forward(images)) < 0.04);
  test::steady(rounded, images, heads);
}

TEST_CASE("chains are of maps that are large as they are kept", "[deploy][rounded][slices]") {
  need_dots();
  const auto chained = [](GraphBuilder builder, deploy::PlanPrecision precision) {
    const test::ReferenceNetwork network(builder.done(), Seed(2));
    const auto options =
        choices_of<Direct>(network, precision, test::images_for(network.graph(), 1));
    const auto plan = deploy::make_plan<Direct::Plan<AsItIs>>(network, options);
    REQUIRE(plan.chains().size() == 1);
    return plan.chains().front().convolutions;
  };
  const auto large = test::large_network().head(2);
  CHECK(chained(large, deploy::PlanPrecision::kBFloat16) == std::vector{0, 1, 2, 3, 4});
  // What makes logits is in bfloat16, and so is what it reads.
  CHECK(chained(large, deploy::PlanPrecision::kInt8) == std::vector{3, 4});
  // A map that is added is kept in bfloat16, too.
  GraphBuilder adds({3, 208, 416});
  adds.conv(leaky(16, 3)).conv(leaky(64, 3, 2)).conv(leaky(100, 1)).conv(leaky(64, 3)).shortcut(1);
  CHECK(chained(adds.head(2), deploy::PlanPrecision::kInt8) == std::vector{1, 2, 3, 5});
}

TEMPLATE_TEST_CASE("random networks whose maps are kept rounded stay near those in floats",
                   "[deploy][amx][rounded]", Tiles, Direct, WithWinograd) {
  TestType::need();
  Generator rng{Seed(4)};
  const auto in = [&](int low, int high) {
    return at::randint(low, high + 1, {1}, rng.torch()).item<int>();
  };
  for (std::uint64_t i = 0; i < 12; ++i) {
    GraphBuilder builder({3, in(14, 40), in(14, 40)});
    std::vector<int> alike;  // layers of the last one's shape
    for (int layer = 0; layer < 8; ++layer) {
      const int size = 2 * in(0, 1) + 1, stride = in(0, 4) == 0 ? 2 : 1;
      auto c = leaky(in(32, 90), size, stride);
      if (in(0, 5) == 0) c.activation = Activation::kMish;
      const auto shape_of = [&](int k) { return builder.done().shape(k); };
      const auto last = [&] { return builder.done().size() - 1; };
      const bool adds = stride == 1 && !alike.empty() && in(0, 1) == 1;
      if (adds) c.filters = shape_of(last()).channels;
      builder.conv(c);
      if (adds) builder.shortcut(alike[static_cast<std::size_t>(in(0, int(alike.size()) - 1))]);
      if (!adds) alike.clear();
      alike.push_back(last());
      if (in(0, 5) == 0) builder.head(1);
      if (in(0, 4) == 0) {
        builder.route({last(), alike.front()});
        alike.clear();
      }
    }
    const test::ReferenceNetwork network(builder.head(2).done(), Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    const auto images = test::images_for(network.graph(), 1);
    for (const auto precision : {deploy::PlanPrecision::kBFloat16, deploy::PlanPrecision::kInt8}) {
      const auto options = choices_of<TestType>(network, precision, images);
      auto rounded = deploy::make_plan<typename TestType::template Plan<AsItIs>>(network, options);
      auto floats = deploy::make_plan<typename TestType::template Plan<InFloats>>(network, options);
      CHECK(kept_rounded(rounded) > 0);
      CHECK(furthest(rounded.forward(images), floats.forward(images)) < 0.05);
    }
  }
}
