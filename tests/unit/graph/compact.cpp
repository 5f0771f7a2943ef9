#include "serpette/graph/compact.hpp"

#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rand.h>

#include "serpette/graph/apply_mask.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/reference_network.hpp"

using namespace serpette;
using test::GraphBuilder;
using test::ReferenceNetwork;

namespace {

constexpr auto kLeaky = Activation::kLeaky;

Mask keep_all(const ReferenceNetwork& network) {
  Mask mask;
  for (const auto& p : network.parameters()) mask.push_back({at::ones_like(p.weight, at::kBool)});
  return mask;
}

at::Tensor all_but(int count, std::initializer_list<int> removed) {
  auto flags = at::ones({count}, at::kBool);
  for (const int c : removed) flags[c] = false;
  return flags;
}

/// The compacted network's graph, after checking that it computes what the masked one does.
Graph compacted(const ReferenceNetwork& network, const Mask& mask) {
  const auto plan = plan_compaction(network.graph(), mask);
  const auto& in = network.graph().input;
  const auto images = at::rand({2, in.channels, in.height, in.width});
  const auto masked = network.masked(mask);
  CHECK(test::relative_error(masked.compacted(plan).forward(images), masked.forward(images)) <
        1e-5);
  return plan.graph;
}

}  // namespace

TEST_CASE("input channels that a mask removes are silent, and cut out once nobody reads them",
          "[graph][compact]") {
  // conv_0 is read by conv_1 and, through route_2, by conv_3.
  const ReferenceNetwork network(
      GraphBuilder({3, 8, 8})
          .conv({.filters = 6, .batch_normalize = true, .activation = kLeaky})
          .conv({.filters = 4, .size = 3, .padding = 1, .activation = kLeaky})
          .route({0, 1})
          .conv({.filters = 5, .batch_normalize = true, .activation = kLeaky})
          .head(1)
          .done(),
      Seed(1));
  auto mask = keep_all(network);
  mask[1].input = all_but(6, {2, 5});
  const auto masked = network.masked(mask);
  CHECK(masked.layer(1).weight.select(1, 2).abs().sum().item<float>() == 0);
  CHECK(masked.layer(1).weight.select(1, 1).equal(network.layer(1).weight.select(1, 1)));
  // conv_3 still reads them: zeros stay.
  CHECK(compacted(network, mask).convolution(0).filters == 6);

  mask[2].input = all_but(10, {2, 7});  // conv_0's 2, and conv_1's 1
  const auto small = compacted(network, mask);
  CHECK(small.convolution(0).filters == 5);
  CHECK(small.convolution(1).filters == 3);
  CHECK(small[2].output.channels == 8);

  mask[2].input = all_but(10, {0, 1, 2, 3, 4, 5});
  mask[1].input = all_but(6, {0, 1, 2, 3, 4, 5});
  CHECK(compacted(network, mask).convolution(0).filters == 1);  // of every group one stays

  mask[1].input = all_but(5, {});
  CHECK_THROWS_WITH(plan_compaction(network.graph(), mask),
                    "mask: shape should be [6] as the input channels of layer \"conv_1\", got [5]");
}

TEST_CASE("input channels of groups are those of all groups", "[graph][compact]") {
  const ReferenceNetwork network(
      GraphBuilder({3, 8, 8})
          .conv({.filters = 4, .activation = kLeaky})
          .conv({.filters = 6, .size = 3, .padding = 1, .groups = 2, .activation = kLeaky})
          .head(1)
          .done(),
      Seed(2));
  auto mask = keep_all(network);
  mask[1].input = all_but(4, {0, 2});  // the first of either group
  const auto weight = network.masked(mask).layer(1).weight;
  CHECK(weight.select(1, 0).abs().sum().item<float>() == 0);
  CHECK(weight.select(1, 1).equal(network.layer(1).weight.select(1, 1)));
  const auto small = compacted(network, mask);
  CHECK(small.convolution(0).filters == 2);
  CHECK(small.convolution(1).groups == 2);

  mask[1].input = all_but(4, {3});
  const auto uneven = network.masked(mask).layer(1).weight;
  CHECK(uneven.slice(0, 0, 3).equal(network.layer(1).weight.slice(0, 0, 3)));
  CHECK(uneven.slice(0, 3, 6).select(1, 1).abs().sum().item<float>() == 0);
  CHECK(compacted(network, mask).convolution(0).filters == 4);  // its twin is read
}

TEST_CASE("a shortcut of unequal width adds what both have, masked and compacted alike",
          "[graph][compact][shortcut]") {
  const bool wider_first = GENERATE(true, false);
  const ReferenceNetwork network(GraphBuilder({3, 8, 8})
                                     .conv({.filters = wider_first ? 4 : 7, .activation = kLeaky})
                                     .conv({.filters = wider_first ? 7 : 4, .activation = kLeaky})
                                     .shortcut(0, kLeaky)
                                     .head(1)
                                     .done(),
                                 Seed(3));
  const auto& graph = network.graph();
  CHECK(graph[2].output.channels == (wider_first ? 7 : 4));

  std::size_t alone = 0, coupled = 0;
  for (const auto& group : coupled_channels(graph))
    if (group.removable)
      (group.convolutions.size() == 2 ? coupled : alone) += group.channels.size();
  CHECK(coupled == 4);
  CHECK(alone == 3);

  auto mask = keep_all(network);
  mask[0].filter = all_but(wider_first ? 4 : 7, {1});
  mask[1].filter = all_but(wider_first ? 7 : 4, {1});
  mask[wider_first ? 1 : 0].filter[5] = false;  // one of the three that the other does not have
  for (int k : {0, 1})
    mask[std::size_t(k)].weight.mul_(mask[std::size_t(k)].filter.view({-1, 1, 1, 1}));
  const auto small = compacted(network, mask);
  CHECK(small.convolution(0).filters == (wider_first ? 3 : 5));
  CHECK(small.convolution(1).filters == (wider_first ? 5 : 3));
  CHECK(small[2].output.channels == (wider_first ? 5 : 3));
  mask[0].filter[1] = true;
  CHECK_THROWS_WITH(plan_compaction(graph, mask),
                    Catch::Matchers::ContainsSubstring("shortcut_2: coupled filters"));
}
