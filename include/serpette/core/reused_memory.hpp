#pragma once

#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <unordered_map>

#include "serpette/core/system_memory.hpp"

namespace serpette {

namespace detail {

/// LibTorch's CPU memory, with big blocks kept for the next tensor of about their size. What is
/// held, used or not, stays below 1.25 times the most that was used at one time.
class MemoryPool final : public c10::Allocator {
 public:
  static MemoryPool& instance() {
    static auto* pool = new MemoryPool;  // outlives every tensor
    return *pool;
  }

  /// Takes LibTorch's allocations over, or one user more does.
  void acquire() {
    const std::scoped_lock lock(mutex_);
    if (users_++ == 0) c10::SetCPUAllocator(this);
  }

  /// The last user gives them back, and the system what lies idle. Tensors that live keep theirs.
  void release() {
    const std::scoped_lock lock(mutex_);
    if (--users_ > 0) return;
    if (c10::GetCPUAllocator() == this) c10::SetCPUAllocator(system_);
    drop(0);
    most_used_ = used_;
  }

  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes < kLeast) return system_->allocate(bytes);
    void* memory = take(bytes);
    return {memory, memory, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  /// Bytes of big blocks that tensors use, and that lie idle.
  [[nodiscard]] std::size_t used() const { return locked(used_); }
  [[nodiscard]] std::size_t idle() const { return locked(idle_); }

 private:
  static constexpr std::size_t kLeast = std::size_t{1} << 20;

  struct Idle {
    void* memory;
    std::uint64_t since;
  };

  [[nodiscard]] std::size_t locked(const std::size_t& number) const {
    const std::scoped_lock lock(mutex_);
    return number;
  }

  void* take(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    const auto found = free_.lower_bound(bytes);
    void* memory = nullptr;
    if (found != free_.end() && found->first <= bytes + bytes / 4) {
      bytes = found->first;
      memory = found->second.memory;
      idle_ -= bytes;
      free_.erase(found);
    } else {
      bytes = (bytes + kLeast - 1) / kLeast * kLeast;
      const auto most = std::max(most_used_, used_ + bytes);  // once there is so much
      drop(most / 4 + most - used_ - bytes);
      memory = fresh(bytes);
    }
    used_ += bytes;
    most_used_ = std::max(most_used_, used_);
    size_[memory] = bytes;
    return memory;
  }

  static void give_back(void* memory) { instance().put(memory); }

  void put(void* memory) {
    const std::scoped_lock lock(mutex_);
    const auto found = size_.find(memory);
    if (found == size_.end()) return system_->raw_deleter()(memory);  // was a small one
    const auto bytes = found->second;
    size_.erase(found);
    used_ -= bytes;
    if (users_ == 0) return std::free(memory);
    free_.emplace(bytes, Idle{memory, ++clock_});
    idle_ += bytes;
  }

  /// Returns what has been idle longest to the system, until at most `bytes` are.
  void drop(std::size_t bytes) {
    while (idle_ > bytes) {
      const auto oldest = std::ranges::min_element(
          free_, [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
      idle_ -= oldest->first;
      std::free(oldest->second.memory);
      free_.erase(oldest);
    }
  }

  void* fresh(std::size_t bytes) {
    void* memory = system_memory(bytes);
    if (memory == nullptr) {
      drop(0);
      memory = system_memory(bytes);
      TORCH_CHECK(memory != nullptr, "not enough memory: ", bytes, " bytes wanted");
    }
    return memory;
  }

  c10::Allocator* system_ = c10::GetCPUAllocator();
  mutable std::mutex mutex_;
  std::multimap<std::size_t, Idle> free_;        // by size
  std::unordered_map<void*, std::size_t> size_;  // of what is used
  std::size_t used_ = 0, idle_ = 0, most_used_ = 0;
  std::uint64_t clock_ = 0;
  int users_ = 0;
};

}  // namespace detail

/// While one of these lives, LibTorch's big CPU tensors (from 1 MiB) get the memory that earlier
/// ones of about their size have left. The allocator of the system returns such blocks at once, and
/// training and DeepLIFT then spend up to two fifths of their time on pages that come back empty
/// (glibc, jemalloc and mimalloc beside it: benchmarks/README.md). Any number may live, and tensors
/// may outlive them all. It changes LibTorch's allocator, which no lock guards: a program makes one
/// before its threads start and keeps it to the end; no header of ours does. Numbers do not change.
class ReusedMemory {
 public:
  ReusedMemory() { detail::MemoryPool::instance().acquire(); }
  ~ReusedMemory() { detail::MemoryPool::instance().release(); }
  ReusedMemory(const ReusedMemory&) = delete;
  ReusedMemory& operator=(const ReusedMemory&) = delete;
};

}  // namespace serpette
