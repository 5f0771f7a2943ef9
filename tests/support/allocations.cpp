// malloc and its like, with a counter: a matter of the whole program that links this. Each hands on
// to glibc's own, so that `free` needs no other. An address sanitizer has those names for itself,
// and a hook.
#include "support/allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SERPETTE_SANITIZED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SERPETTE_SANITIZED
#endif

namespace {

std::atomic<bool> is_counting{false};
std::atomic<std::int64_t> taken{0};

[[maybe_unused]] void note() {
  if (is_counting.load(std::memory_order_relaxed)) taken.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

#if defined(SERPETTE_SANITIZED)

// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer's own name
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*taking)(const volatile void*,
                                                                        std::size_t),
                                                         void (*freeing)(const volatile void*));

namespace {
const bool kCounts =
    __sanitizer_install_malloc_and_free_hooks([](const volatile void*, std::size_t) { note(); },
                                              [](const volatile void*) {}) != 0;
}  // namespace

#elif defined(__GLIBC__)

namespace {
constexpr bool kCounts = true;
}  // namespace

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier): glibc's own names
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(std::size_t size) noexcept {
  note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) noexcept {
  note();
  return __libc_realloc(block, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  note();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  note();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
    return EINVAL;
  note();
  void* const found = __libc_memalign(alignment, size);
  if (found == nullptr) return ENOMEM;
  *block = found;
  return 0;
}

}  // extern "C"

#else

namespace {
constexpr bool kCounts = false;
}  // namespace

#endif

namespace serpette::test {

bool counts_allocations() { return kCounts; }

void begin_counting() {
  taken = 0;
  is_counting = true;
}

std::int64_t end_counting() {
  is_counting = false;
  return taken;
}

}  // namespace serpette::test
