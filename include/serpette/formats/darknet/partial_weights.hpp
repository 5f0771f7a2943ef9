#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "serpette/formats/darknet/weights_file.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// What people should know of a network that begins with a partial file (a name ending in .conv.N):
/// which of its convolutions start fresh, and that a head of another network may have been read.
/// Nothing of a whole file.
inline std::vector<std::string> partial_notes(const Graph& graph,
                                              const std::filesystem::path& weights) {
  const auto cutoff = partial_cutoff(weights);
  if (!cutoff) return {};
  std::vector<std::string> notes, fresh;
  for (const int i : graph.convolutions())
    if (i >= *cutoff) fresh.push_back(graph[i].name);
  notes.push_back(fresh.empty()
                      ? fmt::format("{}: all layers are read", weights.string())
                      : fmt::format("{}: layers below {} are read; {} convolutions from "
                                    "{} on start fresh",
                                    weights.string(), *cutoff, fresh.size(), fresh.front()));
  for (const int head : graph.heads())
    if (const int source = graph[head].inputs.front(); source >= 0 && source < *cutoff)
      notes.push_back(fmt::format(
          "{}: {} is read too, which feeds a head; if the file is another data set's, name it "
          ".conv.{}",
          weights.string(), graph[source].name, source));
  return notes;
}

}  // namespace serpette
