#include <algorithm>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/runtime.h"
#include "serpette/runtime.hpp"

struct serpette_runtime {
  serpette::Runtime runtime;
};

namespace {

thread_local std::string last_error;

/// Takes no memory where there is none left for the reason: so short a text has its place in the
/// string.
void keep_error(const char* reason) noexcept {
  try {
    last_error = reason;
  } catch (const std::bad_alloc&) {
    last_error = "out of memory";
  }
}

/// What `work` returns; `failed` where it throws, with the reason in last_error.
template <class Result, class Work>
Result guarded(Result failed, const Work& work) noexcept {
  try {
    last_error.clear();
    return work();
  } catch (const std::exception& e) {
    keep_error(e.what());
  } catch (...) {
    keep_error("serpette: an unknown exception");
  }
  return failed;
}

std::filesystem::path path_of(const char* text, std::string_view what) {
  serpette::require(text != nullptr, what, "should be a file's name, got NULL");
  return text;
}

/// What a handle stands for.
/// @tparam Handle  serpette_runtime, perhaps const.
template <class Handle>
auto& opened(Handle* handle) {
  serpette::require(handle != nullptr, "runtime",
                    "should be what serpette_open has returned, got NULL");
  return handle->runtime;
}

/// Detections of a picture, as C has them.
template <class Picture>
int detect(serpette_runtime* runtime, const Picture& picture, double confidence,
           serpette_detection* to, int room) {
  serpette::require(to != nullptr || room <= 0, "detections", "should have room for {}, got NULL",
                    room);
  const auto found = opened(runtime).detect(picture, {.confidence = confidence});
  const auto count = std::min(static_cast<int>(found.size()), std::max(room, 0));
  std::transform(found.begin(), found.begin() + count, to, [](const serpette::Detection& d) {
    const auto& [x, y, width, height] = d.box;
    return serpette_detection{x, y, width, height, d.score, d.category};
  });
  return count;
}

}  // namespace

extern "C" {

const char* serpette_error(void) { return last_error.c_str(); }

serpette_runtime* serpette_open(const char* plan, int threads) {
  return guarded<serpette_runtime*>(nullptr, [&] {
    return new serpette_runtime{serpette::Runtime(path_of(plan, "plan"), threads)};
  });
}
void serpette_close(serpette_runtime* runtime) { delete runtime; }

int serpette_width(const serpette_runtime* runtime) {
  return guarded(-1, [&] { return opened(runtime).width(); });
}
int serpette_height(const serpette_runtime* runtime) {
  return guarded(-1, [&] { return opened(runtime).height(); });
}
int serpette_classes(const serpette_runtime* runtime) {
  return guarded(-1, [&] { return opened(runtime).classes(); });
}
const char* serpette_class_name(const serpette_runtime* runtime, int class_index) {
  return guarded<const char*>(nullptr, [&] {
    const auto& names = opened(runtime).class_names();
    serpette::require(class_index >= 0 && class_index < static_cast<int>(names.size()), "class",
                      "should be from 0 to {}, got {}", static_cast<int>(names.size()) - 1,
                      class_index);
    return names[static_cast<std::size_t>(class_index)].c_str();
  });
}

int serpette_detect_file(serpette_runtime* runtime, const char* picture, double confidence,
                         serpette_detection* detections, int room) {
  return guarded(-1, [&] {
    return detect(runtime, path_of(picture, "picture"), confidence, detections, room);
  });
}
int serpette_detect_rgb(serpette_runtime* runtime, const unsigned char* rgb, int width, int height,
                        double confidence, serpette_detection* detections, int room) {
  return guarded(-1, [&] {
    return detect(runtime, serpette::Pixels{rgb, width, height}, confidence, detections, room);
  });
}

}  // extern "C"
