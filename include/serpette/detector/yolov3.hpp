#pragma once

#include <range/v3/view/zip.hpp>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/peers.hpp"
#include "serpette/core/precision.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/detector/decode.hpp"
#include "serpette/detector/loss.hpp"
#include "serpette/detector/yolo_victim.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/formats/darknet/weights.hpp"
#include "serpette/graph/compact.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/graph/convolve.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/graph/mask.hpp"
#include "serpette/nn/batch_norm.hpp"
#include "serpette/nn/frozen.hpp"
#include "serpette/nn/synchronised_batch_norm.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// A darknet graph as a LibTorch module: one set of parameters per convolution, named
/// `conv_7_weight` and so on.
class DarknetModule : public torch::nn::Module {
 public:
  double momentum = 0.1;  ///< Of the running statistics:  r ← (1 − momentum)·r + momentum·batch.
  Precision precision = Precision::kFloat32;
  Peers peers;             ///< Whose batches the batch norm statistics of training are taken over.
  OutputHook output_hook;  ///< Sees the output of every convolution; may be empty.
  int first_moved = 0;     ///< Layers below it compute as in evaluation, and get no gradient.

  /// Fresh weights, normal with variance 2 / fan_in (He et al. 2015); γ = 1, β = 0; the objectness
  /// of a head starts at a probability of 1 %, since nearly every prediction is background. Without
  /// a seed the weights are left unset, for callers that fill them.
  DarknetModule(Graph graph, std::optional<Seed> seed)
      : graph_(std::move(graph)), layers_(graph_.layers.size()) {
    Generator random(seed.value_or(Seed{}).derive("weights"));
    for (const int i : graph_.convolutions()) {
      const auto shape = weight_shape(graph_, i);
      const auto filters = shape[0];
      const double deviation = std::sqrt(2.0 / static_cast<double>(shape[1] * shape[2] * shape[3]));
      auto& p = layers_[static_cast<std::size_t>(i)];
      p.weight = seed ? at::empty(shape).normal_(0, deviation, random.torch()) : at::empty(shape);
      if (graph_.convolution(i).batch_normalize) {
        p.gamma = at::ones({filters});
        p.beta = at::zeros({filters});
        p.running_mean = at::zeros({filters});
        p.running_var = at::ones({filters});
      } else {
        p.bias = at::zeros({filters});
      }
      for (const auto& [part, member, is_trained] : kLayerTensors) {
        auto& tensor = p.*member;
        if (!tensor.defined()) continue;
        const auto name = fmt::format("{}_{}", graph_[i].name, part);
        tensor = is_trained ? register_parameter(name, tensor) : register_buffer(name, tensor);
      }
    }
    const torch::NoGradGuard no_grad;
    for (const int i : graph_.heads()) {
      const int source = graph_[i].inputs.front();
      const auto bias =
          source == kImage ? at::Tensor() : layers_[static_cast<std::size_t>(source)].bias;
      if (bias.defined())
        bias.view({-1, 5 + graph_.head(i).classes}).select(1, 4).fill_(std::log(0.01 / 0.99));
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const LayerParameters& layer(int index) const {
    return layers_[static_cast<std::size_t>(index)];
  }

  /// The heads' raw logits. Batch norm by `is_training()`.
  std::vector<at::Tensor> forward(const at::Tensor& images) {
    require_images(graph_, images);
    const auto type = precision == Precision::kBFloat16 ? at::kBFloat16 : images.scalar_type();
    const auto x = images.to(type).contiguous(at::MemoryFormat::ChannelsLast);
    auto heads = run_graph(graph_, x, [&](int i, const at::Tensor& in) {
      auto y = convolve(i, in);
      return output_hook ? output_hook(i, y) : y;
    });
    for (auto& head : heads) head = head.to(images.scalar_type());
    return heads;
  }

 private:
  [[nodiscard]] at::Tensor convolve(int i, const at::Tensor& in) {
    const bool is_trained = i >= first_moved;
    const auto p = is_trained ? layer(i) : detached(layer(i));
    const auto& c = graph_.convolution(i);
    // One copy to the layout and type that the convolution reads, where it has another.
    const auto cast = [&](const at::Tensor& tensor) {
      return tensor.dim() == 4
                 ? tensor.to(in.scalar_type(), false, false, at::MemoryFormat::ChannelsLast)
                 : tensor.to(in.scalar_type());
    };
    auto y = serpette::convolve(in, cast(p.weight), p.bias.defined() ? cast(p.bias) : p.bias, c);
    if (p.gamma.defined() && is_training() && is_trained && !peers.alone())
      y = synchronised_batch_norm(y, p, momentum, kBatchNormEpsilon, peers);
    else if (p.gamma.defined())
      return normalise_and_activate(y, p, c.activation, is_training() && is_trained, momentum);
    return detail::activate_(y, c.activation);
  }

  static LayerParameters detached(LayerParameters p) {
    for (const auto& [part, member, is_trained] : kLayerTensors)
      if ((p.*member).defined()) p.*member = (p.*member).detach();
    return p;
  }

  Graph graph_;
  std::vector<LayerParameters> layers_;  // by graph index; empty but for convolutions
};

/// YOLOv3, YOLOv3-SPP, YOLOv3-tiny or any network of their layers: our Detector. A handle, as
/// LibTorch's modules are: copies share the tensors, `clone()` does not. Starts in evaluation mode.
class Yolov3 {
 public:
  /// A network with fresh weights.
  /// @throws Error  if the graph has no detection head, or heads of different class counts.
  explicit Yolov3(Graph graph, Seed seed = Seed{})
      : Yolov3(std::move(graph), std::optional(seed)) {}

  /// Reads cfg and weights. A name ending in `.conv.N` is darknet's partial file: layers below N
  /// are read, the others stay fresh.
  /// @throws Error  as load_cfg and load_weights.
  static Yolov3 load(const std::filesystem::path& cfg, const std::filesystem::path& weights,
                     Seed seed = Seed{}) {
    const auto cutoff = partial_cutoff(weights);
    Yolov3 network(load_cfg(cfg), cutoff ? std::optional(seed) : std::nullopt);
    network.header_ = load_weights(network, weights, cutoff);
    return network;
  }

  /// Writes cfg and weights, lossless in float. A kill leaves the old pair, the new one, or one
  /// that `load` refuses (save_network).
  void save(const std::filesystem::path& cfg, const std::filesystem::path& weights) const {
    save_network(*this, cfg, weights, header_);
  }

  [[nodiscard]] const Graph& graph() const { return module_->graph(); }

  /// Handles to the tensors of the convolution at graph index `i`; writing through them changes the
  /// network.
  [[nodiscard]] LayerParameters layer(int i) const {
    require(i >= 0 && i < graph().size() && graph()[i].as<Convolutional>(), "layer",
            "should be a convolution's graph index, got {}", i);
    return module_->layer(i);
  }

  /// Raw logits of every head [N, A·(5 + C), h, w] float, in any memory format, from images [N, 3,
  /// H, W].
  std::vector<at::Tensor> forward(const at::Tensor& images) const {
    return module_->forward(images);
  }

  /// The network as it evaluates now, folded and fused: `forward` of the result is the fast way to
  /// infer.
  [[nodiscard]] FrozenNetwork frozen() const {
    return FrozenNetwork(*this, module_->output_hook, module_->precision);
  }

  /// Training loss (YoloLoss); truth as in ImageBatch.
  [[nodiscard]] DetectionLoss loss(const std::vector<at::Tensor>& heads,
                                   const at::Tensor& truth) const {
    return (*loss_)(heads, loss_->assign(heads, truth));
  }

  /// The network frozen now, as an attack sees it (YoloVictim); cost of a call: one forward and one
  /// backward pass without weight gradients, of its loss alone one forward pass.
  [[nodiscard]] Victim victim(const at::Tensor& truth) const {
    return as_victim(
        YoloVictim(std::make_shared<const FrozenNetwork>(frozen()), loss_, truth.to(device())));
  }

  /// ∂t/∂logits of the attribution target: 1 at the target's logits of every positive prediction,
  /// else 0; of the loss, its gradient.
  [[nodiscard]] std::vector<at::Tensor> targets(const std::vector<at::Tensor>& heads,
                                                const at::Tensor& truth,
                                                Target target = Target::kDetection) const {
    const auto assignment = loss_->assign(heads, truth);
    return target == Target::kLoss ? loss_->gradients(heads, assignment)
                                   : loss_->targets(heads, assignment, target);
  }

  /// Boxes above `confidence` after class-wise NMS at 0.45, the best 100 per image.
  [[nodiscard]] std::vector<std::vector<Detection>> detections(const std::vector<at::Tensor>& heads,
                                                               const ImageBatch& batch,
                                                               double confidence) const {
    return decode(graph(), heads, batch, {.confidence = confidence});
  }

  [[nodiscard]] Yolov3 clone() const { return copy(graph(), nullptr); }

  /// The smaller network without the filters the mask removes, or lets nobody read; it computes
  /// what the masked network computes.
  /// @throws Error  if the mask does not fit the network.
  [[nodiscard]] Yolov3 compact(const Mask& mask) const {
    const auto plan = plan_compaction(graph(), mask);
    return copy(plan.graph, &plan);
  }

  void train(bool on) { module_->train(on); }
  [[nodiscard]] std::vector<at::Tensor> parameters() const { return module_->parameters(); }

  [[nodiscard]] at::Device device() const {
    return module_->layer(graph().convolutions().front()).weight.device();
  }
  void to(at::Device device) { module_->to(device); }

  [[nodiscard]] double momentum() const { return module_->momentum; }
  void set_momentum(double momentum) { module_->momentum = momentum; }
  void set_output_hook(OutputHook hook) { module_->output_hook = std::move(hook); }

  /// Number format of the convolutions from now on, of victims and frozen networks too. Copies of
  /// the network keep it.
  [[nodiscard]] Precision precision() const { return module_->precision; }
  void set_precision(Precision precision) { module_->precision = precision; }

  /// Keeps the first `layers` layers of the graph as they are, statistics of batch norm included:
  /// training moves the others. Copies of the network keep them too.
  /// @throws Error  if that is no number of layers that leaves a convolution to move.
  void freeze(int layers) {
    require(layers >= 0 && layers <= graph().convolutions().back(), "--freeze",
            "should be from 0 to {} layers, got {}", graph().convolutions().back(), layers);
    module_->first_moved = layers;
  }

  /// The processes that train this network together: batch norm statistics are taken over all, and
  /// `train` sums their gradients. Copies of the network keep them.
  void set_peers(Peers peers) { module_->peers = std::move(peers); }
  [[nodiscard]] const Peers& peers() const { return module_->peers; }

  /// The weights file's header; `seen` counts training images and goes with `save`.
  [[nodiscard]] const WeightsHeader& header() const { return header_; }
  void set_header(const WeightsHeader& header) { header_ = header; }

 private:
  Yolov3(Graph graph, std::optional<Seed> seed)
      : loss_(std::make_shared<YoloLoss>(graph)),
        module_(std::make_shared<DarknetModule>(std::move(graph), seed)) {
    for (const int i : this->graph().heads())
      require(this->graph().head(i).classes == this->graph().classes(), this->graph()[i].name,
              "classes should be {} as in the first head, got {}", this->graph().classes(),
              this->graph().head(i).classes);
    module_->eval();
  }

  /// A network of `graph` with this one's tensors, or the slices of them that a plan keeps.
  [[nodiscard]] Yolov3 copy(Graph graph, const Compaction* plan) const {
    Yolov3 result(std::move(graph), std::nullopt);
    result.to(device());
    result.header_ = header_;
    result.module_->momentum = module_->momentum;
    result.module_->precision = module_->precision;
    result.module_->peers = module_->peers;
    result.module_->first_moved =
        plan ? static_cast<int>(std::ranges::lower_bound(plan->layers, module_->first_moved) -
                                plan->layers.begin())
             : module_->first_moved;
    result.train(module_->is_training());
    const torch::NoGradGuard no_grad;
    const auto convolutions = this->graph().convolutions();
    const auto copies = result.graph().convolutions();
    const auto sources = plan ? plan->sources(this->graph()) : std::vector<std::size_t>();
    for (std::size_t k = 0; k < copies.size(); ++k) {
      const auto& all = module_->layer(convolutions[plan ? sources[k] : k]);
      const auto from = tensors(plan ? sliced(all, plan->convolutions[k]) : all);
      const auto to = tensors(result.module_->layer(copies[k]));
      for (auto&& [copy, original] : ranges::views::zip(to, from)) copy.copy_(original);
    }
    return result;
  }

  WeightsHeader header_;
  std::shared_ptr<const YoloLoss> loss_;
  std::shared_ptr<DarknetModule> module_;
};

static_assert(Detector<Yolov3>);

}  // namespace serpette
