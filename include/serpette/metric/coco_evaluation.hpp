#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/in_parallel.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/metric/coco_overlaps.hpp"

/// @file
/// COCO's detection metric: the same doubles as pycocotools 2.0 (cocoeval.py, maskApi.c), in the
/// same order of operations, so that arrays compare with ==. Source: Lin et al. 2014;
/// https://cocodataset.org/#detection-eval.

namespace serpette {

namespace detail {

/// numpy.linspace, evaluated by the compiler: start + i·step rounds there as it does in NumPy.
template <std::size_t N>
constexpr std::array<double, N> linspace(double start, double stop) {
  std::array<double, N> values{};
  const double step = (stop - start) / (N - 1);
  for (std::size_t i = 0; i < N; ++i) {
    const double offset = static_cast<double>(i) * step;
    values[i] = offset + start;
  }
  values[N - 1] = stop;
  return values;
}

/// numpy.sum's order of additions, which np.mean inherits.
inline double pairwise_sum(std::span<const double> v) {
  if (v.size() < 8) return std::accumulate(v.begin(), v.end(), 0.0);
  if (v.size() > 128) {
    const auto half = v.size() / 2 - v.size() / 2 % 8;
    return pairwise_sum(v.first(half)) + pairwise_sum(v.subspan(half));
  }
  std::array<double, 8> r{};
  std::copy_n(v.begin(), 8, r.begin());
  std::size_t i = 8;
  for (; i < v.size() - v.size() % 8; i += 8)
    for (std::size_t j = 0; j < 8; ++j) r[j] += v[i + j];
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < v.size(); ++i) sum += v[i];
  return sum;
}

}  // namespace detail

/// COCO's fixed settings.
namespace coco {
inline constexpr auto kIouThresholds = detail::linspace<10>(0.5, 0.95);
inline constexpr auto kRecallThresholds = detail::linspace<101>(0.0, 1.0);
/// Areas [pixels²] by range: all, small, medium, large; both ends belong to a range.
inline constexpr std::array<std::pair<double, double>, 4> kAreas{
    {{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}}};
/// How many detections of one image and category count, best first.
inline constexpr std::array<int, 3> kMaxDetections{1, 10, 100};
}  // namespace coco

/// COCO's 12 numbers, each in [0, 1], or −1 where there is nothing to find; and the arrays they are
/// means of.
struct CocoSummary {
  double AP = -1, AP50 = -1, AP75 = -1;  ///< Average precision over IoU 0.5…0.95, at 0.5, at 0.75.
  double APs = -1, APm = -1, APl = -1;   ///< AP of small, medium, large objects.
  double AR1 = -1, AR10 = -1,
         AR100 = -1;  ///< Average recall with 1, 10, 100 detections an image and category.
  double ARs = -1, ARm = -1, ARl = -1;  ///< AR100 of small, medium, large objects.

  /// Categories that have truth, ascending: the rows of the arrays, which so cost what a data set
  /// shows and not what it names.
  std::vector<std::size_t> rows;
  std::vector<double> precision;  ///< [10 IoU][101 recall][rows][4 areas][3 max detections], −1:
                                  ///< no such truth.
  std::vector<double> recall;  ///< [10 IoU][rows][4 areas][3 max detections], −1: no such truth.

  [[nodiscard]] std::size_t precision_at(std::size_t iou, std::size_t recall_step, std::size_t row,
                                         std::size_t area, std::size_t max) const {
    return (((iou * 101 + recall_step) * rows.size() + row) * 4 + area) * 3 + max;
  }
  [[nodiscard]] std::size_t recall_at(std::size_t iou, std::size_t row, std::size_t area,
                                      std::size_t max) const {
    return ((iou * rows.size() + row) * 4 + area) * 3 + max;
  }

  /// Names and values in COCO's order: what summary.json holds.
  [[nodiscard]] std::array<std::pair<std::string_view, double>, 12> numbers() const {
    return {{{"AP", AP},
             {"AP50", AP50},
             {"AP75", AP75},
             {"APs", APs},
             {"APm", APm},
             {"APl", APl},
             {"AR1", AR1},
             {"AR10", AR10},
             {"AR100", AR100},
             {"ARs", ARs},
             {"ARm", ARm},
             {"ARl", ARl}}};
  }

  /// AP of one category over all IoU thresholds; −1 without truth.
  [[nodiscard]] double average_precision(std::size_t category) const {
    const auto row = std::ranges::lower_bound(rows, category);
    if (row == rows.end() || *row != category) return -1;
    const auto at = static_cast<std::size_t>(row - rows.begin());
    std::vector<double> values;
    for (std::size_t t = 0; t < 10; ++t)
      for (std::size_t r = 0; r < 101; ++r)
        values.push_back(precision[precision_at(t, r, at, 0, 2)]);
    return mean_of_valid(values);
  }

  /// np.mean of the values above −1; −1 if there is none.
  static double mean_of_valid(std::vector<double>& values) {
    std::erase_if(values, [](double value) { return value <= -1; });
    return values.empty() ? -1 : detail::pairwise_sum(values) / static_cast<double>(values.size());
  }
};

namespace detail {

/// One category over all images: matches image by image, then turns the matches into precision and
/// recall.
class CategoryEvaluation {
 public:
  /// @param truth       the image's annotations of this category, in the file's order.
  /// @param detections  the image's detections of this category, best first; the first 100 are
  /// looked at.
  void image(std::span<const CocoAnnotation* const> truth,
             std::span<const Detection* const> detections, bool ids_matter) {
    const auto count = std::min<std::size_t>(detections.size(), coco::kMaxDetections.back());
    const auto first = candidates_.size();
    for (std::size_t d = 0; d < count; ++d)
      candidates_.push_back({.score = detections[d]->score, .rank = static_cast<int>(d)});
    const std::span<Candidate> candidates(candidates_.data() + first, count);
    overlaps_.set(truth, detections.first(count));
    for (std::size_t a = 0; a < coco::kAreas.size(); ++a) {
      match(truth, candidates, a, ids_matter);
      const auto [low, high] = coco::kAreas[a];
      for (std::size_t d = 0; d < count; ++d) {
        const double area = detections[d]->box.area();
        if (area < low || area > high)  // outside the range, and matched by nothing: does not count
          candidates[d].ignored[a] |=
              static_cast<std::uint16_t>(~candidates[d].matched[a] & kAllThresholds);
      }
    }
  }

  /// Writes this category's part of the arrays.
  void finish(CocoSummary& summary, std::size_t row) {
    std::ranges::stable_sort(candidates_, std::greater<>(), &Candidate::score);
    for (std::size_t a = 0; a < coco::kAreas.size(); ++a) {
      if (positives_[a] == 0) continue;
      for (std::size_t m = 0; m < coco::kMaxDetections.size(); ++m)
        for (std::size_t t = 0; t < coco::kIouThresholds.size(); ++t) curve(summary, row, a, m, t);
    }
  }

 private:
  static constexpr std::uint16_t kAllThresholds = 0x3ff;

  struct Candidate {
    double score = 0;
    int rank = 0;                            // among its image's detections of this category
    std::array<std::uint16_t, 4> matched{};  // by area, a bit for each IoU threshold
    std::array<std::uint16_t, 4> ignored{};
  };

  void match(std::span<const CocoAnnotation* const> truth, std::span<Candidate> candidates,
             std::size_t a, bool ids_matter) {
    const auto [low, high] = coco::kAreas[a];
    const auto ignore = [&](std::size_t g) {
      return truth[g]->is_crowd || truth[g]->area < low || truth[g]->area > high;
    };
    order_.resize(truth.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const auto counted = static_cast<std::size_t>(
        std::ranges::stable_partition(order_, [&](std::size_t g) { return !ignore(g); }).begin() -
        order_.begin());
    positives_[a] += static_cast<std::int64_t>(counted);

    for (std::size_t t = 0; t < coco::kIouThresholds.size() && !truth.empty(); ++t) {
      const auto bit = static_cast<std::uint16_t>(1U << t);
      taken_.assign(truth.size(), false);
      for (std::size_t d = 0; d < candidates.size(); ++d) {
        double best = std::min(coco::kIouThresholds[t], 1 - 1e-10);
        std::size_t match = truth.size();
        for (std::size_t i = 0; i < order_.size(); ++i) {
          const auto g = order_[i];
          if (taken_[g] && !truth[g]->is_crowd) continue;
          if (match < counted && i >= counted)
            break;  // a match that counts is not given up for one that does not
          const double iou = overlaps_.at(d, g);
          if (iou < best) continue;
          best = iou;
          match = i;
        }
        if (match == truth.size()) continue;
        const auto g = order_[match];
        taken_[g] = true;
        if (match >= counted) candidates[d].ignored[a] |= bit;
        if (!ids_matter || truth[g]->id != 0) candidates[d].matched[a] |= bit;
      }
    }
  }

  // Only true positives move recall, and precision is highest at one: the envelope needs no other
  // point.
  void curve(CocoSummary& summary, std::size_t row, std::size_t a, std::size_t m, std::size_t t) {
    const auto positives = static_cast<double>(positives_[a]);
    precision_.clear();
    std::int64_t found = 0, wrong = 0;
    for (const auto& c : candidates_) {
      if (c.rank >= coco::kMaxDetections[m] || (c.ignored[a] >> t & 1) != 0) continue;
      if ((c.matched[a] >> t & 1) == 0) {
        ++wrong;
      } else {
        ++found;
        const auto tp = static_cast<double>(found), fp = static_cast<double>(wrong);
        precision_.push_back(tp / (fp + tp + 0x1p-52));
      }
    }
    summary.recall[summary.recall_at(t, row, a, m)] = static_cast<double>(found) / positives;
    for (auto i = precision_.size(); i-- > 1;)
      precision_[i - 1] = std::max(precision_[i - 1], precision_[i]);
    std::size_t i = 0;
    for (std::size_t r = 0; r < coco::kRecallThresholds.size(); ++r) {
      while (i < precision_.size() &&
             static_cast<double>(i + 1) / positives < coco::kRecallThresholds[r])
        ++i;
      summary.precision[summary.precision_at(t, r, row, a, m)] =
          i < precision_.size() ? precision_[i] : 0.0;
    }
  }

  std::vector<Candidate> candidates_;
  std::array<std::int64_t, 4> positives_{};  // by area: annotations that count
  // Scratch, kept between images:
  CocoOverlaps overlaps_;
  std::vector<double> precision_;
  std::vector<std::size_t> order_;
  std::vector<char> taken_;
};

/// Items of one category, image by image.
template <class Item>
struct ByCategory {
  std::vector<std::pair<std::uint32_t, const Item*>> entries;  // (image's rank by id, item)
};

inline void summarize(CocoSummary& s) {
  const auto precision = [&](std::size_t first, std::size_t last, std::size_t area) {
    std::vector<double> values;
    for (std::size_t t = first; t < last; ++t)
      for (std::size_t r = 0; r < 101; ++r)
        for (std::size_t k = 0; k < s.rows.size(); ++k)
          values.push_back(s.precision[s.precision_at(t, r, k, area, 2)]);
    return CocoSummary::mean_of_valid(values);
  };
  const auto recall = [&](std::size_t area, std::size_t max) {
    std::vector<double> values;
    for (std::size_t t = 0; t < 10; ++t)
      for (std::size_t k = 0; k < s.rows.size(); ++k)
        values.push_back(s.recall[s.recall_at(t, k, area, max)]);
    return CocoSummary::mean_of_valid(values);
  };
  s.AP = precision(0, 10, 0), s.AP50 = precision(0, 1, 0), s.AP75 = precision(5, 6, 0);
  s.APs = precision(0, 10, 1), s.APm = precision(0, 10, 2), s.APl = precision(0, 10, 3);
  s.AR1 = recall(0, 0), s.AR10 = recall(0, 1), s.AR100 = recall(0, 2);
  s.ARs = recall(1, 2), s.ARm = recall(2, 2), s.ARl = recall(3, 2);
}

}  // namespace detail

/// COCO's detection metric on boxes.
///
/// As in pycocotools: detections of equal score keep the order given; detections of a category that
/// the annotations do not list are passed over; and an annotation whose id is 0 never counts as
/// found, since 0 stands for "no match" there (unless no annotation has an id, as in sets made in
/// memory).
/// @param truth       boxes in pixels; every image of the set, also those without objects.
/// @param detections  in any order of images; `category` indexes `truth.categories`.
/// @param threads     0: as many as the machine has. The result does not depend on it.
/// @throws Error      if a detection belongs to no image of `truth` or its score is NaN.
inline CocoSummary evaluate(const Instances& truth, std::span<const Detection> detections,
                            int threads = 0) {
  std::vector<std::int64_t> images;
  for (const auto& image : truth.images) images.push_back(image.id);
  std::ranges::sort(images);
  const auto rank = [&](std::int64_t id, std::string_view what) {
    const auto found = std::ranges::lower_bound(images, id);
    if (found == images.end() || *found != id)
      fail("evaluation", "{} should belong to one of the {} images, got image {}", what,
           images.size(), id);
    return static_cast<std::uint32_t>(found - images.begin());
  };

  const auto categories = truth.categories.size();
  require(categories <= limits::kCategories, truth.source,
          "should have at most {} categories, got {}", limits::kCategories, categories);
  std::vector<detail::ByCategory<CocoAnnotation>> annotations(categories);
  for (const auto& a : truth.annotations)
    annotations.at(static_cast<std::size_t>(a.category))
        .entries.emplace_back(rank(a.image_id, "an annotation"), &a);
  std::vector<detail::ByCategory<Detection>> candidates(categories);
  for (const auto& d : detections) {
    if (std::isnan(d.score))
      fail("evaluation", "scores should be numbers, got NaN in image {}", d.image_id);
    const auto image = rank(d.image_id, "a detection");
    if (d.category >= 0 && static_cast<std::size_t>(d.category) < categories)
      candidates[static_cast<std::size_t>(d.category)].entries.emplace_back(image, &d);
  }
  const bool ids_matter =
      std::ranges::any_of(truth.annotations, [](const auto& a) { return a.id != 0; });

  CocoSummary summary;
  for (std::size_t k = 0; k < categories; ++k)
    if (!annotations[k].entries.empty()) summary.rows.push_back(k);
  summary.precision.assign(std::size_t{10} * 101 * summary.rows.size() * 12, -1.0);
  summary.recall.assign(10 * summary.rows.size() * 12, -1.0);

  const auto evaluate_row = [&](std::size_t row) {
    const auto category = summary.rows[row];
    auto& found = candidates[category].entries;
    auto& wanted = annotations[category].entries;
    std::ranges::stable_sort(wanted, {}, [](const auto& e) { return e.first; });
    std::ranges::stable_sort(found, [](const auto& x, const auto& y) {
      return x.first != y.first ? x.first < y.first : x.second->score > y.second->score;
    });
    detail::CategoryEvaluation evaluation;
    std::vector<const CocoAnnotation*> image_truth;
    std::vector<const Detection*> image_found;
    for (std::size_t g = 0, d = 0; g < wanted.size() || d < found.size();) {
      const auto image = std::min(g < wanted.size() ? wanted[g].first : UINT32_MAX,
                                  d < found.size() ? found[d].first : UINT32_MAX);
      image_truth.clear();
      image_found.clear();
      for (; g < wanted.size() && wanted[g].first == image; ++g)
        image_truth.push_back(wanted[g].second);
      for (; d < found.size() && found[d].first == image; ++d)
        image_found.push_back(found[d].second);
      evaluation.image(image_truth, image_found, ids_matter);
    }
    evaluation.finish(summary, row);
  };

  const auto workers =
      threads > 0 ? static_cast<unsigned>(threads) : std::thread::hardware_concurrency();
  in_parallel(workers, summary.rows.size(), evaluate_row);
  detail::summarize(summary);
  return summary;
}

}  // namespace serpette
