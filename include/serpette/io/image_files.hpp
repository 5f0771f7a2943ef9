#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/image.hpp"
#include "serpette/io/read_file.hpp"

/// @file
/// Pictures as files of a data set: which there are, and their ids.

namespace serpette {

namespace detail {

/// The number a file is named by, as COCO's are: 000000000139.jpg → 139.
inline std::optional<std::int64_t> number_of(const std::filesystem::path& path) {
  const auto stem = path.stem().string();
  const auto number = parse_number<std::int64_t>(stem);
  return number >= 0 ? number : std::nullopt;
}

/// Whether a link that a walk has come to leads to a folder that the walk is in.
inline bool leads_back(const std::filesystem::recursive_directory_iterator& link) {
  auto above = link->path();
  for (int depth = link.depth(); depth >= 0; --depth) {
    above = above.parent_path();
    std::error_code code;
    if (std::filesystem::equivalent(above, link->path(), code)) return true;
  }
  return false;
}

}  // namespace detail

/// Ids of pictures: the numbers they are named by if all are and no two are the same, as in COCO;
/// else 1, 2, 3, ….
inline std::vector<std::int64_t> image_ids(const std::vector<std::filesystem::path>& files) {
  std::vector<std::int64_t> ids;
  std::unordered_set<std::int64_t> seen;
  for (const auto& file : files)
    if (const auto number = detail::number_of(file); number && seen.insert(*number).second)
      ids.push_back(*number);
  if (ids.size() != files.size()) {
    ids.resize(files.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i) + 1;
  }
  return ids;
}

/// Files of a folder for which `wanted(path)` is true, in the order of their names.
/// @param recursive  also those of the folders in it, and of those that links in it lead to.
/// @throws Error     if it is no folder or cannot be read.
template <class Wanted>
std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder, Wanted&& wanted,
                                            bool recursive = false) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  std::error_code code;
  const auto take = [&](auto entry) {
    for (; !code && entry != decltype(entry)(); entry.increment(code)) {
      std::error_code gone;  // a link to nothing is no file
      if constexpr (requires { entry.disable_recursion_pending(); })
        if (entry->is_symlink(gone) && (!entry->is_directory(gone) || detail::leads_back(entry)))
          entry.disable_recursion_pending();
      if (wanted(entry->path()) && entry->is_regular_file(gone)) files.push_back(entry->path());
    }
  };
  if (recursive)
    take(fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink,
                                          code));
  else
    take(fs::directory_iterator(folder, code));
  require(!code, folder.string(), "should be a readable folder, got \"{}\"", code.message());
  std::ranges::sort(files);
  return files;
}

/// Width and height of a picture's file; 0 × 0 if its header is damaged, which whoever reads it
/// reports. Of a JPEG or PNG only the beginning is read, where that says it: data sets are listed
/// by this, hundreds of thousands of files at a time.
/// @throws Error  if it cannot be opened or read.
inline ImageSize size_of_file(const std::filesystem::path& file) {
  const auto size_in = [&](std::string_view bytes) -> ImageSize {
    try {
      return image_size(bytes, file.string());
    } catch (const DamagedImage&) {
      return {};
    }
  };
  constexpr std::size_t kBeginning = std::size_t{1} << 16;
  const auto beginning = read_beginning(file, kBeginning);
  // Which way up a WebP is stands behind its pixels.
  if (detail::is_jpeg(beginning) || detail::is_png(beginning))
    if (const auto size = size_in(beginning); size != ImageSize{}) return size;
  return size_in(read_file(file));
}

/// A file's name as a data set lists it: relative to its folder of images, whole elsewhere.
inline std::string listed_name(const std::filesystem::path& file,
                               const std::filesystem::path& images) {
  const auto whole = std::filesystem::absolute(file).lexically_normal();
  if (images.empty()) return whole.string();
  const auto relative =
      whole.lexically_relative(std::filesystem::absolute(images / "").lexically_normal());
  return relative.empty() || relative.begin()->string() == ".." ? whole.string()
                                                                : relative.string();
}

}  // namespace serpette
