#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
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

using FuzzTarget = int (*)(const std::uint8_t* data, std::size_t size);

/// Those of a program that replays corpora, by name.
inline std::map<std::string_view, FuzzTarget>& fuzz_targets() {
  static std::map<std::string_view, FuzzTarget> targets;
  return targets;
}

}  // namespace serpette::test

/// Begins the function of one target: libFuzzer's, one a program, or of the program that replays
/// the corpora of all.
#ifdef SERPETTE_FUZZ
#define SERPETTE_FUZZ_TARGET(name) \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
#else
#define SERPETTE_FUZZ_TARGET(name)                                      \
  static int name##_target(const std::uint8_t* data, std::size_t size); \
  [[maybe_unused]] static const auto name##_at =                        \
      serpette::test::fuzz_targets().emplace(#name, &name##_target);    \
  static int name##_target(const std::uint8_t* data, std::size_t size)
#endif
