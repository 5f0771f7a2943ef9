#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"

#include <algorithm>
#include <numeric>

#include "serpette/graph/footprint.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "support/catch.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/slim_yolov3.hpp"

using namespace serpette;
using serpette::test::random_graph;
using serpette::test::ReferenceNetwork;
using serpette::test::relative_error;
using serpette::test::slim_yolov3;

namespace {

const std::string kHead =
    "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
    "[yolo]\nmask=0\nanchors=1,1\nclasses=1\nnum=1\n";
std::string conv(int filters, int size, const std::string& more = "") {
  return fmt::format(
      "[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride=1\npad=1\nactivation="
      "leaky\n{}",
      filters, size, more);
}
Graph graph(const std::string& layers) {
  return parse_cfg("[net]\nwidth=8\nheight=8\nchannels=3\n" + layers, "test");
}

/// The same fraction of every coupled group, as importances are easiest to write down for.
constexpr Filter kByFilters{.ratio_of = RatioOf::kFilters};

}  // namespace

TEMPLATE_TEST_CASE("granularities hold their laws", "[granularity][law]", Weight, Kernel, Filter) {
  laws::prune_granularity(TestType{}, slim_yolov3());
  laws::prune_granularity(TestType{},
                          graph(conv(12, 3) + conv(12, 3, "groups=12\n") + conv(10, 1) + kHead));
}

TEST_CASE("Weight removes floor(ratio · n) of each layer, heads too", "[granularity][weight]") {
  const auto g = slim_yolov3();
  const auto scores = laws::random_scores(g, Seed(1));
  for (const int percent : {0, 25, 50, 65, 75, 85, 90, 95, 99}) {
    const auto mask = make_mask(g, scores, Ratio::percent(percent), Weight{});
    std::int64_t kept = 0;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      const auto n = scores[i].numel();
      CHECK(mask[i].weight.sum().item<std::int64_t>() == n - n * percent / 100);
      kept += n - n * percent / 100;
      if (percent == 0 || percent == 99) continue;
      CHECK(scores[i].abs().index({mask[i].weight}).min().item<float>() >
            scores[i].abs().index({mask[i].weight.logical_not()}).max().item<float>());
    }
    CHECK(count_kept(g, mask, Weight{}).weights == kept);
  }
  const std::vector<at::Tensor> equal{at::ones({2, 3, 1, 1}), at::ones({6, 2, 1, 1})};
  const auto mask = make_mask(graph(conv(2, 1) + kHead), equal, Ratio::percent(50), Weight{});
  CHECK(mask[0].weight.flatten().equal(torch::tensor({false, false, false, true, true, true})));
  CHECK(count_kept(graph(conv(2, 1) + kHead), mask, Weight{}).filters == 1 + 3);
}

TEST_CASE("Kernel ranks slices by their mean |score|", "[granularity][kernel]") {
  const auto g = graph(conv(2, 3) + kHead);
  auto scores = laws::random_scores(g, Seed(2));
  const auto mask = make_mask(g, scores, Ratio::percent(70), Kernel{});
  const auto importance = scores[0].abs().mean({2, 3}).flatten();  // 6 kernels: 4 go
  const auto lowest = std::get<1>(importance.sort()).slice(0, 0, 4);
  auto expected =
      at::ones({6}, at::kBool).index_fill(0, lowest, 0).view({2, 3, 1, 1}).expand({2, 3, 3, 3});
  CHECK(mask[0].weight.equal(expected));
  // In 1×1 convolutions kernels are weights.
  CHECK(mask[1].weight.equal(make_mask(g, scores, Ratio::percent(70), Weight{})[1].weight));
  CHECK(count_kept(g, mask, Kernel{}).weights == 2 * 9 + 4);
}

TEST_CASE("Filter weighs coupled layers alike", "[granularity][filter]") {
  // conv_0 and conv_1 are added. Layer means are 2 and 200, so the coupled importances are
  // ½(1/2 + 300/200) = 1, ½(2/2 + 200/200) = 1, ½(3/2 + 100/200) = 1 … with the fourth filter
  // breaking the tie.
  const auto g =
      graph(conv(4, 1) + conv(4, 1) + "[shortcut]\nfrom=-2\nactivation=linear\n" + kHead);
  auto scores = laws::random_scores(g, Seed(3));
  const auto fill = [&](std::size_t layer, std::initializer_list<double> values) {
    int f = 0;
    for (const double v : values) scores[layer][f].fill_(f % 2 ? -v : v), ++f;
  };
  fill(0, {1, 2, 3, 2});
  fill(1, {300, 200, 100, 200});
  const auto kept = [&](int percent) {
    return make_mask(g, scores, Ratio::percent(percent), kByFilters)[0].filter;
  };
  CHECK(
      kept(50).equal(torch::tensor({false, false, true, true})));  // four ties: lowest index first
  CHECK(kept(99).equal(torch::tensor({false, false, false, true})));
  fill(0, {1, 2, 3, 2});
  fill(1, {100, 400, 100, 200});  // ½(1/2+1/2) = .5, ½(1+2) = 1.5, ½(1.5+.5) = 1, ½(1+1) = 1
  const auto mask = make_mask(g, scores, Ratio::percent(75), kByFilters);
  for (const int layer : {0, 1})
    CHECK(mask[std::size_t(layer)].filter.equal(torch::tensor({false, true, false, false})));
  CHECK(mask[2].filter.all().item<bool>());          // the head stays,
  CHECK(mask[2].weight.sum().item<int>() == 6 * 1);  // but reads one channel only
  CHECK(mask[1].weight.sum().item<int>() == 1 * 1);
  const Kept count = count_kept(g, mask, Filter{});
  CHECK(count.filters == 2);
  CHECK(count.weights == 3 + 1);
}

TEST_CASE("Filter keeps at least one of each group", "[granularity][filter]") {
  const auto g = graph(conv(1, 3) + conv(2, 3) + kHead);
  const auto mask = make_mask(g, laws::random_scores(g, Seed(4)), Ratio::percent(99), Filter{});
  CHECK(mask[0].filter.sum().item<int>() == 1);
  CHECK(mask[1].filter.sum().item<int>() == 1);
  auto zero = laws::random_scores(g, Seed(4));
  for (auto& s : zero) s.zero_();
  CHECK(make_mask(g, zero, Ratio::percent(50), kByFilters)[1].filter.equal(
      torch::tensor({false, true})));
}

TEST_CASE("ties, nesting and counts are those of a stable sort of each layer",
          "[granularity][weight][kernel]") {
  // The plainest writing of both: sort by importance, the lower index first, drop floor(n·p/100).
  const auto g = slim_yolov3();
  auto scores = laws::random_scores(g, Seed(12));
  for (std::size_t i = 0; i < scores.size(); i += 2) scores[i] = (scores[i] * 2).round();  // ties
  for (const int percent : {0, 25, 50, 75, 99}) {
    const auto weights = make_mask(g, scores, Ratio::percent(percent), Weight{});
    const auto kernels = make_mask(g, scores, Ratio::percent(percent), Kernel{});
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto flat = scores[i].contiguous();
      const auto shape = flat.sizes();
      for (const bool by_kernel : {false, true}) {
        const std::int64_t area = by_kernel ? shape[2] * shape[3] : 1, n = flat.numel() / area;
        std::vector<float> importance;
        for (std::int64_t k = 0; k < n; ++k) {
          double sum = 0;
          for (std::int64_t j = 0; j < area; ++j)
            sum += std::abs(flat.const_data_ptr<float>()[k * area + j]);
          importance.push_back(static_cast<float>(sum / double(area)));
        }
        std::vector<std::int64_t> order(static_cast<std::size_t>(n));
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::ranges::stable_sort(order, [&](auto a, auto b) {
          return importance[std::size_t(a)] < importance[std::size_t(b)];
        });
        auto expected = at::ones({n, area}, at::kBool);
        for (std::int64_t k = 0; k < n * percent / 100; ++k)
          expected[order[std::size_t(k)]].fill_(false);
        CHECK((by_kernel ? kernels : weights)[i].weight.equal(expected.view(shape)));
      }
    }
  }
}

TEST_CASE("Filter's ratio is the share of parameters, exact to one filter",
          "[granularity][filter]") {
  const auto cfgs = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share";
  const auto name = GENERATE("cfg/yolov3.cfg", "cfg/yolov3-tiny.cfg", "demo/yolov3-slim.cfg");
  const auto g = load_cfg(cfgs / name);
  const auto convolutions = g.convolutions();
  const auto scores = laws::random_scores(g, Seed(8));
  const auto all = parameters(g);
  for (const int percent : {0, 25, 50, 90, 95}) {
    INFO(name << " at " << percent << " %");
    const auto mask = make_mask(g, scores, Ratio::percent(percent), Filter{});
    std::vector<std::vector<bool>> kept;
    for (const auto& layer : mask) {
      const bool* flag = layer.filter.const_data_ptr<bool>();
      kept.emplace_back(flag, flag + layer.filter.numel());
    }
    const auto left = [&] { return parameters(plan_compaction(g, kept).graph); };
    const auto removed = all - left();
    CHECK(removed <= all * percent / 100);

    // One channel more of some group would be too much; and all groups lose the same fraction, to
    // one channel.
    double lowest = 1, highest = 0;
    std::int64_t coarsest = 0;
    for (const auto& group : coupled_channels(g)) {
      if (!group.removable) continue;
      const auto n = double(group.channels.size());
      const CoupledFilters* next = nullptr;
      double gone = 0;
      for (const auto& channel : group.channels) {
        if (kept[std::size_t(channel[0].convolution)][std::size_t(channel[0].filter)])
          next = &channel;
        else
          ++gone;
      }
      REQUIRE(next != nullptr);  // at least one stays
      if (gone + 1 == n) continue;
      lowest = std::min(lowest, (gone + 1) / n);
      highest = std::max(highest, gone / n);
      const auto before = left();
      for (const auto& f : *next) kept[std::size_t(f.convolution)][std::size_t(f.filter)] = false;
      coarsest = std::max(coarsest, before - left());
      for (const auto& f : *next) kept[std::size_t(f.convolution)][std::size_t(f.filter)] = true;
    }
    CHECK(highest <= lowest);
    CHECK(removed > all * percent / 100 - coarsest);
    if (percent == 50) {  // the share of filters, which it was not to be
      const auto half = make_mask(g, scores, Ratio::percent(50), kByFilters);
      CHECK(count_kept(g, half, kByFilters).weights <
            count_kept(g, mask, Filter{}).weights * 3 / 4);
    }
  }
}

TEST_CASE("reducers and rules for coupled filters", "[granularity][filter][kernel]") {
  const std::vector<float> s{-3, 0, 4, -1};
  CHECK(reduce(Reducer::kMean, s.data(), 4) == 2);
  CHECK(reduce(Reducer::kSum, s.data(), 4) == 8);
  CHECK(reduce(Reducer::kMax, s.data(), 4) == 4);
  CHECK(reduce(Reducer::kRms, s.data(), 4) == Catch::Approx(std::sqrt(26.0 / 4)));
  const auto many = at::randn({1000});
  CHECK(reduce(Reducer::kSum, many.const_data_ptr<float>(), 1000) ==
        Catch::Approx(many.to(at::kDouble).abs().sum().item<double>()).epsilon(1e-12));
  for (const auto reducer : {Reducer::kMean, Reducer::kSum, Reducer::kMax, Reducer::kRms}) {
    const std::vector<float> bad{1, std::nanf(""), 2};
    CHECK(std::isnan(reduce(reducer, bad.data(), 3)));
  }

  // A kernel of one large weight against one of four middling ones.
  const auto g = graph(conv(1, 2, "") + kHead);
  auto scores = laws::random_scores(g, Seed(3));
  scores[0].fill_(5);
  scores[0][0][0] = at::tensor({4.0F, 0.0F, 0.0F, 0.0F}).view({2, 2});
  scores[0][0][1] = at::tensor({2.0F, 2.0F, 2.0F, 2.0F}).view({2, 2});
  const auto gone = [&](Reducer reducer) {
    const auto kept = make_mask(g, scores, Ratio::percent(34), Kernel{.reduce = reducer})[0].weight;
    return kept[0][0].any().item<bool>() ? 1 : 0;
  };
  CHECK(gone(Reducer::kMean) == 0);
  CHECK(gone(Reducer::kMax) == 1);

  // Two coupled layers disagree: channel 0 matters to the second alone, channel 1 to the first.
  const auto coupled =
      graph(conv(3, 1) + conv(3, 1) + "[shortcut]\nfrom=-2\nactivation=linear\n" + kHead);
  auto pair = laws::random_scores(coupled, Seed(3));
  const auto fill = [&](std::size_t layer, std::initializer_list<double> values) {
    int f = 0;
    for (const double v : values) pair[layer][f++].fill_(v);
  };
  fill(0, {1, 6, 5});  // ÷ 4
  fill(1, {9, 2, 4});  // ÷ 5
  const auto importance = [&](CoupledRule rule) {
    const Filter filter{.coupled = rule};
    return filter.importance(coupled, checked_scores(coupled, pair))[0];
  };
  CHECK(at::allclose(importance(CoupledRule::kMean), at::tensor({1.025F, 0.95F, 1.025F})));
  CHECK(at::allclose(importance(CoupledRule::kUnion), at::tensor({1.8F, 1.5F, 1.25F})));
  CHECK(at::allclose(importance(CoupledRule::kFirst), at::tensor({0.25F, 1.5F, 1.25F})));
}

TEST_CASE("scores that no filter stands out by are refused, not ranked by index",
          "[granularity][filter]") {
  const auto g = slim_yolov3();
  auto scores = laws::random_scores(g, Seed(14));
  for (auto& s : scores) s = s.abs() / s.abs().mean({1, 2, 3}, true);  // shares of the filter
  CHECK_THROWS_WITH(make_mask(g, scores, Ratio::percent(50), Filter{}),
                    Catch::Matchers::StartsWith("Structured: scores should tell filters apart"));
  CHECK_NOTHROW(make_mask(g, scores, Ratio::percent(50), Kernel{}));
  for (auto& s : scores) s.fill_(1);  // nothing to tell apart: BN gamma without batch norm
  CHECK_NOTHROW(make_mask(g, scores, Ratio::percent(50), Filter{}));
}

TEST_CASE("errors name the layer, what was expected and what was found", "[granularity]") {
  const auto g = graph(conv(2, 3) + kHead);
  auto scores = laws::random_scores(g, Seed(5));
  auto wrong = scores;
  wrong[0] = at::ones({2, 3, 1, 1});
  CHECK_THROWS_WITH(make_mask(g, wrong, Ratio::percent(50), Weight{}),
                    "scores: shape should be [2, 3, 3, 3] as layer \"conv_0\", got [2, 3, 1, 1]");
  wrong = scores;
  wrong[1] = wrong[1].clone();
  wrong[1][0][1].fill_(std::nan(""));
  CHECK_THROWS_WITH(make_mask(g, wrong, Ratio::percent(50), Weight{}),
                    "conv_1: every score should be finite, got nan at index 1");
  CHECK_THROWS_WITH(make_mask(g, wrong, Ratio::percent(50), Filter{}),
                    Catch::Matchers::StartsWith("conv_1: every score"));
  CHECK_THROWS_WITH(count_kept(g, Mask(2), Weight{}),
                    Catch::Matchers::StartsWith("mask: shape should be [2, 3, 3, 3]"));
}

TEST_CASE("applying a mask silences what it removes, and nothing else", "[core][apply_mask]") {
  LayerParameters p;
  p.weight = at::randn({2, 3, 1, 1}).requires_grad_();
  p.gamma = at::ones({2});
  p.beta = at::ones({2});
  const auto before = p.weight.detach().clone();
  const LayerMask mask{torch::tensor({true, false, true, false, false, false}).view({2, 3, 1, 1}),
                       torch::tensor({true, false})};
  for (int twice = 0; twice < 2; ++twice) {
    apply_mask(mask, p);
    CHECK(p.weight.detach().equal(before * mask.weight));
    CHECK(p.gamma.equal(torch::tensor({1.F, 0.F})));
    CHECK(p.beta.equal(torch::tensor({1.F, 0.F})));
    CHECK(p.weight.requires_grad());
  }
}

TEST_CASE("the masked and the smaller network agree", "[granularity][filter][compaction]") {
  const auto check = [](const Graph& g, int percent, Seed seed) {
    const ReferenceNetwork network(g, seed);
    const auto mask =
        make_mask(g, laws::random_scores(g, seed), Ratio::percent(percent), kByFilters);
    std::vector<std::vector<bool>> kept;
    for (const auto& layer : mask) {
      const bool* flag = layer.filter.const_data_ptr<bool>();
      kept.emplace_back(flag, flag + layer.filter.numel());
    }
    const auto plan = plan_compaction(g, kept);
    const auto small = network.compacted(plan);
    Generator rng(seed);
    const auto images = at::rand({2, 3, g.input.height, g.input.width}, rng.torch());
    CHECK(relative_error(small.forward(images), network.masked(mask).forward(images)) < 1e-5);
    CHECK(parameters(plan.graph) <= parameters(g));

    // The smaller network is a cfg like any other, and the mask counts its weights.
    const auto again = parse_cfg(write_cfg(plan.graph), "again");
    const auto convolutions = g.convolutions();
    for (std::size_t i = 0; i < mask.size(); ++i) {
      CHECK(weight_shape(again, convolutions[i]) == weight_shape(plan.graph, convolutions[i]));
      CHECK(small.parameters()[i].weight.sizes() ==
            at::IntArrayRef(weight_shape(again, convolutions[i])));
      CHECK(mask[i].weight.sum().item<std::int64_t>() == small.parameters()[i].weight.numel());
    }
    return std::pair(macs(plan.graph), macs(g));
  };
  SECTION("slim YOLOv3") {
    for (const int percent : {25, 50, 90, 99}) {
      const auto [small, full] = check(slim_yolov3(), percent, Seed(6));
      if (percent < 99) CHECK(double(small) < double(full) * (100 - percent) / 100);
    }
  }
  SECTION("YOLOv3-tiny") {
    auto g = load_cfg(serpette::test::real_data() / "darknet" / "yolov3-tiny.cfg");
    check(g, 50, Seed(7));
  }
  SECTION("random graphs") {
    for (std::uint64_t i = 0; i < 60; ++i) {
      INFO("graph " << i << "\n" << write_cfg(random_graph(Seed(i))));
      check(random_graph(Seed(i)), i % 2 ? 50 : 80, Seed(i));
    }
  }
}
