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
#include <utility>

#include "serpette/deploy/team.hpp"

namespace serpette::deploy {

namespace detail {
/// Most threads of what this thread starts; 0: as many as OpenMP says.
inline thread_local int thread_limit = 0;
}  // namespace detail

/// Threads that a plan may compute on here: 1 in a program that is compiled without OpenMP.
inline int available_threads() {
#ifdef _OPENMP
  if (const auto* team = Team::at_hand()) return team->size();
  if (omp_in_parallel() != 0) return 1;
  return detail::thread_limit > 0 ? detail::thread_limit : omp_get_max_threads();
#else
  return 1;
#endif
}

/// While it lives, plans that this thread runs compute on so many threads; within another plan, on
/// that one's.
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
  /// Of those that there are. All take part, which costs the more the more they are, and three
  /// times as much where they are yet to be gathered.
  [[nodiscard]] int threads() const {
    const int all = available_threads(),
              worth = static_cast<int>(std::bit_width(static_cast<unsigned>(all))) / 2,
              cost = Team::at_hand() != nullptr ? 1 : 3;
    return most_ > cost * worth ? std::min(most_, all) : 1;
  }

  /// Calls f(begin, end) for ranges that make up [0, count), at the same time. What one of them
  /// throws comes out here.
  template <class F>
  void operator()(std::int64_t count, const F& f) const {
    if (threads() == 1 || count <= 1) {
      if (count > 0) f(std::int64_t{0}, count);
      return;
    }
    stand_by([&] {
      auto& team = *Team::at_hand();
      const auto parts = std::min<std::int64_t>(team.size(), count);
      team.share([&](std::int64_t part) {
        if (part < parts) f(count * part / parts, count * (part + 1) / parts);
      });
    });
  }

  /// Does work() on this thread, with a team gathered if this, its largest part, is worth one.
  template <class Work>
  void stand_by(const Work& work) const {
    // All of them, always: GCC's runtime ends threads that a smaller team does not need, and starts
    // them again for the next larger one.
    Team::gather(threads() > 1 ? available_threads() : 1, work);
  }

 private:
  static constexpr double kWorthAThread = 1e5;  // of a team of two; measured on a Zen 4

  int most_;
};

/// Into how many parts each piece of some work is cut, so that threads which take equal runs of the
/// parts have about as much to do as each other.
/// @param most  parts that a piece has.
inline std::int64_t parts_of_each(std::int64_t pieces, int threads, std::int64_t most) {
  constexpr double kEven = 0.95;
  std::int64_t found = 1;
  double evenest = 0;
  for (std::int64_t parts = 1; parts <= most && evenest < kEven; ++parts) {
    const auto all = pieces * parts, largest = (all + threads - 1) / threads;
    const double even = static_cast<double>(all) / static_cast<double>(largest * threads);
    if (even > evenest) found = parts;
    evenest = std::max(evenest, even);
  }
  return found;
}

/// Threads for passing over numbers, each of which costs as a change of layout does.
inline Workers workers_for(std::int64_t numbers) {
  constexpr double kOneNumber = 17;  // multiply-adds in that time
  return Workers(static_cast<double>(numbers) * kOneNumber);
}

}  // namespace serpette::deploy
