#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "serpette/core/contract.hpp"

namespace serpette {

/// All bytes of a file.
/// @param slack   spare capacity behind the text, for parsers that read in blocks beyond its end.
/// @throws Error  if it cannot be read; the message says why.
inline std::string read_file(const std::filesystem::path& path, std::size_t slack = 0) {
  std::error_code code;
  require(!std::filesystem::is_directory(path, code), path.string(),
          "should be a file, got a folder");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  require(file != nullptr, path.string(), "should be a readable file, got \"{}\"",
          std::strerror(errno));
  const auto size = std::filesystem::file_size(path, code);
  std::string text;
  text.reserve((code ? 0 : size) + slack + 1);
  // A pipe has no size: read until nothing comes, at least one block beyond what was announced.
  for (std::size_t block = code || size == 0 ? 1 << 16 : size + 1;; block = 1 << 16) {
    const auto old = text.size();
    text.resize(old + block);
    const auto got = std::fread(text.data() + old, 1, block, file.get());
    text.resize(old + got);
    if (got < block) break;
  }
  require(std::ferror(file.get()) == 0, path.string(), "should be a readable file, got \"{}\"",
          std::strerror(errno));
  text.reserve(text.size() + slack);
  return text;
}

}  // namespace serpette
