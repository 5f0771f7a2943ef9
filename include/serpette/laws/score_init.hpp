#pragma once

#include <ATen/ops/randn.h>
#include <range/v3/view/zip.hpp>

#include "serpette/concepts/score_init.hpp"
#include "serpette/laws/catch.hpp"

namespace serpette::laws {

/// What every score of all layers holds to: one finite tensor per convolution, like its weight.
inline void score_map(const Graph& graph, const ScoreMap& scores) {
  const auto convolutions = graph.convolutions();
  REQUIRE(scores.size() == convolutions.size());
  for (auto&& [score, index] : ranges::views::zip(scores, convolutions)) {
    INFO(graph[index].name);
    CHECK(score.sizes() == at::IntArrayRef(weight_shape(graph, index)));
    CHECK(score.isfinite().all().item<bool>());
    CHECK_FALSE(score.requires_grad());
  }
}

/// What every ScoreInit of one layer holds to. Run it on a score of your own:
/// `laws::score_init(Mine{});`
template <ScoreInit P>
  requires req::ScoresOneLayer<P>
void score_init(const P& policy) {
  INFO("score: " << P::name);
  for (const bool zero : {false, true}) {  // a dead layer is as good a layer as any
    auto weight = at::randn({4, 3, 3, 3});
    if (zero) weight.zero_();
    const auto before = weight.clone();
    LayerView layer{.name = "conv_0", .index = 0, .weight = weight, .gamma = at::randn({4})};
    if constexpr (needs_input<P>) layer.input = at::randn({2, 3, 8, 8});
    if constexpr (needs_gradient<P>) layer.gradient = at::randn({4, 3, 3, 3});
    const auto run = [&] {
      Generator rng{Seed(7)};
      return policy.score(layer, rng);
    };
    const auto score = run();
    CHECK(weight.equal(before));
    CHECK(score.sizes() == weight.sizes());
    CHECK(score.isfinite().all().template item<bool>());
    CHECK(run().equal(score));  // equal seeds, equal scores
  }
}

/// The same for a ScoreInit of all layers, on a detector and batches of yours.
template <ScoreInit P, Detector D>
  requires req::ScoresAllLayers<P>
void score_init(const P& policy, D& detector, const BatchStream& batches) {
  INFO("score: " << P::name);
  std::vector<at::Tensor> before;
  for (const int i : detector.graph().convolutions())
    before.push_back(detector.layer(i).weight.clone());
  const auto run = [&] {
    Generator rng{Seed(7)};
    return policy.score_all(detector, batches, rng);
  };
  const auto scores = run();
  score_map(detector.graph(), scores);
  const auto again = run();
  const auto convolutions = detector.graph().convolutions();
  for (auto&& [first, second, index, weight] :
       ranges::views::zip(scores, again, convolutions, before)) {
    CHECK(second.equal(first));
    CHECK(detector.layer(index).weight.equal(weight));
  }
}

}  // namespace serpette::laws
