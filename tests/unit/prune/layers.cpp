#include "serpette/prune/layers.hpp"

#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/compact.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "serpette/method/state.hpp"
#include "support/catch.hpp"
#include "support/slim_yolov3.hpp"

using namespace serpette;
using test::slim_yolov3;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string conv(int filters, int size, const std::string& activation = "leaky") {
  return fmt::format(
      "[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride=1\npad=1\nactivation={}\n",
      filters, size, activation);
}
std::string shortcut(int from, const std::string& activation = "linear") {
  return fmt::format("[shortcut]\nfrom={}\nactivation={}\n", from, activation);
}
Graph graph(const std::string& layers) {
  return parse_cfg("[net]\nwidth=8\nheight=8\nchannels=3\n" + layers +
                       "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
                       "[yolo]\nmask=0\nanchors=1,1\nclasses=1\nnum=1\n",
                   "test");
}

}  // namespace

TEST_CASE("Layers holds its laws", "[granularity][layers][law]") {
  laws::prune_granularity(Layers{}, slim_yolov3());
}

TEST_CASE("a block may go where its shortcut only adds and nobody else reads it",
          "[graph][layers]") {
  // 0 conv, 1–2 a branch, 3 its sum; 4 a branch whose sum is not linear, 5; 6 a branch, 7 its sum,
  // 8 a route that reads the branch as well.
  const auto g =
      graph(conv(8, 3) + conv(4, 1) + conv(8, 3) + shortcut(-3) + conv(8, 3) +
            shortcut(-2, "leaky") + conv(8, 1) + shortcut(-2) + "[route]\nlayers=-1,-2\n");
  const auto blocks = residual_blocks(g);
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].shortcut == 3);
  CHECK(blocks[0].skipped == 0);
  CHECK(blocks[0].layers == std::vector<int>{1, 2});
  // A branch that ends in a logistic is never silent, one of other channels is no sum of equals.
  CHECK(residual_blocks(graph(conv(8, 3) + conv(8, 3, "logistic") + shortcut(-2))).empty());
  CHECK(residual_blocks(graph(conv(8, 3) + conv(4, 3) + shortcut(-2))).empty());
}

TEST_CASE("the least important blocks go first, exact to one block", "[granularity][layers]") {
  const auto g = graph(conv(8, 3) + conv(8, 3) + shortcut(-2) + conv(8, 3) + shortcut(-2) +
                       conv(8, 3) + shortcut(-2));
  REQUIRE(residual_blocks(g).size() == 3);
  ScoreMap scores;
  for (const int index : g.convolutions()) scores.push_back(at::rand(weight_shape(g, index)) + 0.5);
  scores[2] *= 0.1;  // the second block
  scores[3] *= 10;   // the third
  const auto gone = [&](int percent, const PerLayer& allocation = {}) {
    std::vector<std::size_t> found;
    const auto mask = make_mask(g, scores, Ratio::percent(percent), Layers{}, allocation);
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (!mask[i].filter.any().item<bool>()) found.push_back(i);
    return found;
  };
  CHECK(gone(33).empty());
  CHECK(gone(34) == std::vector<std::size_t>{2});
  CHECK(gone(67) == std::vector<std::size_t>{1, 2});
  CHECK(gone(99) == std::vector<std::size_t>{1, 2});
  const std::string spare = g[g.convolutions()[2]].name;
  CHECK(gone(50, {.limits = {.spare = spare}}) == std::vector<std::size_t>{1});
  // Scores that were divided by their layer's mean rank no block.
  for (auto& score : scores) score /= score.mean();
  CHECK_THROWS_WITH(make_mask(g, scores, Ratio::percent(50), Layers{}),
                    ContainsSubstring("should tell blocks apart"));
}

TEST_CASE("compaction takes the layers out, and the outputs are the masked network's",
          "[granularity][layers][compact]") {
  Yolov3 net(slim_yolov3(), Seed(3));
  const torch::NoGradGuard no_grad;
  for (const int i : net.graph().convolutions()) {
    const LayerParameters layer = net.layer(i);
    layer.weight.mul_(1 + 0.2 * torch::rand(1));
    if (layer.beta.defined()) layer.beta.uniform_(-0.2, 0.2);
  }
  ScoreMap scores;
  for (const int i : net.graph().convolutions()) scores.push_back(net.layer(i).weight.abs());
  const auto blocks = residual_blocks(net.graph());
  REQUIRE(blocks.size() >= 3);
  const auto& input = net.graph().input;
  const auto images = torch::rand({2, 3, input.height, input.width});
  for (const int percent : {30, 60, 99}) {
    const auto mask = make_mask(net.graph(), scores, Ratio::percent(percent), Layers{});
    auto masked = net.clone();
    apply_mask(mask, masked);
    const auto small = masked.compact(mask);
    std::size_t left = 0;
    for (const auto& layer : mask) left += layer.filter.any().item<bool>();
    CHECK(left < mask.size());
    CHECK(small.graph().convolutions().size() == left);
    const auto a = masked.forward(images), b = small.forward(images);
    REQUIRE(a.size() == b.size());
    for (std::size_t h = 0; h < a.size(); ++h) {
      CHECK(a[h].sizes() == b[h].sizes());
      CHECK((a[h] - b[h]).abs().max().item<double>() < 1e-5 * a[h].abs().max().item<double>());
    }
    // As a cfg it is the same network.
    const auto again = parse_cfg(write_cfg(small.graph()), "again");
    CHECK(again.size() == small.graph().size());
    CHECK(again.convolutions().size() == left);
  }
}
