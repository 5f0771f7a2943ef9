#pragma once

#include <filesystem>
#include <string>

#include "serpette/core/fingerprint.hpp"
#include "serpette/io/mapped_file.hpp"

namespace serpette {

/// 16 hex digits that stand for a file's bytes, as `fingerprint` of them, without a copy of a file
/// that may be a network's weights.
/// @throws Error  if it cannot be read.
inline std::string file_fingerprint(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return fingerprint({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace serpette
