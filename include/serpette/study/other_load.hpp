#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

#include "serpette/metric/stopwatch.hpp"

namespace serpette {

/// How busy other processes keep this machine while it lives: times that are taken meanwhile are
/// too long.
class OtherLoad {
 public:
  /// Cores' worth of work that others did since this was made, on average; 0 where the machine does
  /// not tell (no /proc/stat), or not yet: its clock ticks a hundred times a second.
  [[nodiscard]] double cores() const {
    constexpr double kShortest = 0.2;  // [s]
    const double elapsed = watch_.seconds();
    if (!all_ || elapsed < kShortest) return 0;
    const auto now = machine_seconds();
    if (!now) return 0;
    return std::max(0.0, (*now - *all_) - (own_seconds() - own_)) / elapsed;
  }

 private:
  /// Processor time that everybody used since the machine started [s].
  static std::optional<double> machine_seconds() {
    std::ifstream file("/proc/stat");
    std::string cpu;
    double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0;  // [ticks]
    if (!(file >> cpu >> user >> nice >> system >> idle >> wait >> irq >> soft) || cpu != "cpu")
      return std::nullopt;
    return (user + nice + system + irq + soft) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  /// And that this process did.
  static double own_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  Stopwatch watch_;
  std::optional<double> all_ = machine_seconds();
  double own_ = own_seconds();
};

}  // namespace serpette
