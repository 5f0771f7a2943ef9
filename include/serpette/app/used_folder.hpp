#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/file_lock.hpp"
#include "serpette/metric/stopwatch.hpp"
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

/// Refuses a folder in which another process works on a part. One that is refused itself, as all
/// shards are that start at once, holds its part no longer than it looks.
/// @param seconds  how long to wait for those.
/// @throws Error   if a part is held longer.
inline void require_idle(const std::filesystem::path& root, double seconds = 10) {
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(".lock-") || name == ".lock-force" || name == ".lock-scenes") continue;
    const Stopwatch watch;
    const FileLock part(entry.path(), [&] {
      require(watch.seconds() < seconds, root.string(),
              "should be free before its results are moved, but a process works in it ({})", name);
    });
  }
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

/// Removes a folder that holds a dry run's locks and no more: a run may have begun there meanwhile.
inline void remove_if_unused(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  const auto is_ours = [](const fs::path& file) {
    return file.filename() == ".lock-plan" || file.filename() == ".lock-configuration";
  };
  std::error_code ignored;  // what stays is a folder too many
  for (const auto& entry : fs::directory_iterator(root, ignored))
    if (!is_ours(entry.path())) return;
  for (const char* lock : {".lock-plan", ".lock-configuration"}) fs::remove(root / lock, ignored);
  fs::remove(root, ignored);  // not if somebody was quicker
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
  // Of several that start at once one moves what is there; the others find it moved.
  const FileLock one(root / ".lock-force");
  try {
    return open();
  } catch (const OtherConfiguration&) {
    require_idle(root);
  }
  fmt::print(stderr, "note: {} held results of other settings; they are in {} now\n", root.string(),
             set_aside(root).string());
  return open();
}

}  // namespace serpette::cli
