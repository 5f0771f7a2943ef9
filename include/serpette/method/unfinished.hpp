#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "serpette/method/checkpoint.hpp"
#include "serpette/metric/stopwatch.hpp"

namespace serpette {

/// A training between two steps, and how many batches it has taken from its source.
struct LeftTraining {
  TrainingState training;
  std::int64_t batches = 0;
};

/// A stage that is being computed: what it has taken so far, and where its training is kept between
/// two steps, so that a killed run goes on within the stage. A file of another training, or not the
/// bytes that were written, counts as none.
class Unfinished {
 public:
  /// @param file     none, where nothing is to be kept.
  /// @param key      all that the training depends on.
  /// @param unreadable  counts the training images that have turned out unreadable.
  /// @param minutes  between two keepings: what a kill can cost.
  Unfinished(std::optional<std::filesystem::path> file, std::string key,
             std::function<std::int64_t()> unreadable, double minutes = 5)
      : file_(std::move(file)),
        key_(std::move(key)),
        count_(std::move(unreadable)),
        minutes_(minutes) {}

  /// What an earlier run left.
  std::optional<LeftTraining> load() {
    auto found = file_ ? read_checkpoint(*file_) : std::nullopt;
    if (!found || found->configuration != key_) return std::nullopt;
    LeftTraining left{.training = std::move(found->training)};
    std::istringstream notes(found->notes);
    notes >> left.batches >> seconds_before_ >> unreadable_before_;
    return left;
  }

  /// Whether it is time to keep the training again.
  [[nodiscard]] bool is_due() const { return file_ && since_kept_.seconds() >= 60 * minutes_; }

  void keep(LeftTraining left) {
    if (!file_) return;
    save_checkpoint(*file_,
                    {.configuration = key_,
                     .notes = fmt::format("{} {} {}", left.batches, seconds(), unreadable()),
                     .training = std::move(left.training)});
    since_kept_ = {};
  }

  /// Counts the time of what this stage stands for as well: stages before it.
  void count(double seconds) { seconds_before_ += seconds; }

  /// Computing time, of earlier runs too.
  [[nodiscard]] double seconds() const { return seconds_before_ + since_begun_.seconds(); }
  /// Training images that have turned out unreadable, in earlier runs too.
  [[nodiscard]] std::int64_t unreadable() const { return std::max(unreadable_before_, count_()); }

 private:
  std::optional<std::filesystem::path> file_;
  std::string key_;
  std::function<std::int64_t()> count_;
  double minutes_, seconds_before_ = 0;
  std::int64_t unreadable_before_ = 0;
  Stopwatch since_begun_, since_kept_;
};

}  // namespace serpette
