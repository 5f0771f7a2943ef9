#pragma once

#include <ATen/Parallel.h>
#include <hwy/targets.h>
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <string>

#include "serpette/core/counted.hpp"
#include "serpette/core/in_parallel.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// Who computes cells: so many at once, each on so many threads.
struct Workers {
  int count = 1, threads = 1;
};

/// What numbers depend on besides their configuration: sums of floats come out differently, in the
/// last digits, on other instructions or another number of threads. LibTorch says which
/// instructions it takes, Highway what there are: oneDNN takes AMX or products in bf16 where
/// LibTorch says AVX512 all the same. What holds oneDNN or MKL to others stands in the environment
/// alone.
inline std::string machine_kind(at::Device device, const Workers& workers) {
  if (device.is_cuda())
    return at::globalContext().allowTF32CuDNN() ? "CUDA, products in TF32" : "CUDA";
  const auto targets = hwy::SupportedTargets();  // the lowest bit is the best
  auto kind = fmt::format("{} ({}), {} a cell", at::get_cpu_capability(),
                          hwy::TargetName(targets & -targets), counted(workers.threads, "thread"));
  for (const char* name :
       {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0')
      kind += fmt::format(", {}={}", name, value);
  return kind;
}

/// Lets one of several workers have the machine to itself: the others wait at their next step.
class Turnstile {
 public:
  /// A worker starts: it waits while another is alone, or wants to be.
  void enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return wanting_ == 0; });
    ++active_;
  }
  /// It ends.
  void leave() {
    const std::scoped_lock lock(mutex_);
    --active_;
    changed_.notify_all();
  }

  /// Waits while another worker is alone or wants to be.
  void pass() {
    std::unique_lock lock(mutex_);
    if (wanting_ == 0) return;
    --active_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return wanting_ == 0; });
    ++active_;
  }

  /// A worker from its start to its end, however that comes.
  class Inside {
   public:
    explicit Inside(Turnstile& turnstile) : t_(turnstile) { t_.enter(); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { t_.leave(); }

   private:
    Turnstile& t_;
  };

  /// Holds the others up as long as it lives.
  class Alone {
   public:
    explicit Alone(Turnstile& turnstile) : t_(turnstile) {
      std::unique_lock lock(t_.mutex_);
      ++t_.wanting_;
      --t_.active_;
      t_.changed_.notify_all();
      t_.changed_.wait(lock, [&] { return t_.active_ <= 0 && !t_.taken_; });
      t_.taken_ = true;
    }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
    ~Alone() {
      const std::scoped_lock lock(t_.mutex_);
      t_.taken_ = false;
      --t_.wanting_;
      ++t_.active_;
      t_.changed_.notify_all();
    }

   private:
    Turnstile& t_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int active_ = 0, wanting_ = 0;
  bool taken_ = false;
};

/// Calls `job(i)` for i = 0 … count − 1 from several workers, as `in_parallel` of core/ does, each
/// on its threads and through the turnstile.
template <class Job>
void in_parallel(const Workers& workers, std::size_t count, Turnstile& turnstile, const Job& job) {
  // A worker that ends leaves its threads as they are: MKL has one number for all that still work.
  const struct Threads {
    int before = at::get_num_threads();
    ~Threads() { at::set_num_threads(before); }
  } kept;
  in_parallel(static_cast<std::size_t>(std::max(workers.count, 1)), count, job,
              [&](const auto& work) {
                at::set_num_threads(workers.threads);
                const Turnstile::Inside inside(turnstile);
                work();
              });
}

}  // namespace serpette
