#include "serpette/method/scores.hpp"

#include <ATen/Parallel.h>

#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/per_layer.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/snip.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::TinyDetector;

namespace {

/// Score = |w| · mean |x| of the channel that feeds it.
struct ActivityWeighted {
  static constexpr std::string_view name = "Activity weighted";
  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return layer.weight.abs().mul(layer.input.abs().mean({0, 2, 3}).view({1, -1, 1, 1}));
  }
};

struct OfAnotherShape {
  static constexpr std::string_view name = "Of another shape";
  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return layer.weight.sum({2, 3});
  }
};

/// Batches of 8, 8 and 4 images that must be gone when the next one is made.
BatchStream one_at_a_time(const ImageBatch& all) {
  using Weak = c10::weak_intrusive_ptr<c10::TensorImpl, at::UndefinedTensorImpl>;
  auto made = std::make_shared<std::vector<Weak>>();
  return {3, [all, made](std::int64_t number) {
            for (const auto& earlier : *made)
              require(earlier.expired(), "test", "should hold one batch at a time");
            auto batch = all.slice(8 * number, std::min<std::int64_t>(8 * number + 8, all.size()));
            batch.images = batch.images.clone();
            made->emplace_back(batch.images.getIntrusivePtr());
            return batch;
          }};
}

bool close(const ScoreMap& a, const ScoreMap& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!at::allclose(a[i], b[i], 1e-9, 1e-12)) return false;
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("scores are the mean over all images, of which one batch is in memory",
          "[pipeline][scores]") {
  TinyDetector detector(test::tiny_graph(), Seed(1), torch::kDouble);
  const auto all = test::tiny_batch(detector.graph(), 20, Seed(2), torch::kDouble);
  auto other = all;
  other.images = all.images.clone();
  other.images[19].mul_(0.5);  // the last of all
  const auto check = [&](const auto& policy) {
    const auto at_once = importance_scores(policy, detector, std::vector<ImageBatch>{all}, Seed(3));
    CHECK(close(importance_scores(policy, detector, one_at_a_time(all), Seed(3)), at_once));
    CHECK_FALSE(close(importance_scores(policy, detector, one_at_a_time(other), Seed(3)), at_once));
  };
  check(ActivityWeighted{});
  check(Snip{});

  // By hand: what the convolutions read of all images at once.
  const auto scores = importance_scores(ActivityWeighted{}, detector, one_at_a_time(all), Seed(3));
  const auto outputs = detector.activations(all.images);
  const auto convolutions = detector.graph().convolutions();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto& x = i == 0 ? all.images : outputs[std::size_t(convolutions[i] - 1)];
    const auto expected = detector.layer(convolutions[i]).weight.detach().abs() *
                          x.detach().abs().mean({0, 2, 3}).view({1, -1, 1, 1});
    CHECK(at::allclose(scores[i], expected, 1e-9, 1e-12));
  }
}

TEST_CASE("scores and masks are the same on one thread and on two", "[pipeline][scores]") {
  // Large enough for a layer to be shared by threads, which then add up in another order.
  TinyDetector detector(test::tiny_graph(2, {3, 32, 32}), Seed(4));
  const auto batch = test::tiny_batch(detector.graph(), 4, Seed(5));
  const auto threads = at::get_num_threads();
  const auto on_threads = [&](int n, const ErasedScore& policy) {
    at::set_num_threads(n);
    auto scores = importance_scores(policy, detector, std::vector{batch}, Seed(6));
    at::set_num_threads(threads);
    return scores;
  };
  const auto same_mask = [&](const ScoreMap& one, const ScoreMap& two, const auto& granularity) {
    for (const int percent : {50, 90}) {
      const auto make = [&](const ScoreMap& scores) {
        return make_mask(detector.graph(), scores, Ratio::percent(percent), granularity,
                         PerLayer{});
      };
      const auto a = make(one), b = make(two);
      REQUIRE(a.size() == b.size());
      for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].weight.equal(b[i].weight));
    }
  };
  const auto check = [&](const auto& policy, const auto& granularity) {
    INFO(policy.name);
    const auto one = on_threads(1, policy), two = on_threads(2, policy);
    REQUIRE(one.size() == two.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      const auto largest = one[i].abs().max().template item<double>();
      CHECK((one[i] - two[i]).abs().max().template item<double>() <= 1e-5 * largest);
    }
    same_mask(one, two, granularity);
  };
  check(ActivityWeighted{}, Weight{});
  check(Snip{}, Weight{});
  check(DeepLift{.target = Target::kDetectionAndBox}, Weight{});
  check(DeepLiftOfFilters{.target = Target::kDetectionAndBox}, Filter{});
}

TEST_CASE("what needs no images is asked once; what needs some says so", "[pipeline][scores]") {
  TinyDetector detector;
  const BatchStream none(0, [](std::int64_t) -> ImageBatch { throw Error("test: no batch"); });
  CHECK_NOTHROW(importance_scores(Magnitude{}, detector, none, Seed(1)));
  CHECK_THROWS_WITH(importance_scores(ActivityWeighted{}, detector, none, Seed(1)),
                    "scores: should have images to look at, got none");
  CHECK_THROWS_WITH(importance_scores(Snip{}, detector, none, Seed(1)),
                    "scores: should have images to look at, got none");
  const auto batch = test::tiny_batch(detector.graph());
  CHECK_THROWS_WITH(importance_scores(OfAnotherShape{}, detector, std::vector{batch}, Seed(1)),
                    Catch::Matchers::StartsWith("Of another shape: shape should be"));
}
