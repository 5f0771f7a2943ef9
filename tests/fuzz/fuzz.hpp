#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "support/scratch.hpp"

namespace serpette::test {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The input as a file of this name, the same one each time.
inline std::filesystem::path input_file(const std::uint8_t* data, std::size_t size,
                                        const char* name) {
  static const Scratch folder;
  const auto path = folder / name;
  std::filesystem::remove(path);  // file systems flush what is truncated and written anew
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return path;
}

/// Bad input is an Error, never anything else: what else escapes ends the program.
template <class Parse>
int accept_or_refuse(Parse&& parse) {
  try {
    parse();
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace serpette::test
