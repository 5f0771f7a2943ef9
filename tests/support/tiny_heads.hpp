#pragma once

/// @file
/// What a TinyDetector makes of its heads. Simple on purpose: every head answers for every truth at
/// the cell of the box's centre, with all its anchors.

#include "serpette/torch/nn.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "serpette/concepts/detector.hpp"

namespace serpette::test {

/// Where a truth lies in a head.
struct TinyCell {
  std::int64_t image, category, y, x;
};

inline std::vector<TinyCell> tiny_cells(const at::Tensor& head, const at::Tensor& truth) {
  std::vector<TinyCell> found;
  for (std::int64_t m = 0; m < truth.size(0); ++m) {
    const auto value = [&](int k) { return truth[m][k].item<double>(); };
    const auto cell = [](double centre, std::int64_t cells) {
      return std::min<std::int64_t>(static_cast<std::int64_t>(centre * static_cast<double>(cells)),
                                    cells - 1);
    };
    found.push_back({static_cast<std::int64_t>(value(0)), static_cast<std::int64_t>(value(1)),
                     cell(value(3), head.size(2)), cell(value(2), head.size(3))});
  }
  return found;
}

/// The loss per image and part, or what an attack of another goal lowers.
inline DetectionLoss tiny_loss(const Graph& graph, const std::vector<at::Tensor>& heads,
                               const at::Tensor& truth, Aim::Goal goal = Aim::Goal::kTruth) {
  const auto n = heads.front().size(0);
  auto zero = at::zeros({n}, heads.front().options().requires_grad(false));
  DetectionLoss total{zero, zero, zero};
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const auto& yolo = graph.head(graph.heads()[h]);
    const auto anchors = static_cast<std::int64_t>(yolo.mask.size());
    // [N, A, 5 + C, H, W]
    const auto p =
        heads[h].view({n, anchors, 5 + yolo.classes, heads[h].size(2), heads[h].size(3)});
    const auto options = heads[h].options().requires_grad(false);
    auto object = at::zeros({n, anchors, p.size(3), p.size(4)}, options);
    auto category = at::zeros({n, anchors, yolo.classes, p.size(3), p.size(4)}, options);
    auto place = at::zeros({n, anchors, 4, p.size(3), p.size(4)}, options);
    const auto where = tiny_cells(heads[h], truth);
    for (std::size_t m = 0; m < where.size(); ++m) {
      const auto& [image, c, y, x] = where[m];
      const auto row = truth[static_cast<std::int64_t>(m)].to(at::kDouble);
      const auto wrong = goal == Aim::Goal::kMislabel ? (c + 1) % yolo.classes : c;
      for (std::int64_t a = 0; a < anchors; ++a) {
        const auto& anchor =
            yolo.anchors[static_cast<std::size_t>(yolo.mask[static_cast<std::size_t>(a)])];
        object[image][a][y][x] = 1;
        category[image][a][wrong][y][x] = 1;
        place[image][a][0][y][x] = row[2].item<double>() * double(p.size(4)) - double(x);
        place[image][a][1][y][x] = row[3].item<double>() * double(p.size(3)) - double(y);
        place[image][a][2][y][x] = std::log(row[4].item<double>() * graph.input.width / anchor[0]);
        place[image][a][3][y][x] = std::log(row[5].item<double>() * graph.input.height / anchor[1]);
      }
    }
    const auto bce = [](const at::Tensor& logit, const at::Tensor& target) {
      return logit.clamp_min(0) - logit * target + at::log1p((-logit.abs()).exp());
    };
    if (goal == Aim::Goal::kVanish || goal == Aim::Goal::kFabricate) {
      const auto wanted = at::full_like(object, goal == Aim::Goal::kFabricate ? 1.0 : 0.0);
      total.objectness = total.objectness + bce(p.select(2, 4), wanted).sum({1, 2, 3});
      continue;
    }
    if (goal == Aim::Goal::kEvade) {
      for (const auto& [image, c, y, x] : where)
        for (std::int64_t a = 0; a < anchors; ++a) {
          auto margin = p[image][a][4][y][x];
          for (std::int64_t other = 0; other < yolo.classes; ++other)
            if (other != c)
              margin = at::minimum(margin, p[image][a][5 + c][y][x] - p[image][a][5 + other][y][x]);
          const auto one = at::one_hot(at::tensor(image), n).squeeze(0).to(margin.options());
          total.objectness = total.objectness + one * margin.clamp_min(0);
        }
      continue;
    }
    const auto xy = p.narrow(2, 0, 2).sigmoid() - place.narrow(2, 0, 2);
    const auto wh = p.narrow(2, 2, 2) - place.narrow(2, 2, 2);
    total.box = total.box + ((xy.square() + wh.square()) * object.unsqueeze(2)).sum({1, 2, 3, 4});
    total.objectness = total.objectness + bce(p.select(2, 4), object).sum({1, 2, 3});
    total.classes =
        total.classes +
        (bce(p.narrow(2, 5, yolo.classes), category) * object.unsqueeze(2)).sum({1, 2, 3, 4});
  }
  return total;
}

/// Ones at the logits that DeepLIFT explains.
inline std::vector<at::Tensor> tiny_targets(const Graph& graph,
                                            const std::vector<at::Tensor>& heads,
                                            const at::Tensor& truth, Target target) {
  std::vector<at::Tensor> seeds;
  if (target == Target::kLoss) {
    const at::AutoGradMode with_grad(true);
    std::vector<at::Tensor> leaves;
    for (const auto& head : heads)
      leaves.push_back(head.detach().contiguous().clone().set_requires_grad(true));
    const auto loss = tiny_loss(graph, leaves, truth);
    return torch::autograd::grad({(loss.box + loss.objectness + loss.classes).sum()}, leaves);
  }
  for (const auto& head : heads) {
    auto seed = at::zeros_like(head);
    for (const auto& [n, c, y, x] : tiny_cells(head, truth)) {
      for (int k = 0; k < head.size(1); ++k) {  // one anchor a head
        const bool box = k < 4, object = k == 4, category = k > 4, right = k == 5 + c;
        const bool explained = target == Target::kBox          ? box
                               : target == Target::kObjectness ? object
                               : target == Target::kClasses    ? category
                               : target == Target::kLogits     ? true
                               : target == Target::kDetection
                                   ? object || right
                                   : target == Target::kDetectionAndBox && (box || object || right);
        if (explained) seed[n][k][y][x] = 1;
      }
    }
    seeds.push_back(seed);
  }
  return seeds;
}

/// Boxes above a confidence, without suppression.
inline std::vector<std::vector<Detection>> tiny_detections(const Graph& graph,
                                                           const std::vector<at::Tensor>& heads,
                                                           const ImageBatch& batch,
                                                           double confidence) {
  std::vector<std::vector<Detection>> found(static_cast<std::size_t>(batch.size()));
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const auto& yolo = graph.head(graph.heads()[h]);
    const int width = 5 + yolo.classes;
    const auto raw = heads[h].detach().to(at::kCPU, at::kFloat).contiguous();
    const auto p = raw.accessor<float, 4>();
    const auto sigmoid = [](float v) { return 1 / (1 + std::exp(-double{v})); };
    for (int n = 0; n < raw.size(0); ++n)
      for (int a = 0; a < raw.size(1) / width; ++a)
        for (int y = 0; y < raw.size(2); ++y)
          for (int x = 0; x < raw.size(3); ++x)
            for (int c = 0; c < yolo.classes; ++c) {
              const auto at = [&](int k) { return p[n][a * width + k][y][x]; };
              const double score = sigmoid(at(4)) * sigmoid(at(5 + c));
              if (score <= confidence) continue;
              const auto& anchor =
                  yolo.anchors[static_cast<std::size_t>(yolo.mask[static_cast<std::size_t>(a)])];
              const double w = anchor[0] * std::exp(double{at(2)}),
                           ht = anchor[1] * std::exp(double{at(3)});
              const double cx = (x + sigmoid(at(0))) * graph.input.width / double(raw.size(3));
              const double cy = (y + sigmoid(at(1))) * graph.input.height / double(raw.size(2));
              const auto image = static_cast<std::size_t>(n);
              const Box box{cx - w / 2, cy - ht / 2, w, ht};
              found[image].push_back(
                  {batch.image_ids[image], c, score, batch.geometry[image].to_image(box)});
            }
  }
  return found;
}

}  // namespace serpette::test
