#pragma once

#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/core/truth.hpp"
#include "serpette/detector/yolo_victim.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/formats/darknet/weights.hpp"
#include "serpette/graph/compact.hpp"
#include "serpette/io/atomic_file.hpp"
#include "support/plain_network.hpp"
#include "support/small_graphs.hpp"
#include "support/tiny_heads.hpp"

namespace serpette::test {

/// A Detector of any graph, straight on autograd, float or double: the pipeline's test double.
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
      if (graph_.convolution(i).batch_normalize) {
        p.gamma = at::empty({shape[0]}, type).uniform_(0.5, 1.5, rng.torch());
        p.beta = random({shape[0]}) * 0.1;
        p.running_mean = random({shape[0]}) * 0.1;
        p.running_var = at::empty({shape[0]}, type).uniform_(0.5, 1.5, rng.torch());
      } else {
        p.bias = random({shape[0]}) * 0.1;
      }
      for (const auto& [name, member, is_trained] : kLayerTensors)
        if ((p.*member).defined()) (p.*member).set_requires_grad(is_trained);
      layers_.push_back(std::move(p));
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }

  [[nodiscard]] LayerParameters layer(int index) const { return layers_[position(index)]; }

  std::vector<at::Tensor> forward(const at::Tensor& images) {
    return heads_of(graph_, plain_outputs(graph_, layers_, images, training_, momentum_, hook_));
  }

  /// Output of every layer, for tests that look inside; evaluation mode.
  [[nodiscard]] std::vector<at::Tensor> activations(const at::Tensor& images) const {
    return plain_outputs(graph_, layers_, images);
  }

  [[nodiscard]] DetectionLoss loss(const std::vector<at::Tensor>& heads,
                                   const at::Tensor& truth) const {
    return tiny_loss(graph_, heads, truth);
  }

  Victim victim(const at::Tensor& truth) {
    auto constant = layers_;
    for (auto& p : constant)
      for (const auto& part : kLayerTensors)
        if (auto& t = p.*part.member; t.defined()) t = t.detach();
    return as_victim(Attacked{graph_, std::move(constant), hook_, truth});
  }

  [[nodiscard]] std::vector<at::Tensor> targets(const std::vector<at::Tensor>& heads,
                                                const at::Tensor& truth,
                                                Target target = Target::kDetection) const {
    return tiny_targets(graph_, heads, truth, target);
  }

  [[nodiscard]] std::vector<std::vector<Detection>> detections(const std::vector<at::Tensor>& heads,
                                                               const ImageBatch& batch,
                                                               double confidence) const {
    return tiny_detections(graph_, heads, batch, confidence);
  }

  [[nodiscard]] TinyDetector clone() const {
    TinyDetector copy = *this;
    copy.hook_ = {};
    for (auto& p : copy.layers_) p = own(p);
    return copy;
  }

  [[nodiscard]] TinyDetector compact(const Mask& mask) const {
    auto plan = plan_compaction(graph_, mask);
    TinyDetector small = *this;
    small.layers_.clear();
    const auto sources = plan.sources(graph_);
    for (std::size_t i = 0; i < sources.size(); ++i)
      small.layers_.push_back(own(sliced(layers_[sources[i]], plan.convolutions[i])));
    small.graph_ = std::move(plan.graph);
    return small;
  }

  [[nodiscard]] TinyDetector frozen() const {
    auto copy = clone();
    copy.train(false);
    copy.hook_ = hook_;
    return copy;
  }

  void train(bool on) { training_ = on; }
  [[nodiscard]] double momentum() const { return momentum_; }
  void set_momentum(double momentum) { momentum_ = momentum; }
  void set_output_hook(OutputHook hook) { hook_ = std::move(hook); }

  /// Darknet's files: floats.
  void save(const std::filesystem::path& cfg, const std::filesystem::path& weights) const {
    write_file(cfg, write_cfg(graph_));
    save_weights(*this, weights, {});
  }
  static TinyDetector load(const std::filesystem::path& cfg, const std::filesystem::path& weights) {
    TinyDetector detector(load_cfg(cfg));
    load_weights(detector, weights);
    return detector;
  }

  void to(at::Device device) {
    for (auto& p : layers_)
      for (const auto& part : kLayerTensors)
        if (auto& t = p.*part.member; t.defined())
          t = t.detach().to(device).set_requires_grad(t.requires_grad());
  }

  std::vector<at::Tensor> parameters() {
    std::vector<at::Tensor> found;
    for (const auto& p : layers_)
      for (const auto& [name, member, is_trained] : kLayerTensors)
        if (is_trained && (p.*member).defined()) found.push_back(p.*member);
    return found;
  }

 private:
  /// Copies, trained as the originals are.
  static LayerParameters own(LayerParameters p) {
    for (const auto& part : kLayerTensors)
      if (auto& t = p.*part.member; t.defined())
        t = t.detach().clone().set_requires_grad(t.requires_grad());
    return p;
  }

  /// What an attack sees.
  struct Attacked {
    Graph graph;
    std::vector<LayerParameters> layers;
    OutputHook hook;
    at::Tensor truth, clean{}, own{};

    [[nodiscard]] std::vector<at::Tensor> heads(const at::Tensor& x) const {
      return heads_of(graph, plain_outputs(graph, layers, x, false, 0, hook));
    }
    [[nodiscard]] at::Tensor value(const at::Tensor& x, const Aim& aim) const {
      const auto l = tiny_loss(graph, heads(x), aim.own ? own : truth, aim.goal);
      const auto sum = aim.box * l.box + aim.objectness * l.objectness + aim.classes * l.classes;
      return aim.goal == Aim::Goal::kTruth ? sum : -sum;
    }
    [[nodiscard]] Attacked facing(const at::Tensor& images, const Aim& aim) const {
      auto faced = *this;
      if (!aim.own) return faced;
      const auto n = static_cast<std::size_t>(images.size(0));
      const auto canvas = Letterbox::fit(graph.input.width, graph.input.height, graph.input.width,
                                         graph.input.height);
      const ImageBatch batch{
          images, {}, std::vector<std::int64_t>(n), std::vector<Letterbox>(n, canvas)};
      faced.clean = images;
      faced.own = as_truth(tiny_detections(graph, heads(images), batch, 0.2), graph.input.width,
                           graph.input.height);
      return faced;
    }
    [[nodiscard]] Attacked only(const at::Tensor& rows) const {
      auto some = *this;
      some.truth = truth_of_images(truth, rows);
      if (own.defined()) some.own = truth_of_images(own, rows);
      return some;
    }
  };

  [[nodiscard]] std::size_t position(int index) const {
    const auto all = graph_.convolutions();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i] == index) return i;
    fail("tiny detector", "layer {} should be a convolution", index);
  }

  Graph graph_;
  std::vector<LayerParameters> layers_;  // in the order of graph_.convolutions()
  bool training_ = false;
  double momentum_ = 0.1;
  OutputHook hook_;
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
