#include "serpette/detector/candidates.hpp"

#include <algorithm>
#include <cstdint>
#include <random>

#include "support/catch.hpp"

using namespace serpette;

namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// Heads as they lie channels-last, of 13 × 13 and of 26 × 26 cells.
struct Heads {
  std::vector<Yolo> yolo;
  std::vector<Shape> grids;
  std::vector<std::vector<float>> logits;

  explicit Heads(int classes) {
    for (const int side : {13, 26}) {
      Yolo& head = yolo.emplace_back();
      head.anchors = {{10, 14}, {23, 27}, {37, 58}, {81, 82}};
      head.mask = side == 13 ? std::vector{2, 3} : std::vector{0, 1, 2};
      head.classes = classes;
      head.new_coords = side == 26;
      head.scale_x_y = side == 26 ? 1.2F : 1.0F;
      grids.push_back({static_cast<int>(head.mask.size()) * (5 + classes), side, side});
      logits.emplace_back(std::size_t(grids.back().channels) * side * side);
    }
  }

  [[nodiscard]] std::vector<Detection> found(bool planes, const Letterbox& geometry,
                                             const DecodeOptions& options) const {
    Candidates candidates;
    candidates.begin(0.9);  // of another image
    candidates.add(view(0, planes, planar_), yolo[0], grids[0]);
    candidates.begin(options.confidence);
    for (std::size_t h = 0; h < yolo.size(); ++h)
      candidates.add(view(h, planes, planar_), yolo[h], grids[h]);
    return candidates.best(geometry, 7, options.nms, options.limit);
  }

  /// The definition, for every prediction and class, in double: suppression class by class, then
  /// the best of all.
  [[nodiscard]] std::vector<Detection> by_definition(const Letterbox& g,
                                                     const DecodeOptions& options) const {
    std::vector<std::vector<Detection>> classes(std::size_t(yolo[0].classes));
    for (std::size_t h = 0; h < yolo.size(); ++h) {
      const Yolo& head = yolo[h];
      const int channels = grids[h].channels, width = grids[h].width, height = grids[h].height;
      for (std::size_t a = 0; a < head.mask.size(); ++a)
        for (int cell = 0; cell < width * height; ++cell) {
          const float* t = &logits[h][std::size_t(cell) * std::size_t(channels) +
                                      a * std::size_t(5 + head.classes)];
          const auto anchor = head.anchors[std::size_t(head.mask[a])];
          const double s = head.scale_x_y;
          const double x = (s * logistic(t[0]) - (s - 1) / 2 + cell % width) / width,
                       y = (s * logistic(t[1]) - (s - 1) / 2 + cell / width) / height;
          const auto times = [&](float v) {
            return head.new_coords ? 4 * logistic(v) * logistic(v) : std::exp(double(v));
          };
          const double w = times(t[2]) * anchor[0], hh = times(t[3]) * anchor[1];
          if (std::isnan(x + y + w + hh)) continue;
          const double sx = double(g.image_width) / g.width, sy = double(g.image_height) / g.height;
          const auto in_x = [&](double v) {
            return std::clamp((v - g.left) * sx, 0.0, double(g.image_width));
          };
          const auto in_y = [&](double v) {
            return std::clamp((v - g.top) * sy, 0.0, double(g.image_height));
          };
          const double cx = x * g.canvas_width, cy = y * g.canvas_height;
          const double x1 = in_x(cx - w / 2), y1 = in_y(cy - hh / 2), x2 = in_x(cx + w / 2),
                       y2 = in_y(cy + hh / 2);
          for (int k = 0; k < head.classes; ++k)
            if (const double score = logistic(t[4]) * logistic(t[5 + k]);
                score > options.confidence)
              classes[std::size_t(k)].push_back({7, k, score, {x1, y1, x2 - x1, y2 - y1}});
        }
    }
    const auto better = [](const Detection& a, const Detection& b) { return a.score > b.score; };
    std::vector<Detection> all;
    for (auto& of_class : classes) {
      std::ranges::stable_sort(of_class, better);
      std::vector<Detection> kept;
      for (const auto& d : of_class)
        if (std::ranges::none_of(
                kept, [&](const Detection& k) { return iou(k.box, d.box) > options.nms; }))
          kept.push_back(d);
      all.insert(all.end(), kept.begin(), kept.end());
    }
    std::ranges::stable_sort(all, better);
    all.resize(std::min(all.size(), options.limit));
    return all;
  }

 private:
  HeadLogits view(std::size_t h, bool planes, std::vector<std::vector<float>>& kept) const {
    const auto channels = grids[h].channels, cells = grids[h].width * grids[h].height;
    if (!planes) return {logits[h].data(), 1, channels};
    kept.resize(yolo.size());
    kept[h].resize(logits[h].size());
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < cells; ++i)
        kept[h][std::size_t(c * cells + i)] = logits[h][std::size_t(i * channels + c)];
    return {kept[h].data(), cells, 1};
  }

  mutable std::vector<std::vector<float>> planar_;
};

}  // namespace

TEST_CASE("candidates equal their definition to the bit, whatever fires", "[model][nms][decode]") {
  struct Kind {
    const char* name;
    float objectness, spread, classes, class_spread;
  };
  const auto kind = GENERATE(Kind{"a trained network", -7, 2, -5, 1.5F},
                             Kind{"scores near the confidence", -3.45F, 0.01F, -3.45F, 0.01F},
                             Kind{"sure of all", 30, 30, 20, 20}, Kind{"all the same", 0, 0, 0, 0},
                             Kind{"sure of nothing", -60, 30, -60, 30});
  const int classes = GENERATE(3, 21);
  const bool planes = GENERATE(false, true);
  CAPTURE(kind.name, classes, planes);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Heads heads(classes);
  for (auto& head : heads.logits)
    for (std::size_t i = 0; i < head.size(); ++i) {
      const auto channel = i % std::size_t(5 + classes);
      head[i] = normal(random);
      if (channel == 4) head[i] = kind.objectness + kind.spread * head[i];
      if (channel > 4) head[i] = kind.classes + kind.class_spread * head[i];
    }
  heads.logits[0][0] = NAN;                               // no box
  heads.logits[0][std::size_t(5 + classes) + 2] = 1e30F;  // a box without end
  heads.logits[1][4] = NAN;                               // no objectness
  heads.logits[1][std::size_t(5 + classes) + 6] = NAN;    // no class
  heads.logits[1][std::size_t(5 + classes) + 4] = INFINITY;
  const auto geometry = Letterbox::fit(640, 480, 416, 416);
  for (const double confidence : {0.0, 1e-40, 0.001, 0.5, 1.0})
    for (const std::size_t limit : {std::size_t{1}, std::size_t{100}, std::size_t{4000}}) {
      if (limit == 4000 && confidence < 0.001) continue;  // the definition takes its time
      const DecodeOptions options{confidence, 0.45, limit};
      CAPTURE(confidence, limit);
      CHECK((heads.found(planes, geometry, options) == heads.by_definition(geometry, options)));
    }
}

TEST_CASE("the best are found where most of what is better is suppressed", "[model][nms][decode]") {
  // 1,800 boxes in one place are better than all others.
  Heads heads(3);
  std::mt19937 random(6);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t i = 0; i < heads.logits[h].size(); ++i) {
      const auto channel = i % 8;
      heads.logits[h][i] = uniform(random) - (channel == 4 ? 3.0F : 0.0F);
      if (h == 1 && (channel == 2 || channel == 3)) heads.logits[h][i] = 8;  // all of the canvas
      if (h == 1 && channel >= 4) heads.logits[h][i] = 3 + uniform(random);
    }
  const auto geometry = Letterbox::fit(416, 416, 416, 416);
  heads.yolo[1].new_coords = false;
  const DecodeOptions options{0.001, 0.45, 100};
  const auto found = heads.found(GENERATE(false, true), geometry, options);
  CHECK(found.size() > 50);
  CHECK((found == heads.by_definition(geometry, options)));
  // A limit that there are not so many of is none: 6 · it would wrap.
  const auto all = heads.found(false, geometry, {0.001, 0.45, 4000});
  CHECK((heads.found(false, geometry, {0.001, 0.45, SIZE_MAX}) == all));
  CHECK((heads.found(false, geometry, {0.001, 0.45, SIZE_MAX / 6 + 1}) == all));
}
