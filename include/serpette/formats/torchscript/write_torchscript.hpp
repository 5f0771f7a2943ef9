#pragma once

/// @file
/// A network as a TorchScript file, which Python opens by torch.jit.load and C++ by
/// torch::jit::load.

#include <fmt/format.h>

#include <sstream>
#include <string>

#include "serpette/core/contract.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/formats/torchscript/source.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// The bytes of a TorchScript module of a network in evaluation mode: forward(images [N, C, H, W]
/// float in [0, 1], letterboxed) gives the heads' raw logits [N, A·(5 + C), h, w] as a list, in the
/// cfg's order. The cfg goes with it, as the extra file `darknet_cfg`.
/// @param network  offers `graph()` and `layer(i)`. Batch norm is written as it is;
///                 deploy::FoldedNetwork has none, and no silent filters.
/// @throws Error   if there is no head.
template <class Network>
std::string write_torchscript(const Network& network) {
  const Graph& graph = network.graph();
  require(!graph.heads().empty(), "TorchScript",
          "should be written of a network with a head, got none");
  const torch::NoGradGuard no_grad;
  torch::jit::Module module("Darknet");
  for (const int i : graph.convolutions()) {
    const LayerParameters& p = network.layer(i);
    for (const auto& [part, member, is_trained] : kLayerTensors) {
      if (!(p.*member).defined()) continue;
      const auto tensor = (p.*member).detach().to(at::kCPU, at::kFloat).contiguous();
      const auto name = fmt::format("{}_{}", graph[i].name, part);
      if (is_trained)
        module.register_parameter(name, tensor, false);
      else
        module.register_buffer(name, tensor);
    }
  }
  module.define(detail::TorchScriptSource(graph).text());
  module.eval();
  std::ostringstream bytes;
  module.save(bytes, {{"darknet_cfg", write_cfg(graph)}});
  return std::move(bytes).str();
}

}  // namespace serpette
