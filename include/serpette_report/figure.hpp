#pragma once

#include <fmt/format.h>
#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/palette.hpp"

namespace serpette {

/// One curve with its spread.
struct Series {
  std::string label;
  SeriesStyle style;
  std::vector<double> x, mean,
      spread;  ///< Same length; a bar spans mean ± spread; NaN means are left out.
  std::vector<std::vector<double>> runs = {};  ///< Per x the single runs, as small dots; or empty.
};

/// A value that does not depend on x: a line across the figure.
struct Level {
  std::string label;
  SeriesStyle style;
  double mean = 0, spread = 0;
};

/// A line figure with error bars.
struct Figure {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::vector<Level> levels = {};
};

/// The figure's points; levels stand at x = 0.
inline std::string figure_csv(const Figure& figure) {
  CsvWriter csv;
  csv.row("series", "x", "mean", "spread");
  for (const auto& l : figure.levels) csv.row(l.label, 0.0, l.mean, l.spread);
  for (const auto& s : figure.series)
    for (auto&& [x, mean, spread] : ranges::views::zip(s.x, s.mean, s.spread))
      csv.row(s.label, x, mean, spread);
  return std::string(csv.text());
}

/// About `count` round values that span [low, high].
inline std::vector<double> axis_ticks(double low, double high, int count = 6) {
  if (!(high > low)) high = low + (low == 0 ? 1 : std::abs(low) * 0.1);
  const double raw = (high - low) / count, power = std::pow(10, std::floor(std::log10(raw)));
  const double step = power * (raw / power <= 1   ? 1
                               : raw / power <= 2 ? 2
                               : raw / power <= 5 ? 5
                                                  : 10);
  std::vector<double> ticks;
  const auto first = static_cast<long>(std::floor(low / step + 1e-9)),
             last = static_cast<long>(std::ceil(high / step - 1e-9));
  for (long i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

namespace detail {

inline std::string marker_path(std::string_view marker, double x, double y, double r,
                               std::string_view color) {
  const auto polygon = [&](std::initializer_list<std::array<double, 2>> corners) {
    std::string points;
    for (const auto& [dx, dy] : corners)
      points += fmt::format("{:.2f},{:.2f} ", x + dx * r, y + dy * r);
    points.pop_back();
    return fmt::format(R"(<polygon points="{}" fill="{}"/>)", points, color);
  };
  if (marker.empty()) return {};
  if (marker == "square") return polygon({{-.9, -.9}, {.9, -.9}, {.9, .9}, {-.9, .9}});
  if (marker == "triangle") return polygon({{0, -1.2}, {1.1, .8}, {-1.1, .8}});
  if (marker == "down") return polygon({{0, 1.2}, {1.1, -.8}, {-1.1, -.8}});
  if (marker == "diamond") return polygon({{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}});
  if (marker == "cross")
    return fmt::format(
        R"(<path d="M{:.2f} {:.2f}l{:.2f} {:.2f}m0 {:.2f}l{:.2f} {:.2f}" stroke="{}" stroke-width="2.2"/>)",
        x - r, y - r, 2 * r, 2 * r, -2 * r, -2 * r, 2 * r, color);
  return fmt::format(R"(<circle cx="{:.2f}" cy="{:.2f}" r="{:.2f}" fill="{}"/>)", x, y, r, color);
}

/// Where a figure's numbers lie on its paper.
class FigureFrame {
 public:
  static constexpr double kWidth = 640, kLeft = 70, kRight = 16, kTop = 46, kPlot = 330;

  explicit FigureFrame(const Figure& figure) {
    double low = std::numeric_limits<double>::infinity(), high = -low, x_low = low, x_high = -low;
    const auto note = [&](double value, double spread) {
      if (std::isnan(value)) return;
      if (std::isnan(spread)) spread = 0;
      low = std::min(low, value - spread), high = std::max(high, value + spread);
    };
    for (const auto& s : figure.series)
      for (std::size_t i = 0; i < s.x.size(); ++i) {
        if (std::isnan(s.mean[i])) continue;
        note(s.mean[i], s.spread[i]);
        if (!s.runs.empty())
          for (const double v : s.runs[i]) note(v, 0);
        x_low = std::min(x_low, s.x[i]), x_high = std::max(x_high, s.x[i]);
      }
    for (const auto& l : figure.levels) note(l.mean, 0);
    if (!(low <= high)) low = 0, high = 1;
    if (!(x_low <= x_high)) x_low = 0, x_high = 1;
    if (low < 0.5 * high) low = 0;
    y_ticks = axis_ticks(low, high), x_ticks = axis_ticks(x_low, x_high, 8);
  }

  [[nodiscard]] double px(double x) const {
    return kLeft +
           (x - x_ticks.front()) / (x_ticks.back() - x_ticks.front()) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double py(double y) const {
    return kTop + kPlot - (y - y_ticks.front()) / (y_ticks.back() - y_ticks.front()) * kPlot;
  }

  std::vector<double> y_ticks, x_ticks;
};

/// Appends formatted text.
template <class... Args>
void append(std::string& to, fmt::format_string<Args...> text, Args&&... args) {
  fmt::format_to(std::back_inserter(to), text, std::forward<Args>(args)...);
}

inline std::string stroke(const SeriesStyle& style, double width) {
  return fmt::format(
      R"(stroke="{}" stroke-width="{}" fill="none"{})", kHues[style.hue].light, width,
      style.dash.empty() ? std::string() : fmt::format(R"( stroke-dasharray="{}")", style.dash));
}

inline void draw_axes(std::string& svg, const Figure& figure, const FigureFrame& frame) {
  using F = FigureFrame;
  const auto number = [](double v) { return fmt::format("{:.6g}", std::abs(v) < 1e-12 ? 0.0 : v); };
  for (const double y : frame.y_ticks)
    append(
        svg,
        R"(<path d="M{0:.1f} {1:.1f}H{2:.1f}" stroke="#e3e6ea"/><text x="{3:.1f}" y="{4:.1f}" text-anchor="end" fill="#444c56">{5}</text>)"
        "\n",
        F::kLeft, frame.py(y), F::kWidth - F::kRight, F::kLeft - 8, frame.py(y) + 4.5, number(y));
  for (const double x : frame.x_ticks)
    append(
        svg,
        R"(<path d="M{0:.1f} {1:.1f}v5" stroke="#6b7280"/><text x="{0:.1f}" y="{2:.1f}" text-anchor="middle" fill="#444c56">{3}</text>)"
        "\n",
        frame.px(x), F::kTop + F::kPlot, F::kTop + F::kPlot + 20, number(x));
  append(svg,
         R"(<path d="M{:.1f} {:.1f}V{:.1f}H{:.1f}" fill="none" stroke="#6b7280"/>)"
         "\n",
         F::kLeft, F::kTop, F::kTop + F::kPlot, F::kWidth - F::kRight);
  append(svg,
         R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" fill="#1b1f24">{}</text>)"
         "\n",
         (F::kLeft + F::kWidth - F::kRight) / 2, F::kTop + F::kPlot + 42,
         escape_xml(figure.x_label));
  append(
      svg,
      R"svg(<text transform="translate(18 {:.1f}) rotate(-90)" text-anchor="middle" fill="#1b1f24">{}</text>)svg"
      "\n",
      F::kTop + F::kPlot / 2, escape_xml(figure.y_label));
}

/// @param shift  moves the series sideways, so that bars of different ones do not hide each other.
inline void draw_series(std::string& svg, const Series& s, const FigureFrame& frame, double shift) {
  const auto color = kHues[s.style.hue].light;
  std::string path, bars, dots, marks;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (std::isnan(s.mean[i])) continue;
    const double x = frame.px(s.x[i]) + shift, y = frame.py(s.mean[i]);
    append(path, "{}{:.2f} {:.2f}", path.empty() ? "M" : "L", x, y);
    if (s.spread[i] > 0)
      append(bars, "M{0:.2f} {1:.2f}V{2:.2f}M{3:.2f} {1:.2f}h6M{3:.2f} {2:.2f}h6", x,
             frame.py(s.mean[i] + s.spread[i]),
             frame.py(std::max(s.mean[i] - s.spread[i], frame.y_ticks.front())), x - 3);
    if (!s.runs.empty())
      for (const double v : s.runs[i])
        append(dots, R"(<circle cx="{:.2f}" cy="{:.2f}" r="1.7"/>)", x, frame.py(v));
    marks += marker_path(s.style.marker, x, y, 4, color);
  }
  if (!dots.empty()) append(svg, R"(<g class="runs" fill="{}" opacity=".45">{}</g>)", color, dots);
  if (!bars.empty())
    append(svg, R"(<path d="{}" stroke="{}" stroke-width="1.2" fill="none"/>)", bars, color);
  if (!path.empty()) append(svg, R"(<path d="{}" {}/>)", path, stroke(s.style, 1.8));
  svg += marks + "\n";
}

}  // namespace detail

/// The figure as a stand-alone SVG: means as marks, bars of one spread, a small dot per run.
inline std::string figure_svg(const Figure& figure) {
  using F = detail::FigureFrame;
  const F frame(figure);
  std::vector<std::pair<std::string_view, SeriesStyle>> legend;
  for (const auto& l : figure.levels) legend.emplace_back(l.label, l.style);
  for (const auto& s : figure.series) legend.emplace_back(s.label, s.style);
  const double height =
      F::kTop + F::kPlot + 66 + 22 * std::ceil(static_cast<double>(legend.size()) / 2);
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-label="{2}">)"
      "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      R"(<text x="{3:.0f}" y="24" font-size="16" font-weight="bold" fill="#1b1f24">{2}</text>)"
      "\n",
      F::kWidth, height, escape_xml(figure.title), F::kLeft);
  detail::draw_axes(svg, figure, frame);
  for (const auto& l : figure.levels)
    detail::append(svg,
                   R"(<path d="M{:.1f} {:.2f}H{:.1f}" {}/>)"
                   "\n",
                   F::kLeft, frame.py(l.mean), F::kWidth - F::kRight, detail::stroke(l.style, 1.4));
  const auto count = static_cast<double>(figure.series.size());
  const double step = std::min(1.4, 10 / std::max(count - 1, 1.0));
  for (std::size_t k = 0; k < figure.series.size(); ++k)
    detail::draw_series(svg, figure.series[k], frame,
                        (static_cast<double>(k) - (count - 1) / 2) * step);
  for (std::size_t k = 0; k < legend.size(); ++k) {
    const auto& [label, style] = legend[k];
    const double x = F::kLeft + static_cast<double>(k % 2) * (F::kWidth - F::kLeft - F::kRight) / 2;
    const double y = F::kTop + F::kPlot + 70 + 22 * std::floor(static_cast<double>(k) / 2);
    detail::append(svg, R"(<path d="M{:.1f} {:.1f}h34" {}/>)", x, y - 4,
                   detail::stroke(style, 1.8));
    svg += detail::marker_path(style.marker, x + 17, y - 4, 4, kHues[style.hue].light);
    detail::append(svg,
                   R"(<text x="{:.1f}" y="{:.1f}" fill="#1b1f24">{}</text>)"
                   "\n",
                   x + 42, y, escape_xml(label));
  }
  return svg + "</svg>\n";
}

}  // namespace serpette
