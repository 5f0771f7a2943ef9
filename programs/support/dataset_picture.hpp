#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/data/data_statistics.hpp"

namespace serpette::cli {

/// Statistics of one of several data sets, as its picture shows them.
struct ShownStatistics {
  std::string name;
  DataStatistics statistics;
  bool has_files = false;  ///< Whether its pictures were read.
};

/// What data sets share.
struct SharedData {
  std::int64_t listed_twice = 0;  ///< Pictures in more than one.
  std::int64_t equal_files = 0;   ///< Of equal bytes, in one or several.
};

namespace detail {

/// Rows of labels and bars, from top to bottom.
class BarPage {
 public:
  void title(std::string_view text) {
    y_ += kTop;
    fmt::format_to(to_, "<text x='8' y='{}' font-weight='bold'>{}</text>\n", y_ - 10,
                   escaped(text));
  }
  void bar(std::string_view label, std::int64_t value, std::int64_t most) {
    const double length = most > 0 ? double(kBar) * double(value) / double(most) : 0;
    fmt::format_to(to_,
                   "<text x='{}' y='{}' text-anchor='end'>{}</text>"
                   "<rect x='{}' y='{}' width='{:.1f}' height='{}' fill='#3b6ea5'/>"
                   "<text x='{:.1f}' y='{}'>{}</text>\n",
                   kLabel - 8, y_ + 15, escaped(label), kLabel, y_ + 3, length, kRow - 6,
                   kLabel + length + 6, y_ + 15, value);
    y_ += kRow;
  }
  [[nodiscard]] std::string svg() const {
    return fmt::format(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 {0} {1}' "
        "font-family='sans-serif' font-size='13'>\n<rect width='100%' height='100%' "
        "fill='white'/>\n{2}</svg>\n",
        kWidth, y_ + 12, text_);
  }

 private:
  static constexpr int kRow = 22, kLabel = 220, kBar = 420, kWidth = kLabel + kBar + 80, kTop = 34;

  static std::string escaped(std::string_view text) {
    std::string safe;
    for (const char c : text)
      safe += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    return safe;
  }

  std::string text_;
  std::back_insert_iterator<std::string> to_{text_};
  int y_ = 0;
};

}  // namespace detail

/// Statistics as a picture (SVG): of each data set the boxes of its classes, how large they are in
/// their pictures, and what wants looking at; behind them what the sets share.
inline std::string statistics_svg(const std::vector<ShownStatistics>& all,
                                  const SharedData& shared) {
  constexpr std::size_t kBins = 10, kMostClasses = 100;
  detail::BarPage page;
  for (const auto& [name, s, has_files] : all) {
    page.title(fmt::format("{}: {} boxes in {} pictures, by class", name, s.boxes, s.images));
    std::int64_t most = 0;
    for (const auto& c : s.classes) most = std::max(most, c.boxes);
    for (std::size_t k = 0; k < std::min(kMostClasses, s.classes.size()); ++k)
      page.bar(s.classes[k].name, s.classes[k].boxes, most);

    std::array<std::int64_t, kBins> bins{};
    for (const double side : s.sides)
      ++bins[std::min(kBins - 1, static_cast<std::size_t>(std::max(side, 0.0) * kBins))];
    page.title("Side of a box, part of its picture's");
    for (std::size_t b = 0; b < kBins; ++b)
      page.bar(fmt::format("{:.1f} to {:.1f}", double(b) / kBins, double(b + 1) / kBins), bins[b],
               *std::ranges::max_element(bins));

    page.title("To look at");
    for (const auto& [what, count] : {std::pair{"boxes without area", s.without_area},
                                      {"boxes outside their picture", s.outside},
                                      {"boxes twice in a picture", s.repeated},
                                      {"crowds", s.crowds}})
      page.bar(what, count, s.boxes);
    page.bar("pictures without a box", s.empty_images, s.images);
    if (!has_files) continue;
    for (const auto& [what, files] : {std::pair{"files missing", &s.missing},
                                      {"files damaged", &s.damaged},
                                      {"files of another size", &s.of_other_size}})
      page.bar(what, std::ssize(*files), s.images);
  }
  std::int64_t images = 0;
  for (const auto& one : all) images += one.statistics.images;
  page.title("Twice");
  if (all.size() > 1) page.bar("pictures in several sets", shared.listed_twice, images);
  page.bar("files equal to others", shared.equal_files, images);
  return page.svg();
}

}  // namespace serpette::cli
