#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace serpette {

/// A class that a head proposes for one of its predictions.
struct Candidate {
  double score = 0;
  std::int32_t category = 0;
  std::uint32_t prediction = 0;  ///< Its number among the network's.
};

/// A box by its corners, in pixels of the original image.
struct Corners {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// A candidate that suppression has kept, and where it is.
struct KeptCandidate {
  Candidate candidate;
  Corners box;
};

/// Class-wise greedy non-maximum suppression, then the best `limit` of all classes.
///
/// Candidates are taken from the best downwards over all classes; one is dropped if its IoU with a
/// kept one of its class exceeds `threshold`. That equals suppression class by class followed by a
/// cut at `limit`, but ends as soon as `limit` are kept: only so many as are looked at are sorted
/// and have their boxes computed. Of a network that fires everywhere (10,647 cells × 80 classes)
/// it is collecting the candidates that costs. Equal scores rank by class, then by prediction.
/// @param candidates  end up in another order.
/// @param box_of      (prediction) → its Corners in an optional, without a value where it has no
///                    box: it is then dropped.
/// @param memory      whose place the result takes: one of before, so that no other is asked for.
/// @return            kept candidates, best first. IoU on continuous coordinates.
template <class BoxOf>
std::vector<KeptCandidate> suppress(std::span<Candidate> candidates, const BoxOf& box_of,
                                    double threshold, std::size_t limit,
                                    std::vector<KeptCandidate> memory = {}) {
  const auto better = [](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::tie(a.category, a.prediction) < std::tie(b.category, b.prediction);
  };
  const auto overlaps = [&](const Corners& a, const Corners& b) {
    const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
                 h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    const double overlap = std::max(w, 0.0) * std::max(h, 0.0);
    const double joint = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - overlap;
    return joint > 0 && overlap / std::max(joint, 1e-12) > threshold;
  };
  auto kept = std::move(memory);
  kept.clear();
  limit = std::min(limit, candidates.size());  // of any size: no sum below may wrap
  auto chunk = static_cast<std::ptrdiff_t>(std::max<std::size_t>(4 * limit, 256));
  for (auto begin = candidates.begin(); begin != candidates.end() && kept.size() < limit;
       chunk *= 2) {
    const auto end = begin + std::min(chunk, candidates.end() - begin);
    if (end != candidates.end()) std::nth_element(begin, end, candidates.end(), better);
    std::sort(begin, end, better);
    for (; begin != end && kept.size() < limit; ++begin) {
      const std::optional<Corners> box = box_of(begin->prediction);
      if (box && std::none_of(kept.begin(), kept.end(), [&](const KeptCandidate& k) {
            return k.candidate.category == begin->category && overlaps(k.box, *box);
          }))
        kept.push_back({*begin, *box});
    }
  }
  return kept;
}

}  // namespace serpette
