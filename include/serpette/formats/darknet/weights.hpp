#pragma once

/// @file
/// Darknet's .weights files: a header, then per convolution bias or (β, γ, mean, variance), then
/// the weight, as little-endian floats in the order of the cfg.

#include <ATen/ops/aminmax.h>
#include <ATen/ops/from_blob.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

static_assert(std::endian::native == std::endian::little,
              "darknet's weights are little-endian; so must the host be");

/// The head of a weights file. From version 0.2 on `seen` takes 8 bytes, before it 4.
struct WeightsHeader {
  std::int32_t major = 0, minor = 2, revision = 0;
  std::uint64_t seen = 0;  ///< Images the network was trained on so far.

  [[nodiscard]] bool wide() const {
    return major < 1000 && minor < 1000 && std::int64_t{major} * 10 + minor >= 2;
  }
  friend bool operator==(const WeightsHeader&, const WeightsHeader&) = default;
};

/// Layers below which a file of that name holds weights, by darknet's habit: 74 for
/// "darknet53.conv.74"; nullopt for any other name.
inline std::optional<int> partial_cutoff(const std::filesystem::path& path) {
  const auto name = path.filename().string();
  const auto mark = name.rfind(".conv.");
  if (mark == std::string::npos) return std::nullopt;
  int cutoff = 0;
  const auto [end, code] =
      std::from_chars(name.data() + mark + 6, name.data() + name.size(), cutoff);
  return code == std::errc{} && end == name.data() + name.size() && cutoff > 0
             ? std::optional(cutoff)
             : std::nullopt;
}

namespace detail {

/// Least and greatest value; NaN if there is one.
inline std::pair<float, float> range_of(const at::Tensor& tensor) {
  const auto [least, most] = at::aminmax(tensor);
  return {least.item<float>(), most.item<float>()};
}

}  // namespace detail

/// Fills a network from a weights file.
/// @param network  offers `graph()` and `layer(i)`.
/// @param cutoff   only layers below this index are read and the rest of the file is not looked at
/// (darknet's
///                 partial files); nullopt: the whole network, and the file must end where it does.
/// @throws Error   if the file is too short or holds what is no finite number (naming the layer),
/// or is too long; the network is then untouched.
template <class Network>
WeightsHeader load_weights(Network& network, const std::filesystem::path& path,
                           std::optional<int> cutoff = {}) {
  const std::string bytes = read_file(path);
  const auto place = path.string();
  std::size_t at = 0;
  const auto read = [&](auto& value) {
    require(at + sizeof value <= bytes.size(), place,
            "should begin with a header of 16 or 20 bytes, got {} bytes", bytes.size());
    std::memcpy(&value, bytes.data() + at, sizeof value);
    at += sizeof value;
  };
  WeightsHeader header;
  read(header.major);
  read(header.minor);
  read(header.revision);
  if (header.wide()) {
    read(header.seen);
  } else {
    std::uint32_t narrow = 0;
    read(narrow);
    header.seen = narrow;
  }
  const Graph& graph = network.graph();
  struct Piece {
    at::Tensor target, source;
  };
  std::vector<Piece> pieces;
  for (const int i : graph.convolutions()) {
    if (cutoff && i >= *cutoff) break;
    const auto targets = tensors(network.layer(i));
    std::size_t wanted = 0;
    for (const auto& tensor : targets) wanted += static_cast<std::size_t>(tensor.numel());
    const auto left = (bytes.size() - at) / sizeof(float);
    require(left >= wanted, place,
            "{} should find {} floats at byte {}, got {}: the file is truncated or belongs to "
            "another cfg",
            graph[i].name, wanted, at, left);
    for (const auto& tensor : targets) {
      // Shapes are the file's own; from_blob only reads.
      auto source = at::from_blob(const_cast<char*>(bytes.data()) + at, tensor.sizes(), at::kFloat);
      const auto [least, most] = detail::range_of(source);
      require(std::isfinite(least) && std::isfinite(most), place,
              "{} should be finite numbers, got {} behind byte {}: the file is damaged or of a "
              "training that diverged",
              graph[i].name, std::isnan(least) ? "NaN" : "an infinite one", at);
      pieces.push_back({tensor.detach(), std::move(source)});
      at += static_cast<std::size_t>(tensor.numel()) * sizeof(float);
    }
  }
  require(cutoff || at == bytes.size(), place,
          "should end after byte {} with the last convolution, got {} bytes more: "
          "the file belongs to another cfg",
          at, bytes.size() - at);
  for (auto& [target, source] : pieces) target.copy_(source);
  return header;
}

/// Writes a weights file that darknet, OpenCV and ONNX converters read, atomically.
/// @param header   its version decides between the 16-byte and the 20-byte form.
/// @param cutoff   only layers below this index.
template <class Network>
void save_weights(const Network& network, const std::filesystem::path& path,
                  const WeightsHeader& header = {}, std::optional<int> cutoff = {}) {
  std::string bytes;
  const auto write = [&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  write(&header.major, 4);
  write(&header.minor, 4);
  write(&header.revision, 4);
  write(&header.seen, header.wide() ? 8 : 4);
  for (const int i : network.graph().convolutions()) {
    if (cutoff && i >= *cutoff) break;
    for (const auto& tensor : tensors(network.layer(i))) {
      const auto flat = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
      write(flat.const_data_ptr(), flat.nbytes());
    }
  }
  write_file(path, bytes);
}

}  // namespace serpette
