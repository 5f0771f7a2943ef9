#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace serpette {

/// Calls `job(i)` for i = 0 … count − 1, the next free worker taking the next i. What a job throws
/// (memory that ran out, too) ends all of them and comes out here, the first of several.
/// @param workers  threads; with 0 or 1, or where no thread can be started, the calling one.
/// @param around   `around(work)` is called once on each worker and calls `work()`: for what a
/// thread needs before and after.
template <class Job, class Around>
void in_parallel(std::size_t workers, std::size_t count, const Job& job, const Around& around) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    try {
      around([&] {
        for (std::size_t i = next++; i < count; i = next++) job(i);
      });
    } catch (...) {
      next = count;
      const std::scoped_lock lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  if (workers <= 1) {
    work();
  } else {
    workers = std::min(workers, count);
    std::vector<std::jthread> threads;
    threads.reserve(workers);
    try {
      for (std::size_t i = 0; i < workers; ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {  // the system has no more threads: fewer will do
      if (threads.empty()) work();
    }
  }
  if (error) std::rethrow_exception(error);
}
template <class Job>
void in_parallel(std::size_t workers, std::size_t count, const Job& job) {
  in_parallel(workers, count, job, [](const auto& work) { work(); });
}

/// By the calling thread, where a function asks for `parallel`:  parallel(count, f) calls f(begin,
/// end) for ranges that make up [0, count), perhaps at the same time.
struct Serially {
  template <class F>
  void operator()(std::int64_t count, const F& f) const {
    if (count > 0) f(std::int64_t{0}, count);
  }
};

}  // namespace serpette
