#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace serpette::cli {

/// A file name, of those in one folder, for what is drawn of a picture: `a.png` of a.jpg, `a-7.png`
/// where another picture's is called so, and another number behind it where that is a name too.
/// @param id     of the picture.
/// @param taken  names so far; the new one joins them.
inline std::string png_name(const std::filesystem::path& file, std::int64_t id,
                            std::set<std::string>& taken) {
  const auto stem = file.stem().string();
  auto name = stem + ".png";
  for (int i = 1; !taken.insert(name).second; ++i)
    name = i == 1 ? fmt::format("{}-{}.png", stem, id) : fmt::format("{}-{}-{}.png", stem, id, i);
  return name;
}

}  // namespace serpette::cli
