// Granularities besides the paper's, against plain loops.

#include <algorithm>
#include <cmath>
#include <vector>

#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/block.hpp"
#include "serpette/prune/global.hpp"
#include "serpette/prune/input_channel.hpp"
#include "serpette/prune/n_of_m.hpp"
#include "support/catch.hpp"
#include "support/slim_yolov3.hpp"

using namespace serpette;
using serpette::test::slim_yolov3;

TEST_CASE("more granularities hold their laws", "[granularity][law]") {
  const auto g = slim_yolov3();
  laws::prune_granularity(InputChannel{}, g);
  laws::prune_granularity(NofM<2, 4>{}, g);
  laws::prune_granularity(NofM<1, 3>{}, g);
  laws::prune_granularity(Block<4, 4>{}, g);
  laws::prune_granularity(Block<1, 5>{.reduce = Reducer::kRms}, g);
  CHECK(NofM<2, 4>::name == "2:4");
  CHECK(NofM<8, 16>::name == "8:16");
  CHECK(Block<4, 16>::name == "Block 4x16");
}

TEST_CASE("InputChannel drops what a layer hears least of", "[granularity][input_channel]") {
  const auto g = slim_yolov3();
  const auto scores = laws::random_scores(g, Seed(1));
  const auto mask = make_mask(g, scores, Ratio::percent(40), InputChannel{});
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto channels = scores[i].size(1);
    const auto importance = scores[i].abs().mean({0, 2, 3});
    const auto order = std::get<1>(importance.sort());
    for (std::int64_t k = 0; k < channels; ++k) {
      const auto slice = mask[i].weight.select(1, order[k].item<std::int64_t>());
      const bool stays = k >= channels * 40 / 100;
      CHECK(slice.all().item<bool>() == stays);
      CHECK(slice.any().item<bool>() == stays);
    }
  }
}

TEST_CASE("2:4 keeps exactly two of every four input channels, the larger ones",
          "[granularity][n_of_m]") {
  const auto g = slim_yolov3(4);
  auto scores = laws::random_scores(g, Seed(2));
  scores[1] = scores[1].round();  // ties
  const auto even = [&](std::size_t i) { return scores[i].size(1) % 4 == 0; };
  const NofM<2, 4> granularity{};
  const auto full = make_mask(g, scores, Ratio::percent(50), granularity);
  const auto beyond = make_mask(g, scores, Ratio::percent(90), granularity);
  const auto some = make_mask(g, scores, Ratio::percent(30), granularity);
  for (std::size_t i = 0; i < full.size(); ++i) {
    CHECK(beyond[i].weight.equal(full[i].weight));  // more never goes
    if (!even(i)) continue;
    const auto n = scores[i].numel();
    CHECK(some[i].weight.sum().item<std::int64_t>() == n - n * 30 / 100);
    const auto size = scores[i].sizes();
    for (std::int64_t f = 0; f < size[0]; ++f)
      for (std::int64_t c = 0; c < size[1]; c += 4)
        for (std::int64_t a = 0; a < size[2] * size[3]; ++a) {
          const auto at = [&](const at::Tensor& t, std::int64_t k) {
            return t[f][c + k][a / size[3]][a % size[3]];
          };
          for (std::int64_t k = 0; k < 4; ++k) {
            const float mine = std::abs(at(scores[i], k).item<float>());
            int above = 0;  // stay before this one does: larger, or equal with a higher index
            for (std::int64_t j = 0; j < 4; ++j) {
              const float other = std::abs(at(scores[i], j).item<float>());
              above += other > mine || (other == mine && j > k) ? 1 : 0;
            }
            CHECK(at(full[i].weight, k).item<bool>() == (above < 2));
          }
        }
  }
  CHECK_THROWS_WITH(make_mask(slim_yolov3(3), laws::random_scores(slim_yolov3(3), Seed(2)),
                              Ratio::percent(50), NofM<2, 4>{.skip_uneven = false}),
                    "conv_0: 2:4 should have input channels in multiples of 4, got 3; skip_uneven "
                    "leaves such layers whole");
}

TEST_CASE("what 2:4 keeps is worth its own score, so layers compare by their scores",
          "[granularity][n_of_m][global]") {
  const auto g = slim_yolov3(4);
  auto scores = laws::random_scores(g, Seed(2));
  const NofM<2, 4> granularity{};
  const auto importance = granularity.importance(g, checked_scores(g, scores));
  for (std::size_t i = 0; i < scores.size(); ++i)
    CHECK(importance[i].max().item<float>() == scores[i].abs().max().item<float>());
  // One large weight, which stays anyway, hardly moves its layer's mean, nor what Global takes.
  constexpr std::size_t kLayer = 14;
  const auto removed = [&] {
    return Global{}.removed(g, granularity.pieces(g),
                            granularity.importance(g, checked_scores(g, scores)),
                            Ratio::percent(25))[kLayer];
  };
  const auto before = removed();
  const auto flat = scores[kLayer].view({-1});
  flat[flat.abs().argmax().item<std::int64_t>()] = 40;
  CHECK(removed() - before < flat.numel() / 20);
}

TEST_CASE("Block drops whole blocks, smaller ones at the edge", "[granularity][block]") {
  const auto g = slim_yolov3();
  const auto scores = laws::random_scores(g, Seed(3));
  const auto mask = make_mask(g, scores, Ratio::percent(60), Block<4, 3>{});
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto size = scores[i].sizes();
    std::vector<std::pair<double, bool>> blocks;  // importance, kept
    for (std::int64_t r = 0; r < size[0]; r += 4)
      for (std::int64_t c = 0; c < size[1]; c += 3)
        for (std::int64_t y = 0; y < size[2]; ++y)
          for (std::int64_t x = 0; x < size[3]; ++x) {
            const auto part = [&](const at::Tensor& t) {
              return t.slice(0, r, r + 4).slice(1, c, c + 3).select(3, x).select(2, y);
            };
            const bool kept = part(mask[i].weight).all().item<bool>();
            CHECK(part(mask[i].weight).any().item<bool>() == kept);
            blocks.emplace_back(part(scores[i]).abs().mean().item<double>(), kept);
          }
    std::ranges::stable_sort(blocks, {}, [](const auto& b) { return b.first; });
    const auto gone = blocks.size() * 60 / 100;
    for (std::size_t k = 0; k < blocks.size(); ++k) CHECK(blocks[k].second == (k >= gone));
  }
}
