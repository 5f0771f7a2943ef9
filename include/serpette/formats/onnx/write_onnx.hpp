#pragma once

/// @file
/// A network as an ONNX model.

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/formats/onnx/decode.hpp"
#include "serpette/formats/onnx/layers.hpp"
#include "serpette/formats/onnx/model.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/tensor.hpp"
#include "serpette/version.hpp"

namespace serpette {

struct OnnxOptions {
  std::int64_t batch = 0;  ///< Images at a time; 0: as many as are given, the dimension `N`.
  std::optional<onnx::Boxes> boxes = {};  ///< End in boxes, not in the heads' logits.
};

/// The bytes of an ONNX model (opset onnx::kOpset) of a network in evaluation mode.
///
/// Input `images` [N, C, H, W] float in [0, 1], letterboxed. Outputs `head_0`, `head_1`, … in the
/// cfg's order, the raw logits [N, A·(5 + C), h, w]; or the boxes (onnx::detail::BoxNodes). Values
/// bear the names of the layers. The cfg goes with the model, under the key `darknet_cfg`: it holds
/// what decoding needs.
/// @param network  offers `graph()` and `layer(i)`. Batch norm is written as it is;
///                 deploy::FoldedNetwork has none, and no silent filters.
/// @throws Error   if there is no head, or the model has 2 GiB.
template <class Network>
std::string write_onnx(const Network& network, const OnnxOptions& options = {}) {
  const Graph& graph = network.graph();
  const auto heads = graph.heads();
  require(!heads.empty(), "ONNX", "should be written of a network with a head, got none");
  std::vector<at::Tensor> kept_alive;
  const auto numbers_of = [&](int i) {
    const auto floats = [&](const at::Tensor& tensor) -> std::span<const float> {
      if (!tensor.defined()) return {};
      kept_alive.push_back(tensor.detach().to(at::kCPU, at::kFloat).contiguous());
      return {kept_alive.back().const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
    };
    const LayerParameters& p = network.layer(i);
    return onnx::ConvolutionNumbers{floats(p.weight),       floats(p.bias),
                                    floats(p.gamma),        floats(p.beta),
                                    floats(p.running_mean), floats(p.running_var)};
  };
  onnx::Model model;
  onnx::Dims::value_type batch = "N";
  if (options.batch > 0) batch = options.batch;
  const auto dims = [&](const Shape& s) {
    return onnx::Dims{batch, std::int64_t{s.channels}, std::int64_t{s.height},
                      std::int64_t{s.width}};
  };
  model.input(onnx::detail::LayerNodes::kImages, dims(graph.input));
  onnx::detail::LayerNodes layers(model, graph);
  for (int i = 0; i < graph.size(); ++i) layers.add(i, numbers_of);
  if (options.boxes) {
    onnx::detail::BoxNodes(model, graph).add([&](int i) { return layers.of(i); }, *options.boxes);
  } else {
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const auto name = fmt::format("head_{}", h);
      model.node("Identity", {layers.of(heads[h])}, {name});
      model.output(name, dims(graph.shape(heads[h])));
    }
  }
  model.note("darknet_cfg", write_cfg(graph));
  const auto version = fmt::format("{}.{}.{}", SERPETTE_VERSION_MAJOR, SERPETTE_VERSION_MINOR,
                                   SERPETTE_VERSION_PATCH);
  return std::move(model).bytes("darknet", version);
}

}  // namespace serpette
