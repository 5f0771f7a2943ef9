#pragma once

#include <range/v3/view/enumerate.hpp>

/// @file
/// Darknet's .weights files as bytes: a header, then per convolution its tensors (kLayerTensors) as
/// little-endian floats, in the order of the cfg. No LibTorch; weights.hpp puts them into tensors.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/in_parallel.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

static_assert(std::endian::native == std::endian::little,
              "darknet's weights are little-endian; so must the host be");

/// The head of a weights file. From version 0.2 on `seen` takes 8 bytes, before it 4.
struct WeightsHeader {
  std::int32_t major = 0, minor = 2;
  /// Darknet writes a small number and reads none; ours is `structure_mark`.
  std::int32_t revision = 0;
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
  const auto cutoff = parse_number<int>(std::string_view(name).substr(mark + 6));
  return cutoff > 0 ? cutoff : std::nullopt;
}

/// Says which structure of network weights belong to: layers, their settings and what they read,
/// but neither canvas nor anchors, which people edit without touching the weights. It stands in the
/// header's `revision`, which darknet and OpenCV skip, so that weights beside another cfg (a save
/// was killed between the two files) are noticed even where the sizes agree.
/// @return  at least 2^30, which no darknet's revision is.
inline std::int32_t structure_mark(const Graph& graph) {
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  const auto add = [&](auto... numbers) {
    for (const int number : {static_cast<int>(numbers)...})
      hash = (hash ^ static_cast<std::uint32_t>(number)) * 1099511628211U;
  };
  add(graph.input.channels);
  for (const Layer& layer : graph.layers) {
    add(layer.operation.index());
    visit(
        layer,
        [&](const Convolutional& c) {
          add(c.filters, c.size, c.stride, c.padding, c.groups, c.batch_normalize, c.activation);
        },
        [&](const Shortcut& s) { add(s.activation); },
        [&](const Route& r) { add(r.groups, r.group_id); },
        [&](const Upsample& u) { add(u.stride); },
        [&](const MaxPool& p) { add(p.size, p.stride, p.padding); },
        [&](const Product& p) { add(p.by_channel); },
        [](const OneOf<Yolo, GlobalAverage> auto&) {});
    for (const int input : layer.inputs) add(input);
  }
  return static_cast<std::int32_t>((hash ^ hash >> 32) & 0x3fffffffU) | 0x40000000;
}

/// Where a convolution's floats stand in a weights file.
struct WeightsBlock {
  int layer = 0;           ///< Graph index.
  std::size_t offset = 0;  ///< In bytes from the file's begin; a multiple of 4.
  std::size_t floats = 0;
};

/// What a weights file holds, by place.
struct WeightsFile {
  WeightsHeader header;
  std::vector<WeightsBlock> blocks;  ///< In the order of `Graph::convolutions()`.
};

namespace detail {

/// Index of the first value that is NaN or infinite, or nothing. Little-endian floats at `begin`.
inline std::optional<std::size_t> find_not_finite(std::span<const std::byte> floats) {
  constexpr std::uint32_t kExponent = 0x7f800000U, kStep = 0x00800000U;
  constexpr std::size_t kBlock = 1024;
  const auto count = floats.size() / sizeof(float);
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const auto size = std::min(kBlock, count - begin);
    std::uint32_t bits[kBlock] = {};
    std::memcpy(bits, floats.data() + begin * sizeof(float), size * sizeof(float));
    std::uint32_t full = 0;  // one more than a full exponent reaches the sign's bit
    for (const std::uint32_t b : bits) full |= (b & kExponent) + kStep;
    if ((full & 0x80000000U) == 0) continue;
    for (std::size_t i = 0; i < size; ++i)
      if ((bits[i] & kExponent) == kExponent) return begin + i;
  }
  return std::nullopt;
}
/// The same, in pieces.
template <class Parallel>
std::optional<std::size_t> find_not_finite(std::span<const std::byte> floats,
                                           const Parallel& parallel) {
  constexpr std::size_t kPiece = 1 << 20;  // floats
  const auto count = floats.size() / sizeof(float);
  std::vector<std::optional<std::size_t>> found((count + kPiece - 1) / kPiece);
  parallel(std::ssize(found), [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const auto size = std::min(kPiece, count - i * kPiece);
      found[i] = find_not_finite(floats.subspan(i * kPiece * sizeof(float), size * sizeof(float)));
    }
  });
  for (auto&& [i, place] : ranges::views::enumerate(found))
    if (place) return i * kPiece + *place;
  return std::nullopt;
}

}  // namespace detail

/// Reads where everything stands, and that it is numbers.
/// @param graph   whose weights they should be.
/// @param place   what errors call the file.
/// @param cutoff  only layers below this index are looked at (darknet's partial files); nullopt:
/// the
///                whole network, and the file must end where it does.
/// @param parallel  as Serially, for looking at all numbers.
/// @throws Error  if the file is too short or holds what is no finite number (naming the layer), is
///                too long, or was saved with another cfg.
template <class Parallel = Serially>
WeightsFile parse_weights(std::span<const std::byte> bytes, const Graph& graph,
                          std::string_view place, std::optional<int> cutoff = {},
                          const Parallel& parallel = {}) {
  std::size_t at = 0;
  const auto read = [&](auto& value) {
    require(at + sizeof value <= bytes.size(), place,
            "should begin with a header of 16 or 20 bytes, got {} bytes", bytes.size());
    std::memcpy(&value, bytes.data() + at, sizeof value);
    at += sizeof value;
  };
  WeightsFile file;
  WeightsHeader& header = file.header;
  read(header.major);
  read(header.minor);
  read(header.revision);
  // Some converters write version 0.0 over the wide form: the size tells.
  const std::size_t floats = static_cast<std::size_t>(parameters(graph)) * sizeof(float);
  if (header.wide() || (!cutoff && bytes.size() == 20 + floats)) {
    read(header.seen);
  } else {
    std::uint32_t narrow = 0;
    read(narrow);
    header.seen = narrow;
  }
  for (const int i : graph.convolutions()) {
    if (cutoff && i >= *cutoff) break;
    const auto wanted = static_cast<std::size_t>(parameters(graph, i));
    const auto left = (bytes.size() - at) / sizeof(float);
    if (left < wanted)
      fail(place,
           "{} should find {} floats at byte {}, got {}: the file is truncated or belongs to "
           "another cfg",
           graph[i].name, wanted, at, left);
    file.blocks.push_back({i, at, wanted});
    at += wanted * sizeof(float);
  }
  require(cutoff || at == bytes.size(), place,
          "should end after byte {} with the last convolution, got {} bytes more: "
          "the file belongs to another cfg",
          at, bytes.size() - at);
  require(cutoff || header.revision < 0x40000000 || header.revision == structure_mark(graph), place,
          "should have been saved with this cfg, got the weights of another network of the same "
          "size: a save of both may have been interrupted between the two files");
  const auto first = file.blocks.empty() ? at : file.blocks.front().offset;
  if (const auto bad = detail::find_not_finite(bytes.subspan(first, at - first), parallel)) {
    const auto offset = first + *bad * sizeof(float);
    float value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    const auto block = std::find_if(file.blocks.begin(), file.blocks.end(), [&](const auto& b) {
      return offset < b.offset + b.floats * sizeof(float);
    });
    fail(place,
         "{} should be finite numbers, got {} at byte {}: the file is damaged or of a training "
         "that diverged",
         graph[block->layer].name, std::isnan(value) ? "NaN" : "an infinite one", offset);
  }
  return file;
}

/// The header's bytes; its version decides between the 16-byte and the 20-byte form.
inline std::string write_header(const WeightsHeader& header) {
  std::string bytes;
  const auto write = [&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  write(&header.major, 4);
  write(&header.minor, 4);
  write(&header.revision, 4);
  write(&header.seen, header.wide() ? 8 : 4);
  return bytes;
}

}  // namespace serpette
