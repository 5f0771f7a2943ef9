#include "serpette/detector/nms.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>

#include "support/catch.hpp"

using namespace serpette;

namespace {

/// A candidate with its box.
struct Proposed {
  double score;
  int category;
  std::uint32_t index;
  double x1, y1, x2, y2;
};

std::vector<KeptCandidate> suppress(const std::vector<Proposed>& proposed, double threshold,
                                    std::size_t limit) {
  std::vector<Candidate> candidates;
  for (const auto& p : proposed) candidates.push_back({p.score, p.category, p.index});
  const auto box = [&](std::uint32_t i) {
    const auto& p = proposed[i];
    return std::optional<Corners>({p.x1, p.y1, p.x2, p.y2});
  };
  return serpette::suppress(std::span(candidates), box, threshold, limit);
}

double iou(const Proposed& a, const Proposed& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
               h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const double overlap = std::max(w, 0.0) * std::max(h, 0.0);
  return overlap / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - overlap);
}

/// The definition: class by class, greedy over a stable sort; then the best of all.
std::vector<Proposed> by_definition(const std::vector<Proposed>& candidates, double threshold,
                                    std::size_t limit) {
  std::map<int, std::vector<Proposed>> classes;
  for (const auto& c : candidates) classes[c.category].push_back(c);
  std::vector<Proposed> all;
  const auto better = [](const Proposed& a, const Proposed& b) { return a.score > b.score; };
  for (auto& [category, mine] : classes) {
    std::ranges::stable_sort(mine, better);
    std::vector<Proposed> kept;
    for (const auto& c : mine) {
      bool free = true;
      for (const auto& k : kept) free = free && !(iou(c, k) > threshold);
      if (free) kept.push_back(c);
    }
    all.insert(all.end(), kept.begin(), kept.end());
  }
  std::ranges::stable_sort(all, better);
  all.resize(std::min(all.size(), limit));
  return all;
}

}  // namespace

TEST_CASE("suppression equals its definition, ties included", "[model][nms][property]") {
  std::mt19937 random(GENERATE(range(0u, 40u)));
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::vector<Proposed> candidates;
  const int count = draw(300);
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
    const double x = draw(40), y = draw(40);
    candidates.push_back(
        {0.1 * (1 + draw(9)), draw(4), i, x, y, x + 1 + draw(20), y + 1 + draw(20)});
  }
  const auto limit = static_cast<std::size_t>(1 + draw(60));
  const double threshold = 0.1 * draw(10);
  const auto wanted = by_definition(candidates, threshold, limit);
  const auto got = suppress(candidates, threshold, limit);
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i].candidate.prediction == wanted[i].index);
    CHECK(got[i].candidate.category == wanted[i].category);
    CHECK(got[i].box.x2 == wanted[i].x2);
  }
}

TEST_CASE("only boxes of one class suppress each other, and only beyond the threshold",
          "[model][nms]") {
  // IoU of the first two is 1/3.
  const std::vector<Proposed> candidates{
      {0.9, 0, 0, 0, 0, 2, 2}, {0.8, 0, 1, 1, 0, 3, 2}, {0.7, 1, 2, 0, 0, 2, 2}};
  CHECK(suppress(candidates, 0.3, 100).size() == 2);
  CHECK(suppress(candidates, 1.0 / 3, 100).size() == 3);
  CHECK(suppress({}, 0.5, 100).empty());
  // "All" is a limit, too, however it is written.
  for (const std::size_t all : {std::size_t{1} << 61, std::size_t{1} << 62, SIZE_MAX})
    CHECK(suppress(candidates, 1.0 / 3, all).size() == 3);
}

TEST_CASE("boxes without area do not suppress", "[model][nms]") {
  const std::vector<Proposed> candidates{{0.9, 0, 0, 5, 5, 5, 5}, {0.8, 0, 1, 5, 5, 5, 5}};
  CHECK(suppress(candidates, 0.5, 100).size() == 2);
}

TEST_CASE("what has no box is dropped, and suppresses nothing", "[model][nms]") {
  std::vector<Candidate> candidates{{0.9, 0, 0}, {0.8, 0, 1}};
  const auto box = [](std::uint32_t i) {
    return i == 0 ? std::nullopt : std::optional<Corners>({0, 0, 2, 2});
  };
  const auto kept = serpette::suppress(std::span(candidates), box, 0.5, 100);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].candidate.prediction == 1);
}
