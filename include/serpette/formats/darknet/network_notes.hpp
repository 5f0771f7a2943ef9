#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "serpette/formats/darknet/cfg_section.hpp"
#include "serpette/formats/darknet/weights_file.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

namespace detail {

/// Which convolutions of a partial file's network start fresh, and whether a head of another
/// network may have been read.
inline std::vector<std::string> partial_notes(const Graph& graph, int cutoff,
                                              const std::string& place) {
  std::vector<std::string> notes, fresh;
  for (const int i : graph.convolutions())
    if (i >= cutoff) fresh.push_back(graph[i].name);
  notes.push_back(fresh.empty() ? fmt::format("{}: all layers are read", place)
                                : fmt::format("{}: layers below {} are read; {} convolutions from "
                                              "{} on start fresh",
                                              place, cutoff, fresh.size(), fresh.front()));
  for (const int head : graph.heads())
    if (const int source = graph[head].inputs.front(); source >= 0 && source < cutoff)
      notes.push_back(fmt::format(
          "{}: {} is read too, which feeds a head; if the file is another data set's, name it "
          ".conv.{}",
          place, graph[source].name, source));
  return notes;
}

}  // namespace detail

/// What people should know of how a network's files were read, a line each: a key that [net] gives
/// twice, a header of weights that is longer than its version says, and of a partial file (a name
/// ending in .conv.N) what starts fresh.
/// @param header  of the weights, as load_weights gave it.
/// @throws Error  if the cfg cannot be read.
inline std::vector<std::string> network_notes(const Graph& graph, const WeightsHeader& header,
                                              const std::filesystem::path& cfg,
                                              const std::filesystem::path& weights) {
  std::vector<std::string> notes;
  const auto sections = detail::split_cfg(read_file(cfg), cfg.string());
  for (const auto& again : sections.front().repeated())
    notes.push_back(
        fmt::format("{}: {} is given again and passed over: as in darknet the first "
                    "counts, {}={}",
                    sections.front().at(again.line), again.key, again.key,
                    sections.front().text(again.key, "")));
  if (const auto cutoff = partial_cutoff(weights)) {
    for (auto& note : detail::partial_notes(graph, *cutoff, weights.string()))
      notes.push_back(std::move(note));
  } else if (!header.wide() &&
             std::filesystem::file_size(weights) ==
                 20 + static_cast<std::size_t>(parameters(graph)) * sizeof(float)) {
    notes.push_back(fmt::format(
        "{}: version {}.{} has a header of 16 bytes, but the file's size says 20, and so it is "
        "read",
        weights.string(), header.major, header.minor));
  }
  return notes;
}

}  // namespace serpette
