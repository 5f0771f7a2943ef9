#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/known_mistakes.hpp"
#include "serpette/formats/darknet/network_notes.hpp"

namespace serpette::cli {

/// Says on stderr what people should know of a network and of how its files were read.
/// @throws Error  as network_notes.
inline void say_notes(const Yolov3& network, const std::filesystem::path& cfg,
                      const std::filesystem::path& weights) {
  for (const auto& note : network_notes(network.graph(), network.header(), cfg, weights))
    fmt::print(stderr, "note: {}\n", note);
  if (const auto mistake = known_mistake(network.graph(), network.header()))
    fmt::print(stderr, "warning: {}: {}\n", cfg.string(), *mistake);
}

}  // namespace serpette::cli
