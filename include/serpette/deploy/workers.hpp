#pragma once

/// @internal Threads for the forms.

/// @file
/// OpenMP's threads, LibTorch's where a program has it. No LibTorch.

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <bit>
#include <cstdint>
#include <exception>
#include <utility>

namespace serpette::deploy {

namespace detail {
/// Most threads of what this thread starts; 0: as many as OpenMP says.
inline thread_local int thread_limit = 0;
}  // namespace detail

/// Threads that a plan may compute on here: 1 in a program that is compiled without OpenMP.
inline int available_threads() {
#ifdef _OPENMP
  if (omp_in_parallel() != 0) return 1;
  return detail::thread_limit > 0 ? detail::thread_limit : omp_get_max_threads();
#else
  return 1;
#endif
}

/// While it lives, plans that this thread runs compute on so many threads.
class WithThreads {
 public:
  /// @param threads  0: as many as OpenMP says.
  explicit WithThreads(int threads) : before_(std::exchange(detail::thread_limit, threads)) {}
  ~WithThreads() { detail::thread_limit = before_; }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;

 private:
  int before_;
};

/// As many of the threads as are worth waking for some work.
class Workers {
 public:
  /// @param multiply_adds  of the work.
  explicit Workers(double multiply_adds)
      : most_(static_cast<int>(std::min(1e6, 1 + multiply_adds / kWorthAThread))) {}

  /// Threads that the work is worth.
  [[nodiscard]] int most() const { return most_; }
  /// Of those that there are. All are woken, which takes the longer the more they are.
  [[nodiscard]] int threads() const {
    const int all = available_threads(),
              worth = static_cast<int>(std::bit_width(static_cast<unsigned>(all))) / 2;
    return most_ > worth ? std::min(most_, all) : 1;
  }

  /// Calls f(begin, end) for ranges that make up [0, count), at the same time. What one of them
  /// throws comes out here.
  template <class F>
  void operator()(std::int64_t count, const F& f) const {
    if (threads() == 1 || count <= 1) {
      if (count > 0) f(std::int64_t{0}, count);
      return;
    }
#ifdef _OPENMP
    std::exception_ptr error;
    // All of them, always: GCC's runtime ends threads that a smaller team does not need, and starts
    // them again for the next larger one.
    const int all = available_threads();
#pragma omp parallel num_threads(all)
    {
      const std::int64_t parts = omp_get_num_threads(), part = omp_get_thread_num();
      const auto begin = count * part / parts, end = count * (part + 1) / parts;
      try {
        if (begin < end) f(begin, end);
      } catch (...) {
#pragma omp critical(serpette_workers)
        if (!error) error = std::current_exception();
      }
    }
    if (error) std::rethrow_exception(error);
#endif
  }

 private:
  static constexpr double kWorthAThread = 5e5;  // measured on two cores whose threads are awake

  int most_;
};

/// Threads for passing over numbers, each of which costs as a change of layout does.
inline Workers workers_for(std::int64_t numbers) {
  constexpr double kOneNumber = 17;  // multiply-adds in that time
  return Workers(static_cast<double>(numbers) * kOneNumber);
}

}  // namespace serpette::deploy
