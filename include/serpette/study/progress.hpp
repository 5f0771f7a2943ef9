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
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "serpette/study/cells.hpp"
#include "serpette/study/estimate.hpp"
#include "serpette/study/other_load.hpp"
#include "serpette/study/workers.hpp"

namespace serpette {

/// "1:02:03", "4:05".
inline std::string clock_text(double seconds) {
  const auto s = std::llround(std::max(0.0, seconds));
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

/// An observer for programs: one live line on a terminal (cells done, running and failed, stage,
/// loss, time left, last AP50); in a pipe one plain line per cell, and one a minute between them.
/// Ctrl-C, a hangup and a termination end the run at the next step; the same signal again ends the
/// process at once. A signal that was ignored before (`nohup`, a shell's background job) stays so.
/// Several workers may report to one Progress.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param cells  how many there are to do; 0 for work that is not of cells.
  /// @param quiet  between two lines in a pipe.
  explicit Progress(std::int64_t cells = 0, Clock::duration quiet = std::chrono::minutes(1))
      : cells_(cells), quiet_(quiet), live_(::isatty(STDERR_FILENO) != 0) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      struct ::sigaction known {};
      const bool is_ignored =
          ::sigaction(signal, nullptr, &known) == 0 && known.sa_handler == SIG_IGN;
      if (!is_ignored) std::signal(signal, note_signal);
    }
  }

  /// What there is to do in all, and how many will do it: what the time left is estimated from.
  void on_plan(const Work& work, int workers) {
    const std::scoped_lock lock(mutex_);
    estimate_.plan(work);
    workers_ = workers;
  }

  /// What the attacks of a suite cost, for the same estimate.
  void on_suite(const std::vector<Trial>& suite) {
    const std::scoped_lock lock(mutex_);
    estimate_.weigh(suite);
  }

  void on_stage(std::string_view stage, std::int64_t steps) {
    const std::scoped_lock lock(mutex_);
    auto& worker = end_stage();
    worker.stage = stage;
    worker.steps = steps;
    worker.done = worker.skipped = 0;
    worker.begin = worker.last;
    draw(worker, std::nan(""));
  }
  /// Steps of the stage that an earlier run made: no measure of how long the rest takes, and no
  /// part of it.
  void on_known_steps(std::int64_t steps) {
    const std::scoped_lock lock(mutex_);
    auto& worker = workers_now_[std::this_thread::get_id()];
    worker.done = worker.skipped = steps;
    estimate_.drop({{worker.stage, static_cast<double>(steps)}});
    take_off(worker, steps);
  }
  void on_step(std::int64_t step, double loss) {
    const auto before = Clock::now();  // what follows may be a long wait for others
    turnstile_.pass();
    const std::scoped_lock lock(mutex_);
    auto& worker = workers_now_[std::this_thread::get_id()];
    advance(worker, step - worker.done, before);
    worker.done = step;
    draw(worker, loss);
  }

  /// A cell that was finished by an earlier run.
  void on_known_cell() {
    const std::scoped_lock lock(mutex_);
    ++known_;
  }

  /// A worker begins stages that cells share; `on_shared` ends them, whoever computed them.
  /// @param work  of the plan.
  void on_shared_begin(const Work& work) {
    const std::scoped_lock lock(mutex_);
    auto& worker = workers_now_[std::this_thread::get_id()] = {};
    worker.work = work;
  }
  void on_shared() {
    const std::scoped_lock lock(mutex_);
    end_work(false);
  }

  /// A worker begins a cell; `on_cell` or `on_failed_cell` ends it.
  /// @param work  of the plan.
  void on_cell_begin(const Work& work = {}) {
    const std::scoped_lock lock(mutex_);
    auto& worker = workers_now_[std::this_thread::get_id()] = {};
    worker.work = work;
    ++running_;
  }
  void on_failed_cell(std::string_view cell, std::string_view reason) {
    const std::scoped_lock lock(mutex_);
    end_work(false);
    --running_;
    ++failed_;
    clear();
    fmt::print(stderr, "{} failed: {}\n", cell, reason);
  }
  void on_cell(const CellRow& row) {
    const std::scoped_lock lock(mutex_);
    end_work(true);
    --running_;
    ++done_;
    last_ap50_ = row.ap50;
    if (!live_) drawn_ = Clock::now();
    clear();
    fmt::print(
        "{} run {} ratio {:>4} %  AP50 {:.3f}  robust {:.3f}  {} parameters  network {:.2f} ms{}\n",
        row.scenario, row.run, row.ratio, row.ap50, row.robust_ap50, row.parameters, row.ms_network,
        cells_ > 0 ? fmt::format("  [{}/{}, {} left]", over(), cells_, clock_text(left())) : "");
    std::fflush(stdout);
  }

  /// The machine for the calling worker alone, while times are taken.
  class Alone {
   public:
    explicit Alone(Progress& progress) : progress_(progress), others_(progress.turnstile_) {}
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
    ~Alone() {  // NOLINT(bugprone-exception-escape): std::bad_alloc alone
      progress_.on_times_taken(load_.cores());
    }

   private:
    Progress& progress_;
    Turnstile::Alone others_;
    OtherLoad load_;
  };
  [[nodiscard]] Alone alone() { return Alone(*this); }
  [[nodiscard]] Turnstile& turnstile() { return turnstile_; }
  [[nodiscard]] bool stop_requested() const { return interrupted() != 0; }
  /// Whether it was Ctrl-C that asked for the stop, and not who wants the process gone.
  [[nodiscard]] bool stopped_by_hand() const { return interrupted() == SIGINT; }
  /// Goes on until the next signal, with what is to be done after a stop.
  void resume() { interrupted() = 0; }
  [[nodiscard]] double seconds() const { return since(start_); }

  /// Removes the live line, so that other output starts at the margin.
  void clear() const {
    if (live_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  /// What one worker is at.
  struct Worker {
    std::string stage;
    std::int64_t steps = 0, done = 0;  ///< Of the stage.
    std::int64_t skipped = 0;          ///< Those that an earlier run made.
    Clock::time_point begin = Clock::now(), last = begin;
    Work work;  ///< Left of its cell.
  };

  static void note_signal(int signal) {
    // Who ends a process may tell it and then its group, as `timeout` does: that is one signal.
    constexpr Clock::duration kOne = std::chrono::seconds(1);
    const auto now = Clock::now().time_since_epoch().count();
    if (interrupted() != signal) {
      interrupted_at() = now;
    } else if (now - interrupted_at() > kOne.count()) {
      std::signal(signal, SIG_DFL);
      std::raise(signal);  // arrives when this returns
    }
    interrupted() = signal;
  }
  /// The signal that asked for a stop; 0: none.
  static std::atomic<int>& interrupted() {
    static std::atomic<int> signal{0};
    return signal;
  }
  /// When it came first, in ticks of the clock.
  static std::atomic<Clock::rep>& interrupted_at() {
    static std::atomic<Clock::rep> ticks{0};
    return ticks;
  }
  static double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  /// Times are of this machine as it was: says once that others computed on it meanwhile.
  void on_times_taken(double others) {
    constexpr double kQuiet = 0.2;
    const std::scoped_lock lock(mutex_);
    if (others < kQuiet || told_busy_) return;
    told_busy_ = true;
    clear();
    // Not fmt::print, which throws where nobody listens: this is a destructor's.
    const auto note = fmt::format(
        "note: other processes kept {:.1f} cores busy while times were taken, which are too long "
        "so; --time-again takes them anew when the machine is quiet\n",
        others);
    std::fputs(note.c_str(), stderr);
  }

  void advance(Worker& worker, std::int64_t steps, Clock::time_point now) {
    if (steps > 0) {
      const std::chrono::duration<double> spent = now - worker.last;
      estimate_.did(worker.stage, static_cast<double>(steps), spent.count());
      take_off(worker, steps);
    }
    worker.last = Clock::now();
  }
  /// Steps of its stage are not left of what the worker was to do.
  static void take_off(Worker& worker, std::int64_t steps) {
    if (const auto own = worker.work.find(worker.stage); own != worker.work.end())
      own->second = std::max(0.0, own->second - static_cast<double>(steps));
  }
  /// The calling worker's stage is over; of those that report no steps all were done at once,
  /// unless it failed.
  Worker& end_stage(bool is_done = true) {
    auto& worker = workers_now_[std::this_thread::get_id()];
    advance(worker, is_done && worker.done == 0 ? worker.steps : 0, Clock::now());
    return worker;
  }
  /// What the calling worker was to do is over: what is left of it is not to be done any more.
  void end_work(bool is_done) {
    estimate_.drop(end_stage(is_done).work);
    workers_now_.erase(std::this_thread::get_id());
  }

  /// Cells that nothing is left to do for.
  [[nodiscard]] std::int64_t over() const { return known_ + done_ + failed_; }
  [[nodiscard]] double left() const { return estimate_.left(workers_); }

  /// Width of the terminal.
  static std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  void draw(const Worker& worker, double loss) {
    const auto now = Clock::now();
    if (!live_) {
      if (worker.done == 0 || now - std::max(drawn_, start_) < quiet_) return;
      drawn_ = now;
      fmt::print(stderr, "{}\n", line_of(worker, loss));
      return;
    }
    if (worker.done > 0 && worker.done < worker.steps &&
        now - drawn_ < std::chrono::milliseconds(100))
      return;
    drawn_ = now;
    auto line = line_of(worker, loss);
    line.resize(std::min(line.size(), columns() - 1));  // a second row could not be taken back
    clear();
    fmt::print(stderr, "{}", line);
    std::fflush(stderr);
  }

  [[nodiscard]] std::string line_of(const Worker& worker, double loss) const {
    std::string line;
    if (cells_ > 0)
      line += fmt::format("[{}/{}, {} running{}{}] ", over(), cells_, running_,
                          failed_ > 0 ? fmt::format(", {} failed", failed_) : "",
                          estimate_.known() ? fmt::format(", {} left", clock_text(left())) : "");
    line += worker.stage;
    if (worker.steps > 0) line += fmt::format(" {}/{}", worker.done, worker.steps);
    if (std::isfinite(loss)) line += fmt::format("  loss {:.3f}", loss);
    if (done_ > 0) line += fmt::format("  last AP50 {:.3f}", last_ap50_);
    if (cells_ == 0 && worker.done > worker.skipped) {
      const auto rest = static_cast<double>(worker.steps - worker.done);
      line += fmt::format("  {} left",
                          clock_text(since(worker.begin) /
                                     static_cast<double>(worker.done - worker.skipped) * rest));
    }
    return line;
  }

  std::mutex mutex_;
  Turnstile turnstile_;
  Estimate estimate_;
  int workers_ = 1;
  std::int64_t cells_, done_ = 0, known_ = 0, failed_ = 0, running_ = 0;
  double last_ap50_ = 0;
  Clock::duration quiet_;
  bool live_, told_busy_ = false;
  std::unordered_map<std::thread::id, Worker> workers_now_;
  Clock::time_point start_ = Clock::now(), drawn_{};
};

}  // namespace serpette
