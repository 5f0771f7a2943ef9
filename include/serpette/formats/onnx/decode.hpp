#pragma once

/// @internal Boxes in ONNX.

/// @file
/// What `decode` makes of heads (detector/decode.hpp), as ONNX nodes. No LibTorch.

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "serpette/formats/onnx/layers.hpp"
#include "serpette/formats/onnx/model.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::onnx {

/// How heads become boxes in the model itself.
struct Boxes {
  double confidence = 0.001;  ///< A class counts where objectness × class probability exceeds it.
  double nms = 0.45;          ///< IoU above which the worse of two boxes of one class is dropped.
  std::int64_t limit = 100;   ///< Most boxes of one class and image.
};

namespace detail {

/// Adds to a model the boxes of all heads and their suppression, class by class
/// (NonMaxSuppression). Outputs, with K detections in all, image by image and class by class:
///   boxes [K, 4] float: x1, y1, x2, y2 in pixels of the canvas, clipped to it
///   scores [K] float, classes [K] int64, image [K] int64 (number in the batch)
class BoxNodes {
 public:
  BoxNodes(Model& model, const Graph& graph) : model_(model), graph_(graph) {}

  /// @param of  graph index → the value's name.
  template <class Of>
  void add(const Of& of, const Boxes& settings) {
    std::vector<std::string> boxes, scores;
    for (const int i : graph_.heads()) add_head(i, of(i), boxes, scores);
    const auto all = [&](const char* name, const std::vector<std::string>& parts, int axis) {
      return parts.size() == 1
                 ? parts.front()
                 : model_.node("Concat", parts, {name}, {{"axis", std::int64_t{axis}}});
    };
    const auto box = all("all_boxes", boxes, 1), score = all("all_scores", scores, 2);
    const std::int64_t limit[] = {settings.limit};
    const std::int64_t one[] = {1};
    const auto number = [&](const char* name, double value) {
      const float values[] = {static_cast<float>(value)};
      return model_.floats(name, one, values);
    };
    const auto kept =
        model_.node("NonMaxSuppression",
                    {box, score, model_.integers("most", limit), number("overlap", settings.nms),
                     number("confidence", settings.confidence)},
                    {"kept"});  // [K, 3]: image, class, box
    const auto columns = [&](const char* name, std::vector<std::int64_t> which) {
      return model_.node("Gather", {kept, model_.integers(fmt::format("{}_columns", name), which)},
                         {name}, {{"axis", std::int64_t{1}}});
    };
    const std::int64_t axis[] = {1};
    const auto last = model_.integers("last_axis", axis);
    model_.node("GatherND", {box, columns("image_and_box", {0, 2})}, {"boxes"});
    model_.node("GatherND", {score, kept}, {"scores"});
    model_.node("Squeeze", {columns("class_column", {1}), last}, {"classes"});
    model_.node("Squeeze", {columns("image_column", {0}), last}, {"image"});
    model_.output("boxes", {"K", std::int64_t{4}});
    model_.output("scores", {"K"});
    model_.output("classes", {"K"}, Element::kInt64);
    model_.output("image", {"K"}, Element::kInt64);
  }

 private:
  /// Appends the boxes [N, A·h·w, 4] and scores [N, C, A·h·w] of one head.
  void add_head(int i, const std::string& logits, std::vector<std::string>& boxes,
                std::vector<std::string>& scores) {
    const Yolo& head = graph_.head(i);
    const Shape& grid = graph_.shape(i);
    const auto anchors = static_cast<std::int64_t>(head.mask.size());
    const std::int64_t cells = std::int64_t{grid.height} * grid.width, rows = anchors * cells;
    const auto part = [&](std::string_view what) {
      return fmt::format("{}/{}", graph_[i].name, what);
    };
    const auto node = [&](const char* op, const std::vector<std::string>& inputs, const char* name,
                          const std::vector<Attribute>& attributes = {}) {
      return model_.node(op, inputs, {part(name)}, attributes);
    };
    const auto reshaped = [&](const std::string& x, const char* name,
                              std::vector<std::int64_t> dims) {
      return node("Reshape", {x, model_.integers(part(fmt::format("{}_dims", name)), dims)}, name);
    };
    const auto list = [&](const char* name, std::vector<std::int64_t> dims,
                          const std::vector<float>& values) {
      return model_.floats(part(name), dims, values);
    };

    // [N, A·(5 + C), h, w] → [N, A·h·w, 5 + C], a row per prediction
    const auto planes = reshaped(logits, "planes", {0, anchors, 5 + head.classes, cells});
    const auto turned = node("Transpose", {planes}, "turned", {{"perm", Numbers{0, 1, 3, 2}}});
    const auto predictions = reshaped(turned, "predictions", {0, rows, 5 + head.classes});
    const std::int64_t sizes[] = {2, 2, 1, head.classes};
    model_.node("Split", {predictions, model_.integers(part("sizes"), sizes)},
                {part("t_centre"), part("t_size"), part("t_object"), part("t_class")},
                {{"axis", std::int64_t{2}}});

    // centre = (s·σ(t) − (s − 1)/2 + cell) · pixels per cell;  size = anchor · exp(t), or
    // anchor · 4σ(t)² with new_coords
    const float step_x = static_cast<float>(graph_.input.width) / static_cast<float>(grid.width),
                step_y = static_cast<float>(graph_.input.height) / static_cast<float>(grid.height);
    const float s = head.scale_x_y;
    std::vector<float> corners, shapes;
    for (const int anchor : head.mask)
      for (int y = 0; y < grid.height; ++y)
        for (int x = 0; x < grid.width; ++x) {
          corners.push_back((static_cast<float>(x) - (s - 1) / 2) * step_x);
          corners.push_back((static_cast<float>(y) - (s - 1) / 2) * step_y);
          const auto [w, h] = head.anchors[static_cast<std::size_t>(anchor)];
          const float half = head.new_coords ? 2.0F : 0.5F;
          shapes.insert(shapes.end(), {w * half, h * half});
        }
    const auto centre = node("Add",
                             {node("Mul",
                                   {node("Sigmoid", {part("t_centre")}, "in_cell"),
                                    list("step", {2}, {s * step_x, s * step_y})},
                                   "offset"),
                              list("corner", {1, rows, 2}, corners)},
                             "centre");
    const auto growth = [&] {
      if (!head.new_coords) return node("Exp", {part("t_size")}, "growth");
      const auto side = node("Sigmoid", {part("t_size")}, "side");
      return node("Mul", {side, side}, "growth");
    };
    const auto half = node("Mul", {growth(), list("anchor", {1, rows, 2}, shapes)}, "half");
    const auto raw =
        node("Concat",
             {node("Sub", {centre, half}, "top_left"), node("Add", {centre, half}, "bottom_right")},
             "raw_box", {{"axis", std::int64_t{2}}});
    const auto w = static_cast<float>(graph_.input.width),
               h = static_cast<float>(graph_.input.height);
    boxes.push_back(node("Min",
                         {node("Max", {raw, list("least", {1}, {0.0F})}, "above_least"),
                          list("most", {4}, {w, h, w, h})},
                         "box"));
    const auto score = node("Mul",
                            {node("Sigmoid", {part("t_object")}, "objectness"),
                             node("Sigmoid", {part("t_class")}, "class_probability")},
                            "score");
    scores.push_back(node("Transpose", {score}, "score_by_class", {{"perm", Numbers{0, 2, 1}}}));
  }

  Model& model_;
  const Graph& graph_;
};

}  // namespace detail

}  // namespace serpette::onnx
