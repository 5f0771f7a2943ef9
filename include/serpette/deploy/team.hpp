#pragma once

/// @internal Threads for a whole image.

/// @file
/// OpenMP's threads, LibTorch's where a program has it. No LibTorch.

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

namespace serpette::deploy {

namespace detail {

/// How often a thread of a team looks for its next part before it sleeps: for some 50 µs, as long
/// as it takes to be woken, since the processor may be wanted by the one that it waits for. As
/// OpenMP has it, not at all under OMP_WAIT_POLICY=passive.
inline int patience = [] {
  const char* said = std::getenv("OMP_WAIT_POLICY");
  const auto is_same = [](char a, char b) { return std::tolower(a) == b; };
  return said != nullptr &&
                 std::ranges::equal(std::string_view(said), std::string_view("passive"), is_same)
             ? 0
             : 1'000;
}();

/// Threads of all teams that there are now.
inline std::atomic<int> gathered_threads = 0;

/// Tells the processor that this thread looks again and again.
inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace detail

/// OpenMP's threads, of which the first, their leader, does some work and has the others at hand
/// for parts of it. They wait awake: a part begins and ends in .4 µs where a parallel region of its
/// own takes 1.3 (two threads, Zen 4), and a small detector has fifty layers of 5 µs.
class Team {
 public:
  /// The team that this thread leads, and may give a part to; null if there is none.
  [[nodiscard]] static Team* at_hand() { return led(); }

  /// Does work() on this thread as the leader of a team, or of the one that it leads already. What
  /// `work` throws comes out here.
  /// @param threads  of the team, if OpenMP has as many.
  template <class Work>
  static void gather([[maybe_unused]] int threads, const Work& work) {
#ifdef _OPENMP
    if (threads > 1 && at_hand() == nullptr) {
      Team team(threads);
      std::exception_ptr error;
#pragma omp parallel num_threads(threads)
      if (omp_get_thread_num() == 0) {
        team.size_ = omp_get_num_threads();
        led() = &team;
        try {
          work();
        } catch (...) {
          error = std::current_exception();
        }
        led() = nullptr;
        team.give({});
      } else {
        team.follow(omp_get_thread_num());
      }
      if (error) std::rethrow_exception(error);
      return;
    }
#endif
    work();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  /// Threads, the leader among them.
  [[nodiscard]] int size() const { return size_; }

  /// Calls f(part) for part = 0 … size() − 1, each on a thread of its own, at the same time. What
  /// one of them throws comes out here.
  template <class F>
  void share(const F& f) {
    parts_left_.store(size_ - 1, std::memory_order_relaxed);
    give({[](const void* of, int part) { (*static_cast<const F*>(of))(part); }, &f});
    led() = nullptr;  // what a part has to share it does alone
    run(job_, 0);
    led() = this;
    for (int left = parts_left_; left != 0;) left = await_not(parts_left_, left);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  struct Job {
    void (*run)(const void* of, int part) = nullptr;  // null: the work is done
    const void* of = nullptr;
  };

#ifdef _OPENMP
  explicit Team(int threads) : wanted_(threads) {
    static const int processors = omp_get_num_procs();  // a system call
    // Who waits awake must not do so on a processor that another thread is to compute on.
    const int all = detail::gathered_threads += wanted_;
    patience_ = all <= processors ? detail::patience : 0;
  }
  ~Team() { detail::gathered_threads -= wanted_; }
#endif

  static Team*& led() {
    thread_local Team* team = nullptr;
    return team;
  }

  void give(const Job& job) {
    job_ = job;
    ++turn_;
    turn_.notify_all();
  }

  void follow(int part) {
    for (int turn = 0;;) {
      turn = await_not(turn_, turn);
      if (job_.run == nullptr) return;
      run(job_, part);
      if (--parts_left_ == 0) parts_left_.notify_one();
    }
  }

  void run(const Job& job, int part) {
    try {
      job.run(job.of, part);
    } catch (...) {
#ifdef _OPENMP
#pragma omp critical(serpette_team)
#endif
      if (!error_) error_ = std::current_exception();
    }
  }

  /// The first value that is another one.
  [[nodiscard]] int await_not(const std::atomic<int>& value, int old) const {
    for (int times = 0;; ++times) {
      if (const int now = value.load(std::memory_order_acquire); now != old) return now;
      if (times < patience_)
        detail::pause();
      else
        value.wait(old);
    }
  }

  // A line of the cache for what the leader writes, and one for what all write.
  alignas(64) std::atomic<int> turn_{0};
  Job job_;
  int size_ = 1, wanted_ = 1, patience_ = 0;
  alignas(64) std::atomic<int> parts_left_{0};
  std::exception_ptr error_;
};

}  // namespace serpette::deploy
