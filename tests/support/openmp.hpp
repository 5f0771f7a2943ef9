#pragma once

/// @file
/// Who computes in parallel regions. A program includes it in one source: it
/// stands before GCC's GOMP_parallel, which every region of GCC's is a call of.

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace serpette::test {

/// Seconds that each thread has computed in parallel regions. Waiting at a region's end does not
/// count, nor does the time that other programs take.
class ParallelRegions {
 public:
  static ParallelRegions& instance() {
    static ParallelRegions regions;
    return regions;
  }

  void clear() {
    const std::scoped_lock lock(mutex_);
    own_.clear();
    all_.clear();
    own_regions_ = 0;
  }

  /// Threads that did at least this share of the work since `clear`, in regions of this program's
  /// own code (templates of LibTorch among it), or in LibTorch's libraries too.
  [[nodiscard]] int own(double share) const { return count(own_, share); }
  [[nodiscard]] int all(double share) const { return count(all_, share); }

  /// Regions of this program's own code since `clear`.
  [[nodiscard]] int own_regions() const { return own_regions_; }
  void begin_own() { ++own_regions_; }

  void add(double seconds, bool is_own) {
    const std::scoped_lock lock(mutex_);
    all_[gettid()] += seconds;
    if (is_own) own_[gettid()] += seconds;
  }

 private:
  using Seconds = std::map<pid_t, double>;

  [[nodiscard]] int count(const Seconds& by_thread, double share) const {
    const std::scoped_lock lock(mutex_);
    double total = 0;
    for (const auto& [thread, seconds] : by_thread) total += seconds;
    int found = 0;
    for (const auto& [thread, seconds] : by_thread) found += seconds > share * total;
    return found;
  }

  mutable std::mutex mutex_;
  Seconds own_, all_;
  std::atomic<int> own_regions_ = 0;
};

/// Files of OpenMP runtimes that are loaded.
inline std::set<std::string> openmp_runtimes() {
  std::set<std::string> found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        const std::string path = info->dlpi_name;
        for (const auto* name : {"libgomp", "libiomp", "libomp"})
          if (path.find(name) != std::string::npos)
            static_cast<std::set<std::string>*>(to)->insert(path);
        return 0;
      },
      &found);
  return found;
}

namespace detail {

struct Region {
  void (*run)(void*);
  void* data;
  bool is_own;
};

inline void run_timed(void* region) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const auto [run, data, is_own] = *static_cast<Region*>(region);
  const double begin = now();
  run(data);
  ParallelRegions::instance().add(now() - begin, is_own);
}

}  // namespace detail
}  // namespace serpette::test

extern "C" __attribute__((visibility("default"))) void GOMP_parallel(void (*run)(void*), void* data,
                                                                     unsigned threads,
                                                                     unsigned flags) {
  using Runtime = void (*)(void (*)(void*), void*, unsigned, unsigned);
  static const auto runtime = reinterpret_cast<Runtime>(dlsym(RTLD_NEXT, "GOMP_parallel"));
  Dl_info of_region{}, of_program{};
  dladdr(reinterpret_cast<void*>(run), &of_region);
  dladdr(reinterpret_cast<void*>(&serpette::test::detail::run_timed), &of_program);
  serpette::test::detail::Region region{run, data, of_region.dli_fbase == of_program.dli_fbase};
  if (region.is_own) serpette::test::ParallelRegions::instance().begin_own();
  runtime(&serpette::test::detail::run_timed, &region, threads, flags);
}
