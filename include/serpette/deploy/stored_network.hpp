#pragma once

/// @internal Tensors in plan files.

#include <ATen/ops/from_blob.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include "serpette/deploy/plan_archive.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// @param tensor  float, on the CPU.
inline void write_tensor(const at::Tensor& tensor, PlanWriter& to) {
  const auto flat = tensor.contiguous();
  to.array(std::span(flat.const_data_ptr<float>(), static_cast<std::size_t>(flat.numel())));
}

/// A tensor of these sizes over the file's memory: not to be written to.
inline at::Tensor read_tensor(at::IntArrayRef sizes, PlanReader& from) {
  const auto count =
      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  const auto stored = from.array<float>(static_cast<std::size_t>(count));
  return at::from_blob(const_cast<float*>(stored.data()), sizes, [stored](void*) {}, at::kFloat);
}

/// A folded network whose weights and biases lie in a plan file.
class StoredNetwork {
 public:
  StoredNetwork(const Graph& graph, PlanReader& from)
      : graph_(graph), layers_(graph.layers.size()) {
    for (const int i : graph.convolutions()) {
      auto& p = layers_[static_cast<std::size_t>(i)];
      p.weight = read_tensor(weight_shape(graph, i), from);
      p.bias = read_tensor({graph.convolution(i).filters}, from);
    }
  }
  /// Writes what the constructor reads.
  /// @param network  offers `graph()` and `layer(i)` with weight and bias.
  template <class Network>
  static void write(const Network& network, PlanWriter& to) {
    for (const int i : network.graph().convolutions()) {
      const LayerParameters p = network.layer(i);
      write_tensor(p.weight, to);
      write_tensor(p.bias, to);
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const LayerParameters& layer(int i) const {
    return layers_[static_cast<std::size_t>(i)];
  }

 private:
  const Graph& graph_;
  std::vector<LayerParameters> layers_;  // by graph index
};

}  // namespace serpette::deploy
