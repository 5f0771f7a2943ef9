#pragma once

/// @file
/// Plans as files: prepared weights as the kernels read them, mapped into memory. No LibTorch.

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/checksum.hpp"
#include "serpette/deploy/dense_kernels.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/plan_labels.hpp"
#include "serpette/deploy/sparse_kernels.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/mapped_file.hpp"

namespace serpette::deploy {

/// Of the bytes in a plan file: raised whenever what a form prepares changes.
inline constexpr std::uint32_t kPlanVersion = 10;

/// The kind of CPU that plans are prepared for here: its instruction set, and the widths of vectors
/// that weights are laid out in.
inline std::string cpu_kind() {
  const auto targets = hwy::SupportedTargets() & HWY_TARGETS;  // the lowest bit is the best
  return fmt::format("{} with {}, {} and {} lanes", hwy::TargetName(targets & -targets),
                     dense_kernels_here().lanes, sparse_float_kernels_here(false).lanes,
                     sparse_float_kernels_here(true).lanes);
}

namespace detail {

/// What a plan file begins with.
struct PlanHeader {
  static constexpr std::string_view kMagic = "serpette plan\n";

  char magic[16] = {};
  std::uint32_t version = kPlanVersion, zero = 0;
  std::uint64_t bytes = 0;     ///< Of the whole file.
  std::uint64_t checksum = 0;  ///< Of all that follows the header.
  char cpu[88] = {};           ///< cpu_kind(), zeros behind it.

  /// A text field, up to its first zero.
  template <std::size_t Size>
  static std::string_view text(const char (&field)[Size]) {
    return std::string_view(field, Size).substr(0, std::string_view(field, Size).find('\0'));
  }
};
static_assert(sizeof(PlanHeader) == 128);

inline void write_labels(const PlanLabels& labels, PlanWriter& to) {
  to.value(std::uint64_t{labels.class_names.size()});
  for (const auto& name : labels.class_names) to.text(name);
  to.value(labels.greyscale);
}
/// @throws Error  if the heads tell apart different classes, or not those that are named.
inline PlanLabels read_labels(const Graph& graph, PlanReader& from) {
  for (const int i : graph.heads())
    require(graph.head(i).classes == graph.classes(), from.place(),
            "{} should have {} classes as the first head, got {}", graph[i].name, graph.classes(),
            graph.head(i).classes);
  PlanLabels labels;
  const auto names = from.value<std::uint64_t>(), classes = std::uint64_t(graph.classes());
  require(names == 0 || names == classes, from.place(), "should name {} classes or none, got {}",
          classes, names);
  for (std::uint64_t c = 0; c < names; ++c) labels.class_names.push_back(from.text());
  labels.greyscale = from.value<bool>();
  return labels;
}

/// @throws Error  unless the maps, which are in no file, are in proportion to it.
inline void require_maps(const Graph& graph, std::size_t bytes, std::string_view place) {
  const auto most =
      limits::kPlanNumbers + limits::kPlanNumbersPerByte * static_cast<std::int64_t>(bytes);
  require(map_numbers(graph) <= most, place,
          "should have maps of at most {} numbers in a file of {} bytes, got {}", most, bytes,
          map_numbers(graph));
}

}  // namespace detail

/// A plan whose forms can all be kept (form.hpp, KeptForm).
template <class P>
concept KeptPlan = requires(const P& plan, PlanWriter& to) {
  { plan.graph() } -> std::convertible_to<const Graph&>;
  { plan.labels } -> std::convertible_to<const PlanLabels&>;
  plan.write(to);
} && std::constructible_from<P, Graph, PlanReader&>;

/// The bytes of a plan file: a header with version, kind of CPU and checksum, the graph as cfg
/// text, labels, then form and prepared weights of every convolution.
/// @param place   what an Error calls them.
/// @throws Error  if its maps are larger than `read_plan` accepts for so few bytes.
template <KeptPlan AnyPlan>
std::string write_plan(const AnyPlan& plan, std::string_view place = "plan") {
  detail::PlanHeader header;
  PlanWriter writer(sizeof header);
  writer.text(write_cfg(plan.graph()));
  detail::write_labels(plan.labels, writer);
  plan.write(writer);
  auto& bytes = writer.bytes();
  detail::require_maps(plan.graph(), bytes.size(), place);
  detail::PlanHeader::kMagic.copy(header.magic, sizeof header.magic);
  const auto cpu = cpu_kind();
  cpu.copy(header.cpu, sizeof header.cpu - 1);
  header.bytes = bytes.size();
  header.checksum = checksum(std::as_bytes(std::span(bytes)).subspan(sizeof header));
  std::memcpy(bytes.data(), &header, sizeof header);
  return std::move(bytes);
}

/// Writes a plan, atomically.
/// @throws Error  as write_plan, by the file's name.
template <KeptPlan AnyPlan>
void save_plan(const AnyPlan& plan, const std::filesystem::path& path) {
  write_file(path, write_plan(plan, path.string()));
}

/// A plan as it was written: the same forms, the same bits in its outputs. Its weights stay where
/// they are, unless `bytes` begin within a cache line, and must not change while the plan lives.
/// The checksum is computed on as many threads as plans run on, which is what a start waits for; it
/// notices damage. People who mean harm can make it fit, and a plan that computes what they like;
/// but whatever places, counts and shapes they write, a plan that is read runs within its buffers.
/// @param owner  keeps `bytes` alive.
/// @param place  what an Error calls them.
/// @throws Error  if it is no plan, of another version or kind of CPU, incomplete or damaged, a
///                layer has a form that is none of AnyPlan's or does not fit it, or a value does
///                not fit the shapes.
template <KeptPlan AnyPlan>
AnyPlan read_plan(std::shared_ptr<const void> owner, std::span<const std::byte> bytes,
                  const std::string& place) {
  detail::PlanHeader header;
  const auto known = std::min(bytes.size(), sizeof header);
  std::memcpy(&header, bytes.data(), known);
  require(known == sizeof header &&
              detail::PlanHeader::text(header.magic) == detail::PlanHeader::kMagic,
          place, "should be a plan file (export_network --format plan), got something else");
  require(header.version == kPlanVersion, place,
          "should be a plan of version {}, got {}: write it anew with export_network --format plan",
          kPlanVersion, header.version);
  require(header.bytes == bytes.size(), place, "should have {} bytes, got {}: {}", header.bytes,
          bytes.size(),
          header.bytes > bytes.size() ? "it is incomplete" : "something stands behind its end");
  const auto sum =
      checksum(bytes.subspan(sizeof header), workers_for(static_cast<std::int64_t>(bytes.size())));
  require(sum == header.checksum, place,
          "should have the checksum {:016x}, got {:016x}: it is damaged", header.checksum, sum);
  const auto cpu = cpu_kind();
  require(
      detail::PlanHeader::text(header.cpu) == cpu, place,
      "should be a plan for this kind of CPU, {}, got one for {}: write it anew on this machine "
      "with export_network --format plan",
      cpu, detail::PlanHeader::text(header.cpu));
  PlanReader reader(std::move(owner), bytes, sizeof header, place);
  auto graph = parse_cfg(reader.text(), place);
  detail::require_maps(graph, bytes.size(), place);
  auto labels = detail::read_labels(graph, reader);
  AnyPlan plan(std::move(graph), reader);
  plan.labels = std::move(labels);
  reader.finish();
  return plan;
}

/// A plan as it was saved, from the file mapped into memory: processes that load the same one share
/// it. It must not be changed in place while the plan lives; ours are replaced, never changed.
/// @throws Error  as read_plan, and if there is no such file.
template <KeptPlan AnyPlan>
AnyPlan load_plan(const std::filesystem::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  return read_plan<AnyPlan>(file, file->bytes(), path.string());
}

}  // namespace serpette::deploy
