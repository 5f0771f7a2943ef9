#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"

namespace serpette {

/// A pruning ratio: the fraction of weights, kernels or filters that is removed, in [0, 1).
///
/// Kept as an integer number of millionths of a percent, so that `count(n)` = floor(ratio · n) is
/// exact: 25 % of 100 is 25 on every machine, never 24.
class Ratio {
 public:
  constexpr Ratio() = default;

  /// @param percent  whole percents in [0, 100).
  static constexpr Ratio percent(int percent) { return Ratio(std::int64_t{percent} * kUnit); }

  /// The ratios there are: `level(0)` is 0, `level(kLevels − 1)` the last below 1. A search walks
  /// them.
  static constexpr std::int64_t kLevels = 100'000'000;
  static constexpr Ratio level(std::int64_t millionths_of_percent) {
    return Ratio(millionths_of_percent);
  }
  /// The nearest to a fraction: 0.07, which is no double, is 7 %.
  static Ratio nearest(double fraction) {
    return Ratio(std::llround(fraction * static_cast<double>(kLevels)));
  }

  /// Reads percents as people type them: "0", "25", "99.5".
  /// @param place   what errors call it.
  /// @throws Error  if the text is no decimal number in [0, 100), or has more than six decimals.
  static Ratio parse(std::string_view text, std::string_view place = "ratio") {
    const auto point = text.find('.');
    const auto whole = text.substr(0, point);
    const auto decimals =
        point == std::string_view::npos ? std::string_view{} : text.substr(point + 1);
    const auto number = [&](std::string_view digits) {
      const auto value = parse_number<std::int64_t>(digits);
      require(value && digits.front() != '-', place,
              "should be a percentage in [0, 100), got \"{}\"", text);
      return *value;
    };
    require(!whole.empty() && decimals.size() <= 6 &&
                (point == std::string_view::npos || !decimals.empty()),
            place, "should be a percentage in [0, 100) with at most six decimals, got \"{}\"",
            text);
    std::int64_t value = number(whole);
    require(value < 100, place, "should be a percentage in [0, 100), got \"{}\"", text);
    value *= kUnit;
    if (!decimals.empty()) {
      std::int64_t scale = kUnit;
      for (std::size_t i = 0; i < decimals.size(); ++i) scale /= 10;
      value += number(decimals) * scale;
    }
    return Ratio(value);
  }

  /// floor(ratio · n), exactly.
  [[nodiscard]] constexpr std::int64_t count(std::int64_t n) const {
    return n / kLevels * millionths_ +
           n % kLevels * millionths_ / kLevels;  // n · ratio may not fit
  }

  [[nodiscard]] constexpr double fraction() const {
    return static_cast<double>(millionths_) / (100.0 * kUnit);
  }

  /// [%], the double next to what `str` prints: 100 · fraction() may be one beside.
  [[nodiscard]] constexpr double percents() const {
    return static_cast<double>(millionths_) / static_cast<double>(kUnit);
  }

  /// Percents as people write them: "25", "99.5".
  [[nodiscard]] std::string str() const {
    auto text = fmt::format("{}.{:06}", millionths_ / kUnit, millionths_ % kUnit);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  }

  friend constexpr auto operator<=>(Ratio, Ratio) = default;

 private:
  static constexpr std::int64_t kUnit = 1'000'000;
  constexpr explicit Ratio(std::int64_t millionths) : millionths_(millionths) {}

  std::int64_t millionths_ = 0;
};

}  // namespace serpette
