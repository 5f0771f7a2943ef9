#include "serpette/core/selection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "serpette/core/seed.hpp"
#include "support/catch.hpp"

using namespace serpette;

namespace {
std::vector<bool> kept(const std::vector<float>& scores, std::int64_t removed) {
  const auto flags = std::make_unique<bool[]>(scores.size());
  keep_highest(scores, removed, {flags.get(), scores.size()}, "conv_0");
  return std::vector<bool>(flags.get(), flags.get() + scores.size());
}

std::vector<bool> kept_by_sorting(const std::vector<float>& scores, std::int64_t removed) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, [&](auto a, auto b) { return std::abs(scores[a]) < std::abs(scores[b]); });
  std::vector<bool> flags(scores.size(), true);
  for (std::int64_t i = 0; i < removed; ++i) flags[order[std::size_t(i)]] = false;
  return flags;
}
}  // namespace

TEST_CASE("selection equals a stable sort by magnitude", "[core][selection]") {
  Generator rng(Seed(GENERATE(range(0, 40))));
  std::vector<float> scores(1 + rng.below(3000));
  const bool ties = rng.below(2);
  for (auto& s : scores) {
    s = static_cast<float>(rng.uniform(-1, 1) * std::exp(rng.uniform(-30, 30)));
    if (ties) s = std::round(static_cast<float>(rng.uniform(-4, 4)));
  }
  const auto n = static_cast<std::int64_t>(scores.size());
  for (const std::int64_t removed : {std::int64_t{0}, std::int64_t{1}, n / 4, n / 2, n - 1, n})
    if (removed <= n) CHECK(kept(scores, removed) == kept_by_sorting(scores, removed));
}

TEST_CASE("the lower index goes first, and signs do not matter", "[core][selection]") {
  CHECK(kept({1, -1, 1, -1}, 2) == std::vector<bool>{false, false, true, true});
  CHECK(kept({-0.0F, 0.0F, 3}, 1) == std::vector<bool>{false, true, true});
  CHECK(kept({5, -7, 1e-45F, 0}, 2) == std::vector<bool>{true, true, false, false});
  CHECK(kept({}, 0).empty());
}

TEST_CASE("a score that is no number is refused by place and index", "[core][selection]") {
  for (const float bad : {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY})
    for (const std::int64_t removed : {0, 1})
      CHECK_THROWS_WITH(kept({1, 2, bad, 3}, removed),
                        Catch::Matchers::StartsWith("conv_0: every score should be finite") &&
                            Catch::Matchers::EndsWith("at index 2"));
  CHECK_THROWS_AS(kept({1}, 2), Error);
  CHECK_THROWS_AS(kept({1}, -1), Error);
}
