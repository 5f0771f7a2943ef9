#pragma once

/// @file
/// Darknet's .weights files into tensors and back.

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/formats/darknet/weights_file.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/mapped_file.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// Fills a network from a weights file.
/// @param network  offers `graph()` and `layer(i)`.
/// @param cutoff   only layers below this index are read and the rest of the file is not looked at
///                 (darknet's partial files); nullopt: the whole network.
/// @throws Error   as parse_weights; the network is then untouched.
template <class Network>
WeightsHeader load_weights(Network& network, const std::filesystem::path& path,
                           std::optional<int> cutoff = {}) {
  const auto parallel = [](std::int64_t count, const auto& f) { at::parallel_for(0, count, 1, f); };
  const MappedFile file(path);
  const auto found = parse_weights(file.bytes(), network.graph(), path.string(), cutoff, parallel);
  struct Piece {
    const std::byte* from;
    void* to;
    std::size_t size;
  };
  constexpr std::size_t kPiece = 1 << 20;
  std::vector<Piece> pieces;  // of tensors that lie as the file does
  for (const auto& block : found.blocks) {
    const std::byte* from = file.bytes().data() + block.offset;
    for (const auto& parameter : tensors(network.layer(block.layer))) {
      auto target = parameter.detach();
      const auto size = static_cast<std::size_t>(target.numel()) * sizeof(float);
      if (target.is_cpu() && target.scalar_type() == at::kFloat && target.is_contiguous()) {
        auto* to = static_cast<std::byte*>(target.mutable_data_ptr());
        for (std::size_t at = 0; at < size; at += kPiece)
          pieces.push_back({from + at, to + at, std::min(kPiece, size - at)});
      } else {  // shapes are the file's own; from_blob only reads
        target.copy_(at::from_blob(const_cast<std::byte*>(from), target.sizes(), at::kFloat));
      }
      from += size;
    }
  }
  parallel(std::ssize(pieces), [&](std::int64_t begin, std::int64_t end) {
    for (const Piece& piece : std::span(pieces).subspan(static_cast<std::size_t>(begin),
                                                        static_cast<std::size_t>(end - begin)))
      std::memcpy(piece.to, piece.from, piece.size);
  });
  return found.header;
}

/// The bytes of a weights file that darknet, OpenCV and ONNX converters read.
/// @param header   its version decides between the 16-byte and the 20-byte form. The revision of a
///                 whole network becomes its structure's mark.
/// @param cutoff   only layers below this index.
template <class Network>
std::string write_weights(const Network& network, WeightsHeader header = {},
                          std::optional<int> cutoff = {}) {
  const Graph& graph = network.graph();
  if (!cutoff) header.revision = structure_mark(graph);
  std::string bytes = write_header(header);
  bytes.reserve(bytes.size() + static_cast<std::size_t>(parameters(graph)) * sizeof(float));
  for (const int i : graph.convolutions()) {
    if (cutoff && i >= *cutoff) break;
    for (const auto& tensor : tensors(network.layer(i))) {
      const auto flat = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
      bytes.append(static_cast<const char*>(flat.const_data_ptr()), flat.nbytes());
    }
  }
  return bytes;
}

/// Writes a weights file, atomically.
template <class Network>
void save_weights(const Network& network, const std::filesystem::path& path,
                  const WeightsHeader& header = {}, std::optional<int> cutoff = {}) {
  write_file(path, write_weights(network, header, cutoff));
}

/// Writes cfg and weights so that a kill, a full disk or a power cut leaves the old pair, the new
/// one, or in the instant between two renames weights that `load_weights` refuses beside the old
/// cfg: both files are complete on disk before either gets its name, the weights first.
template <class Network>
void save_network(const Network& network, const std::filesystem::path& cfg,
                  const std::filesystem::path& weights, const WeightsHeader& header = {}) {
  StagedFile text(cfg, write_cfg(network.graph()));
  StagedFile numbers(weights, write_weights(network, header));
  numbers.commit();
  text.commit();
}

}  // namespace serpette
