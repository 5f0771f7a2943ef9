#pragma once

#include <string>
#include <utility>
#include <vector>

#include "serpette/graph/graph.hpp"

namespace serpette::test {

/// Builds small graphs by hand: `GraphBuilder({3, 16, 16}).conv({.filters = 8, …}).head(2).done()`.
class GraphBuilder {
 public:
  explicit GraphBuilder(Shape input) { graph_.input = input; }

  GraphBuilder& conv(Convolutional c) {
    const Shape in = last_shape();
    return add("conv", c, {last()},
               {c.filters, (in.height + 2 * c.padding - c.size) / c.stride + 1,
                (in.width + 2 * c.padding - c.size) / c.stride + 1});
  }
  GraphBuilder& shortcut(int from, Activation activation = Activation::kLinear) {
    return add("shortcut", Shortcut{activation}, {last(), from}, last_shape());
  }
  GraphBuilder& route(std::vector<int> from, int groups = 1, int group_id = 0) {
    Shape out = graph_.shape(from.front());
    out.channels = 0;
    for (const int i : from) out.channels += graph_.shape(i).channels / groups;
    return add("route", Route{groups, group_id}, std::move(from), out);
  }
  GraphBuilder& upsample(int stride = 2) {
    const Shape in = last_shape();
    return add("upsample", Upsample{stride}, {last()},
               {in.channels, in.height * stride, in.width * stride});
  }
  GraphBuilder& max_pool(MaxPool p) {
    const Shape in = last_shape();
    return add("maxpool", p, {last()},
               {in.channels, (in.height + p.padding - p.size) / p.stride + 1,
                (in.width + p.padding - p.size) / p.stride + 1});
  }
  /// A 1×1 convolution to A·(5 + classes) channels with bias, and the head that reads it.
  GraphBuilder& head(int classes, std::vector<int> mask = {0}) {
    return head(
        {.anchors = {{6, 6}, {12, 12}, {9, 9}}, .mask = std::move(mask), .classes = classes});
  }
  GraphBuilder& head(Yolo yolo) {
    const int filters = static_cast<int>(yolo.mask.size()) * (5 + yolo.classes);
    conv({.filters = filters, .activation = Activation::kLinear});
    return add("yolo", std::move(yolo), {last()}, last_shape());
  }
  [[nodiscard]] Graph done() const { return graph_; }

 private:
  [[nodiscard]] int last() const { return graph_.size() - 1; }
  [[nodiscard]] Shape last_shape() const { return graph_.shape(last()); }
  GraphBuilder& add(const std::string& kind, Operation operation, std::vector<int> inputs,
                    Shape output) {
    graph_.layers.push_back({kind + "_" + std::to_string(graph_.size()), std::move(operation),
                             std::move(inputs), output});
    return *this;
  }

  Graph graph_;
};

}  // namespace serpette::test
