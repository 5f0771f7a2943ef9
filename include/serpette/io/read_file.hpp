#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "serpette/core/contract.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

namespace detail {

/// A file or a pipe that is open for reading, and what the system knows of it.
struct OpenFile {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file;
  struct ::stat known;

  /// @throws Error  if it cannot be opened, or is a folder or a device; the message says why.
  explicit OpenFile(const std::filesystem::path& path)
      : file(std::fopen(path.c_str(), "rb"), &std::fclose), known{} {
    const auto place = path.string();
    if (!file || ::fstat(::fileno(file.get()), &known) != 0)
      fail(place, "should be a readable file, got \"{}\"", std::strerror(errno));
    require(!S_ISDIR(known.st_mode), place, "should be a file, got a folder");
    require(!S_ISCHR(known.st_mode) && !S_ISBLK(known.st_mode), place,
            "should be a file, got a device");
  }
};

}  // namespace detail

/// All bytes of a file or a pipe.
/// @param slack   spare capacity behind the text, for parsers that read in blocks beyond its end.
/// @throws Error  if it cannot be opened or read to its end, is a folder or a device, or is larger
/// than `limits` allow; the message says why.
inline std::string read_file(const std::filesystem::path& path, std::size_t slack = 0) {
  const auto place = path.string();
  const auto [file, known] = detail::OpenFile(path);
  const auto size = S_ISREG(known.st_mode) ? static_cast<std::size_t>(known.st_size) : 0;
  const auto most = S_ISREG(known.st_mode) ? limits::kFileBytes : limits::kPipeBytes;
  const auto require_small = [&](std::size_t bytes) {
    require(bytes <= most, place, "should have at most {} bytes, got {}", most,
            size > 0 ? fmt::to_string(size) : "more");
  };
  require_small(size);
  std::string text;
  text.reserve(size + slack + 1);
  // A pipe has no size: read until nothing comes, at least one block beyond what was announced.
  for (std::size_t block = size == 0 ? 1 << 16 : size + 1;;
       block = std::max<std::size_t>(1 << 16, text.size())) {
    const auto old = text.size();
    text.resize(old + block);
    const auto got = std::fread(text.data() + old, 1, block, file.get());
    text.resize(old + got);
    require_small(text.size());
    if (got < block) break;
  }
  require(std::ferror(file.get()) == 0, place, "should be readable to its end, got \"{}\"",
          std::strerror(errno));
  text.reserve(text.size() + slack);
  return text;
}

/// The first bytes of a file, all of them where there are not more than `most`.
/// @throws Error  if it cannot be opened or read, or is a folder or a device; the message says why.
inline std::string read_beginning(const std::filesystem::path& path, std::size_t most) {
  const detail::OpenFile opened(path);
  std::string text(most, '\0');
  text.resize(std::fread(text.data(), 1, most, opened.file.get()));
  require(std::ferror(opened.file.get()) == 0, path.string(), "should be readable, got \"{}\"",
          std::strerror(errno));
  return text;
}

}  // namespace serpette
