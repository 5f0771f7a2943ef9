#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/compaction.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/torch/nn.hpp"

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
    const int filters = static_cast<int>(mask.size()) * (5 + classes);
    conv({.filters = filters, .activation = Activation::kLinear});
    return add(
        "yolo",
        Yolo{.anchors = {{6, 6}, {12, 12}, {9, 9}}, .mask = std::move(mask), .classes = classes},
        {last()}, last_shape());
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

/// conv + BN + leaky; conv + bias + leaky at stride 2; head convolution.
inline Graph tiny_graph(int classes = 2, Shape input = {3, 16, 16}) {
  return GraphBuilder(input)
      .conv({.filters = 8,
             .size = 3,
             .padding = 1,
             .batch_normalize = true,
             .activation = Activation::kLeaky})
      .conv({.filters = 8, .size = 3, .stride = 2, .padding = 1, .activation = Activation::kLeaky})
      .head(classes)
      .done();
}

/// A Detector of any graph, straight on autograd, float or double: the pipeline's test double and
/// the plain reading of what each kind of layer computes. Its loss is simple: every head answers
/// for every truth at the cell of the box's centre, with all its anchors.
class TinyDetector {
 public:
  explicit TinyDetector(Graph graph = tiny_graph(), Seed seed = Seed(0),
                        at::ScalarType type = at::kFloat)
      : graph_(std::move(graph)) {
    Generator rng(seed);
    const auto random = [&](at::IntArrayRef sizes) {
      return at::empty(sizes, type).normal_(0, 1, rng.torch());
    };
    for (const int i : graph_.convolutions()) {
      const auto shape = weight_shape(graph_, i);
      const auto fan_in = static_cast<double>(shape[1] * shape[2] * shape[3]);
      LayerParameters p;
      p.weight = random(shape) * std::sqrt(2 / fan_in);
      if (graph_[i].as<Convolutional>()->batch_normalize) {
        p.gamma = at::empty({shape[0]}, type).uniform_(0.5, 1.5, rng.torch());
        p.beta = random({shape[0]}) * 0.1;
        p.running_mean = random({shape[0]}) * 0.1;
        p.running_var = at::empty({shape[0]}, type).uniform_(0.5, 1.5, rng.torch());
      } else {
        p.bias = random({shape[0]}) * 0.1;
      }
      for (auto* t : {&p.weight, &p.bias, &p.gamma, &p.beta})
        if (t->defined()) t->set_requires_grad(true);
      layers_.push_back(std::move(p));
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }

  [[nodiscard]] LayerParameters layer(int index) const { return layers_[position(index)]; }

  std::vector<at::Tensor> forward(const at::Tensor& images) {
    return heads(activations(images, training_, false));
  }

  /// Output of every layer, for tests that look inside; evaluation mode.
  [[nodiscard]] std::vector<at::Tensor> activations(const at::Tensor& images) const {
    return activations(images, false, false);
  }

  [[nodiscard]] DetectionLoss loss(const std::vector<at::Tensor>& heads,
                                   const at::Tensor& truth) const {
    return loss(heads, truth, Aim::Goal::kTruth);
  }

  Objective objective(const at::Tensor& truth) {
    return [self = *this, truth](const at::Tensor& images, const Aim& aim) {
      const at::AutoGradMode on(true);
      const auto x = images.detach().clone().set_requires_grad(true);
      const auto l = self.loss(self.heads(self.activations(x, false, true)), truth, aim.goal);
      auto value = aim.box * l.box + aim.objectness * l.objectness + aim.classes * l.classes;
      if (aim.goal != Aim::Goal::kTruth) value = -value;
      const auto gradient = torch::autograd::grad({value.sum()}, {x})[0];
      return Ascent{value.detach(), gradient};
    };
  }

  [[nodiscard]] std::vector<at::Tensor> targets(const std::vector<at::Tensor>& heads,
                                                const at::Tensor& truth,
                                                Target target = Target::kDetection) const {
    std::vector<at::Tensor> seeds;
    for (const auto& head : heads) {
      auto seed = at::zeros_like(head);
      for (const auto& [n, c, y, x] : cells(head, truth)) {
        if (target == Target::kDetectionAndBox)
          for (int k = 0; k < 4; ++k) seed[n][k][y][x] = 1;
        seed[n][4][y][x] = 1;
        seed[n][5 + c][y][x] = 1;
      }
      seeds.push_back(seed);
    }
    return seeds;
  }

  [[nodiscard]] std::vector<std::vector<Detection>> detections(const std::vector<at::Tensor>& heads,
                                                               const ImageBatch& batch,
                                                               double confidence) const {
    std::vector<std::vector<Detection>> found(static_cast<std::size_t>(batch.size()));
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const auto& yolo = *graph_[graph_.heads()[h]].as<Yolo>();
      const int width = 5 + yolo.classes;
      const auto raw = heads[h].detach().to(at::kFloat).contiguous();
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
                const double cx = (x + sigmoid(at(0))) * graph_.input.width / double(raw.size(3));
                const double cy = (y + sigmoid(at(1))) * graph_.input.height / double(raw.size(2));
                const auto image = static_cast<std::size_t>(n);
                const Box box{cx - w / 2, cy - ht / 2, w, ht};
                found[image].push_back(
                    {batch.image_ids[image], c, score, batch.geometry[image].to_image(box)});
              }
    }
    return found;
  }

  [[nodiscard]] TinyDetector clone() const {
    TinyDetector copy = *this;
    for (auto& p : copy.layers_)
      for (auto* t : members(p))
        if (t->defined()) *t = t->detach().clone().set_requires_grad(t->requires_grad());
    return copy;
  }

  [[nodiscard]] TinyDetector compact(const Mask& mask) const {
    std::vector<std::vector<bool>> kept;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      std::vector<bool> filters(static_cast<std::size_t>(layers_[i].weight.size(0)), true);
      if (mask[i].filter.defined())
        for (std::size_t f = 0; f < filters.size(); ++f)
          filters[f] = mask[i].filter[static_cast<std::int64_t>(f)].item<bool>();
      kept.push_back(std::move(filters));
    }
    auto plan = plan_compaction(graph_, kept);
    TinyDetector small = clone();
    small.graph_ = std::move(plan.graph);
    for (std::size_t i = 0; i < plan.convolutions.size(); ++i) {
      const auto filters = at::tensor(plan.convolutions[i].filters, at::kLong);
      const auto inputs = at::tensor(plan.convolutions[i].inputs, at::kLong);
      for (auto* t : members(small.layers_[i]))
        if (t->defined()) {
          auto slice = t->detach().index_select(0, filters);
          if (t->dim() == 4) slice = slice.index_select(1, inputs);
          *t = slice.set_requires_grad(t->requires_grad());
        }
    }
    return small;
  }

  [[nodiscard]] TinyDetector frozen() const {
    auto copy = clone();
    copy.train(false);
    return copy;
  }

  void train(bool on) { training_ = on; }

  std::vector<at::Tensor> parameters() {
    std::vector<at::Tensor> found;
    for (auto& p : layers_)
      for (const auto& t : {p.weight, p.bias, p.gamma, p.beta})
        if (t.defined()) found.push_back(t);
    return found;
  }

 private:
  struct Cell {
    std::int64_t image, category, y, x;
  };

  static std::vector<at::Tensor*> members(LayerParameters& p) {
    return {&p.weight, &p.bias, &p.gamma, &p.beta, &p.running_mean, &p.running_var};
  }

  [[nodiscard]] std::size_t position(int index) const {
    const auto all = graph_.convolutions();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i] == index) return i;
    fail("tiny detector", "layer {} should be a convolution", index);
  }

  static at::Tensor activate(const at::Tensor& x, Activation activation) {
    switch (activation) {
      case Activation::kLeaky:
        return at::leaky_relu(x, kLeakySlope);
      case Activation::kRelu:
        return x.relu();
      case Activation::kLogistic:
        return x.sigmoid();
      case Activation::kLinear:
        return x;
    }
    return x;
  }

  [[nodiscard]] at::Tensor convolve(const at::Tensor& x, int index, bool training,
                                    bool frozen) const {
    const auto& conv = *graph_[index].as<Convolutional>();
    auto p = layers_[position(index)];
    if (frozen)
      for (auto* t : members(p))
        if (t->defined()) *t = t->detach();
    auto y = at::conv2d(x, p.weight, p.bias, conv.stride, conv.padding, 1, conv.groups);
    if (conv.batch_normalize)
      y = at::batch_norm(y, p.gamma, p.beta, p.running_mean, p.running_var, training, 0.1, 1e-5,
                         false);
    return activate(y, conv.activation);
  }

  [[nodiscard]] std::vector<at::Tensor> activations(const at::Tensor& images, bool training,
                                                    bool frozen) const {
    std::vector<at::Tensor> out;
    const auto of = [&](int i) { return i == kImage ? images : out[static_cast<std::size_t>(i)]; };
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& layer = graph_[i];
      const auto x = of(layer.inputs.front());
      if (layer.as<Convolutional>()) {
        out.push_back(convolve(x, i, training, frozen));
      } else if (const auto* shortcut = layer.as<Shortcut>()) {
        out.push_back(activate(x + of(layer.inputs[1]), shortcut->activation));
      } else if (const auto* route = layer.as<Route>()) {
        std::vector<at::Tensor> parts;
        for (const int input : layer.inputs) {
          const auto width = of(input).size(1) / route->groups;
          parts.push_back(of(input).narrow(1, route->group_id * width, width));
        }
        out.push_back(at::cat(parts, 1));
      } else if (const auto* up = layer.as<Upsample>()) {
        out.push_back(x.repeat_interleave(up->stride, 2).repeat_interleave(up->stride, 3));
      } else if (const auto* pool = layer.as<MaxPool>()) {
        const int before = pool->padding / 2, after = pool->padding - before;
        const auto padded = at::constant_pad_nd(x, {before, after, before, after}, -INFINITY);
        out.push_back(at::max_pool2d(padded, pool->size, pool->stride));
      } else {
        out.push_back(x);
      }
    }
    return out;
  }

  [[nodiscard]] std::vector<at::Tensor> heads(const std::vector<at::Tensor>& out) const {
    std::vector<at::Tensor> found;
    for (const int i : graph_.heads()) found.push_back(out[static_cast<std::size_t>(i)]);
    return found;
  }

  static std::vector<Cell> cells(const at::Tensor& head, const at::Tensor& truth) {
    std::vector<Cell> found;
    for (std::int64_t m = 0; m < truth.size(0); ++m) {
      const auto value = [&](int k) { return truth[m][k].item<double>(); };
      const auto cell = [](double centre, std::int64_t cells) {
        return std::min<std::int64_t>(
            static_cast<std::int64_t>(centre * static_cast<double>(cells)), cells - 1);
      };
      found.push_back({static_cast<std::int64_t>(value(0)), static_cast<std::int64_t>(value(1)),
                       cell(value(3), head.size(2)), cell(value(2), head.size(3))});
    }
    return found;
  }

  [[nodiscard]] DetectionLoss loss(const std::vector<at::Tensor>& heads, const at::Tensor& truth,
                                   Aim::Goal goal) const {
    const auto n = heads.front().size(0);
    auto zero = at::zeros({n}, heads.front().options().requires_grad(false));
    DetectionLoss total{zero, zero, zero};
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const auto& yolo = *graph_[graph_.heads()[h]].as<Yolo>();
      const auto anchors = static_cast<std::int64_t>(yolo.mask.size());
      // [N, A, 5 + C, H, W]
      const auto p =
          heads[h].view({n, anchors, 5 + yolo.classes, heads[h].size(2), heads[h].size(3)});
      const auto options = heads[h].options().requires_grad(false);
      auto object = at::zeros({n, anchors, p.size(3), p.size(4)}, options);
      auto category = at::zeros({n, anchors, yolo.classes, p.size(3), p.size(4)}, options);
      auto place = at::zeros({n, anchors, 4, p.size(3), p.size(4)}, options);
      const auto where = cells(heads[h], truth);
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
          place[image][a][2][y][x] =
              std::log(row[4].item<double>() * graph_.input.width / anchor[0]);
          place[image][a][3][y][x] =
              std::log(row[5].item<double>() * graph_.input.height / anchor[1]);
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

  Graph graph_;
  std::vector<LayerParameters> layers_;  // in the order of graph_.convolutions()
  bool training_ = false;
};

static_assert(Detector<TinyDetector>);

/// `count` random images with one box each.
inline ImageBatch tiny_batch(const Graph& graph, int count = 2, Seed seed = Seed(1),
                             at::ScalarType type = at::kFloat) {
  Generator rng(seed);
  ImageBatch batch;
  batch.images = at::empty({count, 3, graph.input.height, graph.input.width}, type)
                     .uniform_(0, 1, rng.torch());
  batch.truth = at::empty({count, 6});
  for (int n = 0; n < count; ++n) {
    const double w = rng.uniform(0.2, 0.6), h = rng.uniform(0.2, 0.6);
    const double row[] = {double(n),
                          double(rng.below(static_cast<std::uint64_t>(graph.classes()))),
                          rng.uniform(w / 2, 1 - w / 2),
                          rng.uniform(h / 2, 1 - h / 2),
                          w,
                          h};
    for (int k = 0; k < 6; ++k) batch.truth[n][k] = row[k];
    batch.image_ids.push_back(n);
    batch.geometry.push_back(Letterbox::fit(graph.input.width, graph.input.height,
                                            graph.input.width, graph.input.height));
  }
  return batch;
}

}  // namespace serpette::test
