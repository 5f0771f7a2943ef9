#include "serpette/core/reused_memory.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace serpette;

namespace {

at::Tensor megabytes(std::int64_t n) { return at::empty({n << 20}, at::kByte); }
auto& pool() { return serpette::detail::MemoryPool::instance(); }

}  // namespace

TEST_CASE("a big tensor gets the memory of the last one of its size, and the system what is left",
          "[core][reused_memory]") {
  auto* const before = c10::GetCPUAllocator();
  auto survivor = at::Tensor();
  {
    const ReusedMemory memory;
    const void* first = megabytes(8).const_data_ptr();
    CHECK(pool().idle() == std::size_t{8} << 20);
    auto second = megabytes(7);
    CHECK(second.const_data_ptr() == first);
    CHECK(pool().idle() == 0);
    const auto third = megabytes(8);
    CHECK(third.const_data_ptr() != first);
    {
      const ReusedMemory inner;
      survivor = at::full({3 << 20}, 5, at::kByte);
    }
    CHECK(c10::GetCPUAllocator() != before);
    CHECK(at::empty({10}).const_data_ptr() != nullptr);  // a small one
    CHECK(pool().used() == std::size_t{8 + 8 + 3} << 20);
    second.reset();
    CHECK(pool().idle() == std::size_t{8} << 20);
  }
  CHECK(c10::GetCPUAllocator() == before);
  CHECK(pool().idle() == 0);
  CHECK(pool().used() == std::size_t{3} << 20);
  CHECK(survivor.eq(5).all().item<bool>());
  survivor.reset();
  CHECK(pool().used() == 0);
  CHECK(pool().idle() == 0);
}

TEST_CASE("what lies idle is bounded by the most that was used at one time",
          "[core][reused_memory]") {
  const ReusedMemory memory;
  std::size_t most = 0;
  for (int n = 2; n < 60; ++n) {
    megabytes(n);
    most = std::max(most, static_cast<std::size_t>(n) << 20);
    CHECK(pool().idle() <= most + most / 4);
  }
}

TEST_CASE("memory that the system refuses does not count as used", "[core][reused_memory]") {
  const ReusedMemory memory;
  CHECK_THROWS_AS(megabytes(std::int64_t{1} << 30), c10::Error);  // 2^50 bytes
  CHECK(pool().used() == 0);
  for (int n = 2; n < 40; ++n) megabytes(n);
  CHECK(pool().idle() <= std::size_t{39 + 39 / 4 + 1} << 20);
}

TEST_CASE("threads share the reused memory", "[core][reused_memory]") {
  const ReusedMemory memory;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&wrong, t] {
      for (int i = 0; i < 50; ++i) {
        const auto mine = at::full({(1 + (i + t) % 5) << 20}, t, at::kByte);
        if (!mine.eq(t).all().item<bool>()) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(pool().used() == 0);
}
