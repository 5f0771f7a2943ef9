#include "serpette/data/split.hpp"

#include "support/catch.hpp"

#include <cmath>
#include <map>
#include <set>

using namespace serpette;

namespace {

Instances made(int images) {
  Instances instances;
  for (int i = 0; i < images; ++i) {
    instances.images.push_back({1000 + 37 * i, std::to_string(i) + ".jpg", 10, 10});
    for (int k = 0; k < i % 3; ++k)
      instances.annotations.push_back({100 * i + k, 1000 + 37 * i, 0, {0, 0, 1, 1}, 1, false});
  }
  instances.categories = {{1, "thing"}, {2, "other"}};
  return instances;
}

std::set<std::int64_t> ids(const Instances& instances) {
  std::set<std::int64_t> found;
  for (const auto& image : instances.images) found.insert(image.id);
  return found;
}

}  // namespace

TEST_CASE("a split is disjoint and whole", "[data][split]") {
  const auto all = made(100);
  const auto [train, test] = split(all, 30, Seed(4));
  CHECK(test.images.size() == 30);
  CHECK(train.images.size() == 70);
  CHECK(train.annotations.size() + test.annotations.size() == all.annotations.size());
  CHECK(train.categories.size() == 2);
  auto together = ids(train);
  for (const auto id : ids(test)) CHECK(together.insert(id).second);
  CHECK(together == ids(all));
  for (const auto& a : test.annotations) CHECK(ids(test).contains(a.image_id));
  require_disjoint(train, test);
  CHECK_THROWS_AS(require_disjoint(all, test), Error);
  CHECK(split_fraction(all, 0.25, Seed(4)).test.images.size() == 25);

  // What its numbers mean stays known.
  auto counted = all;
  counted.has_image_ids = counted.has_class_order = false;
  const auto part = subset(counted, {counted.images[0].id});
  CHECK_FALSE((part.has_image_ids || part.has_class_order));
}

TEST_CASE("a draw hangs on seed and ids alone, and smaller draws nest", "[data][split]") {
  const auto all = made(60);
  auto turned = all;
  std::ranges::reverse(turned.images);
  CHECK(sample_ids(all, 20, Seed(1)) == sample_ids(turned, 20, Seed(1)));
  CHECK(sample_ids(all, 20, Seed(1)) != sample_ids(all, 20, Seed(2)));
  const auto more = sample_ids(all, 30, Seed(1));
  for (const auto id : sample_ids(all, 20, Seed(1))) CHECK(std::ranges::binary_search(more, id));
  CHECK(sample(all, 60, Seed(1)).images.size() == 60);
}

TEST_CASE("every image is drawn equally often", "[data][split]") {
  const auto all = made(10);
  std::map<std::int64_t, int> counts;
  constexpr int kRounds = 2000;
  for (int seed = 0; seed < kRounds; ++seed)
    for (const auto id : sample_ids(all, 3, Seed(static_cast<std::uint64_t>(seed)))) ++counts[id];
  for (const auto& image : all.images)
    CHECK(std::abs(counts[image.id] - 600) < 100);  // 5 standard deviations
}

TEST_CASE("an empty part is refused", "[data][split]") {
  const auto all = made(5);
  CHECK_THROWS_AS(split(all, 0, Seed(1)), Error);
  CHECK_THROWS_AS(split(all, 5, Seed(1)), Error);
  CHECK_THROWS_AS(split(all, -1, Seed(1)), Error);
  CHECK_THROWS_AS(split_fraction(all, 0.05, Seed(1)), Error);
  CHECK_THROWS_AS(split_fraction(all, 1, Seed(1)), Error);
  CHECK_THROWS_AS(sample_ids(all, 6, Seed(1)), Error);
}
