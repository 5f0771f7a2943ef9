#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/csv.hpp"

namespace serpette {

/// What a training's log says of some steps. NaN: not evaluated there.
struct LogRow {
  std::int64_t step = 0;     ///< The last of them, from 1.
  double learning_rate = 0;  ///< Of that step.
  double loss = 0;           ///< Per image, mean over the steps since the row before.
  double ap = std::numeric_limits<double>::quiet_NaN(), ap50 = ap;  ///< On validation data.
  double robust_ap = ap, robust_ap50 = ap;                          ///< There under the attack.

  /// What networks are compared by: AP50 under the attack where there is one.
  [[nodiscard]] double merit() const { return std::isnan(robust_ap50) ? ap50 : robust_ap50; }
};

/// The log of a training, as its file `log.csv` has it, and what follows from it: the best
/// evaluation, and how long it is past.
class TrainingLog {
 public:
  void add_loss(double loss) {
    sum_ += loss;
    ++count_;
  }
  /// Ends a row at this step: of the losses since the one before.
  /// @param row  all but the loss.
  void close(LogRow row) {
    row.loss = count_ > 0 ? sum_ / count_ : std::numeric_limits<double>::quiet_NaN();
    sum_ = count_ = 0;
    rows_.push_back(row);
  }

  [[nodiscard]] const std::vector<LogRow>& rows() const { return rows_; }

  /// The evaluation with the highest merit, of equals the latest; nullptr before the first.
  [[nodiscard]] const LogRow* best() const {
    const LogRow* found = nullptr;
    for (const auto& row : rows_)
      if (!std::isnan(row.merit()) && (!found || row.merit() >= found->merit())) found = &row;
    return found;
  }
  /// Evaluations since one was better than all before it.
  [[nodiscard]] std::int64_t evaluations_without_gain() const {
    double highest = -1;
    std::int64_t since = 0;
    for (const auto& row : rows_)
      if (!std::isnan(row.merit())) {
        since = row.merit() > highest ? 0 : since + 1;
        highest = std::max(highest, row.merit());
      }
    return since;
  }

  /// The file: a line per row, empty where nothing was evaluated.
  [[nodiscard]] std::string csv() const {
    CsvWriter csv;
    csv.row("step", "learning_rate", "loss", "AP", "AP50", "robust_AP", "robust_AP50");
    const auto text = [](double value) {
      return std::isnan(value) ? std::string() : fmt::format("{}", value);
    };
    for (const auto& r : rows_)
      csv.row(r.step, r.learning_rate, text(r.loss), text(r.ap), text(r.ap50), text(r.robust_ap),
              text(r.robust_ap50));
    return std::string(csv.text());
  }

  /// All of it as text, rows that are not closed yet too: `parse(state())` goes on from there.
  [[nodiscard]] std::string state() const { return fmt::format("{},{}\n{}", sum_, count_, csv()); }
  /// @param place  what errors call it.
  /// @throws Error  if it is no such text.
  static TrainingLog parse(std::string_view state, const std::string& place) {
    static constexpr std::string_view kColumns[] = {"step", "learning_rate", "loss",       "AP",
                                                    "AP50", "robust_AP",     "robust_AP50"};
    TrainingLog log;
    const auto line = state.substr(0, state.find('\n'));
    const auto comma = std::min(line.find(','), line.size());
    const auto sum = parse_number<double>(line.substr(0, comma)),
               count = parse_number<double>(line.substr(std::min(comma + 1, line.size())));
    require(sum && count, place, "should begin with the losses of an open row, got \"{}\"", line);
    log.sum_ = *sum;
    log.count_ = *count;
    CsvReader csv(place, std::string(state.substr(std::min(state.size(), line.size() + 1))),
                  kColumns);
    while (csv.next())
      log.rows_.push_back({csv.integer(0), csv.number(1), csv.number_or_nan(2),
                           csv.number_or_nan(3), csv.number_or_nan(4), csv.number_or_nan(5),
                           csv.number_or_nan(6)});
    return log;
  }

 private:
  std::vector<LogRow> rows_;
  double sum_ = 0, count_ = 0;  ///< Losses since the last row.
};

}  // namespace serpette
