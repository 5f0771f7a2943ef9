#pragma once

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "serpette/study/cells.hpp"
#include "serpette/study/workers.hpp"

namespace serpette {

/// "1:02:03", "4:05".
inline std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

/// An observer for programs: one live line on a terminal (cells done, running and failed, stage,
/// loss, time left, last AP50), one plain line per cell in a pipe; Ctrl-C ends the run at the next
/// step. Several workers may report to one Progress.
class Progress {
 public:
  /// @param cells  how many there are to do, for the estimate of the time left.
  explicit Progress(std::int64_t cells = 0) : cells_(cells), live_(::isatty(STDERR_FILENO) != 0) {
    std::signal(SIGINT, [](int) { interrupted() = true; });
    std::signal(SIGTERM, [](int) { interrupted() = true; });
  }

  void on_stage(std::string_view stage, std::int64_t steps) {
    const std::lock_guard lock(mutex_);
    stages_[std::this_thread::get_id()] = {std::string(stage), steps,
                                           std::chrono::steady_clock::now()};
    draw(0, std::nan(""));
  }
  void on_step(std::int64_t step, double loss) {
    turnstile_.pass();
    const std::lock_guard lock(mutex_);
    draw(step, loss);
  }

  /// A cell that was finished by an earlier, interrupted run: no part of the estimate.
  void on_known_cell() {
    const std::lock_guard lock(mutex_);
    ++known_;
  }

  /// A worker begins a cell; `on_cell` or `on_failed_cell` ends it.
  void on_cell_begin() {
    const std::lock_guard lock(mutex_);
    if (!first_cell_) first_cell_ = std::chrono::steady_clock::now();
    ++running_;
  }
  void on_failed_cell(std::string_view cell, std::string_view reason) {
    const std::lock_guard lock(mutex_);
    --running_;
    ++failed_;
    clear();
    fmt::print(stderr, "{} failed: {}\n", cell, reason);
  }
  void on_cell(const CellRow& row) {
    const std::lock_guard lock(mutex_);
    --running_;
    ++done_;
    last_ap50_ = row.ap50;
    clear();
    fmt::print(
        "{} run {} ratio {:>4} %  AP50 {:.3f}  robust {:.3f}  {} parameters  network {:.2f} ms{}\n",
        row.scenario, row.run, row.ratio, row.ap50, row.robust_ap50, row.parameters, row.ms_network,
        cells_ > 0 ? fmt::format("  [{}/{}, {} left]", over(), cells_, clock_text(left())) : "");
    std::fflush(stdout);
  }

  [[nodiscard]] Turnstile::Alone alone() { return Turnstile::Alone(turnstile_); }
  [[nodiscard]] Turnstile& turnstile() { return turnstile_; }
  [[nodiscard]] bool stop_requested() const { return interrupted(); }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  /// Removes the live line, so that other output starts at the margin.
  void clear() const {
    if (live_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  static std::atomic<bool>& interrupted() {
    static std::atomic<bool> flag{false};
    return flag;
  }

  /// Cells that nothing is left to do for.
  [[nodiscard]] std::int64_t over() const { return known_ + done_ + failed_; }

  /// By the pace of the cells alone: the stages they share were done before the first began.
  [[nodiscard]] double left() const {
    const auto tried = done_ + failed_;
    if (tried == 0) return 0;
    const std::chrono::duration<double> spent =
        std::chrono::steady_clock::now() - first_cell_.value_or(start_);
    return spent.count() / static_cast<double>(tried) * static_cast<double>(cells_ - over());
  }

  /// Width of the terminal.
  static std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  /// The calling worker's stage.
  void draw(std::int64_t step, double loss) {
    if (!live_) return;
    const auto now = std::chrono::steady_clock::now();
    const auto& [name, steps, begin] = stages_[std::this_thread::get_id()];
    if (step > 0 && step < steps && now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    std::string line;
    if (cells_ > 0)
      line += fmt::format("[{}/{}, {} running{}{}] ", over(), cells_, running_,
                          failed_ > 0 ? fmt::format(", {} failed", failed_) : "",
                          done_ > 0 ? fmt::format(", {} left", clock_text(left())) : "");
    line += name;
    if (steps > 0) line += fmt::format(" {}/{}", step, steps);
    if (std::isfinite(loss)) line += fmt::format("  loss {:.3f}", loss);
    if (done_ > 0) line += fmt::format("  last AP50 {:.3f}", last_ap50_);
    if (cells_ == 0 && step > 0 && steps > 0) {
      const std::chrono::duration<double> spent = now - begin;
      line += fmt::format("  {} left", clock_text(spent.count() / static_cast<double>(step) *
                                                  static_cast<double>(steps - step)));
    }
    line.resize(std::min(line.size(), columns() - 1));  // a second row could not be taken back
    clear();
    fmt::print(stderr, "{}", line);
    std::fflush(stderr);
  }

  std::mutex mutex_;
  Turnstile turnstile_;
  std::int64_t cells_, done_ = 0, known_ = 0, failed_ = 0, running_ = 0;
  double last_ap50_ = 0;
  bool live_;
  struct Stage {
    std::string name;
    std::int64_t steps = 0;
    std::chrono::steady_clock::time_point begin{};
  };
  std::unordered_map<std::thread::id, Stage> stages_;  // every worker's
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), drawn_{};
  std::optional<std::chrono::steady_clock::time_point> first_cell_;
};

}  // namespace serpette
