#pragma once

// LibTorch (through glog's names) defines CHECK and LOG, which Catch2 uses too: ours win in tests.
// Its headers that use them come first, so that tests may include it after this. SERPETTE_LIGHT: a
// program without LibTorch. Its headers may be found all the same (Debian's lie in /usr/include),
// and they teach every std::vector to print, whatever its elements can.
#if !defined(SERPETTE_LIGHT) && __has_include(<ATen/core/ivalue.h>)
#include <ATen/core/ivalue.h>
#endif
#undef CHECK
#undef LOG

#include <catch2/catch_all.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace serpette::test {

#ifdef SERPETTE_TESTS
/// A file of this repository's tests folder, e.g. `file("golden/nms.json")`.
inline std::filesystem::path file(const std::string& name) {
  return std::filesystem::path(SERPETTE_TESTS) / name;
}
#endif

/// The real data (YOLOv3-tiny, COCO images), or SKIPPED where SERPETTE_DATA does not name it.
inline std::filesystem::path real_data() {
  const char* folder = std::getenv("SERPETTE_DATA");
  if (folder == nullptr) SKIP("SERPETTE_DATA is not set: no real weights and images here");
  return folder;
}

}  // namespace serpette::test
