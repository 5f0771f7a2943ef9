#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "serpette/study/store.hpp"

namespace serpette::cli {

/// The first of `ROOT.1`, `ROOT.2`, … that is not there.
inline std::filesystem::path place_aside(const std::filesystem::path& root) {
  auto name = std::filesystem::absolute(root).lexically_normal();
  if (!name.has_filename()) name = name.parent_path();
  for (int i = 1;; ++i)
    if (auto place = name.string() + fmt::format(".{}", i);
        !std::filesystem::exists(std::filesystem::symlink_status(place)))
      return place;
}

/// Moves what a folder of results holds to `place_aside(root)`; pictures that were drawn for it
/// (`scenes`) and locks stay where they are.
/// @return  where it is now.
inline std::filesystem::path set_aside(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  const auto place = place_aside(root);
  fs::create_directory(place);
  std::vector<fs::path> moved;
  for (const auto& entry : fs::directory_iterator(root))
    if (const auto name = entry.path().filename().string();
        name != "scenes" && !name.starts_with(".lock"))
      moved.push_back(entry.path());
  for (const auto& from : moved) fs::rename(from, place / from.filename());
  return place;
}

/// Opens a folder of results. Those of another configuration are refused, or where people `force`
/// it, set aside.
/// @param open  gives the Store.
template <class Open>
auto open_used(const std::filesystem::path& root, bool force, Open&& open) {
  try {
    return open();
  } catch (const OtherConfiguration& other) {
    if (!force)
      throw OtherConfiguration(fmt::format("{}\nOr add --force, which moves them to {} first.",
                                           other.what(), place_aside(root).string()));
  }
  fmt::print(stderr, "note: {} held results of other settings; they are in {} now\n", root.string(),
             set_aside(root).string());
  return open();
}

}  // namespace serpette::cli
