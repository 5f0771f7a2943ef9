#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/io/csv.hpp"

namespace serpette {

/// Escapes text for XML and HTML.
inline std::string escape_xml(std::string_view text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  return safe;
}

/// How a series looks: colours that colour-blind readers tell apart (Okabe and Ito 2008), and a
/// shape besides.
struct SeriesStyle {
  std::string_view color;
  std::string_view marker;  ///< "circle", "square", "triangle", "diamond", "cross", "down".
  std::string_view dash;    ///< SVG's stroke-dasharray; "" is solid.
};

inline SeriesStyle series_style(std::size_t index) {
  static constexpr std::array<std::string_view, 7> kColors{
      "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#595959", "#b8860b", "#56b4e9"};
  static constexpr std::array<std::string_view, 6> kMarkers{"circle",  "square", "triangle",
                                                            "diamond", "down",   "cross"};
  static constexpr std::array<std::string_view, 5> kDashes{"", "7 3", "2 3", "9 3 2 3", "12 4"};
  return {kColors[index % kColors.size()], kMarkers[index % kMarkers.size()],
          kDashes[index % kDashes.size()]};
}

/// One curve with its spread.
struct Series {
  std::string label;
  SeriesStyle style;
  std::vector<double> x, mean,
      spread;  ///< Same length; a bar spans mean ± spread; NaN means are left out.
};

/// A line figure with error bars.
struct Figure {
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

/// The figure's points.
inline std::string figure_csv(const Figure& figure) {
  CsvWriter csv;
  csv.row("series", "x", "mean", "spread");
  for (const auto& s : figure.series)
    for (std::size_t i = 0; i < s.x.size(); ++i) csv.row(s.label, s.x[i], s.mean[i], s.spread[i]);
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

}  // namespace detail

/// The figure as a stand-alone SVG.
inline std::string figure_svg(const Figure& figure) {
  constexpr double kWidth = 760, kLeft = 76, kRight = 18, kTop = 46, kPlot = 330;
  const double legend_rows = std::ceil(static_cast<double>(figure.series.size()) / 2);
  const double height = kTop + kPlot + 58 + 22 * legend_rows + 8;
  double low = std::numeric_limits<double>::infinity(), high = -low, x_low = low, x_high = -low;
  for (const auto& s : figure.series)
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (std::isnan(s.mean[i])) continue;
      const double spread = std::isnan(s.spread[i]) ? 0 : s.spread[i];
      low = std::min(low, s.mean[i] - spread), high = std::max(high, s.mean[i] + spread);
      x_low = std::min(x_low, s.x[i]), x_high = std::max(x_high, s.x[i]);
    }
  if (!(low <= high)) low = 0, high = 1, x_low = 0, x_high = 1;
  if (low > 0 && low < 0.5 * high) low = 0;
  if (low < 0) low = 0;
  const auto y_ticks = axis_ticks(low, high), x_ticks = axis_ticks(x_low, x_high, 8);
  const auto px = [&](double x) {
    return kLeft +
           (x - x_ticks.front()) / (x_ticks.back() - x_ticks.front()) * (kWidth - kLeft - kRight);
  };
  const auto py = [&](double y) {
    return kTop + kPlot - (y - y_ticks.front()) / (y_ticks.back() - y_ticks.front()) * kPlot;
  };

  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-label="{2}">)"
      "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      R"(<text x="{3:.0f}" y="24" font-size="16" font-weight="bold" fill="#1b1f24">{2}</text>)"
      "\n",
      kWidth, height, escape_xml(figure.title), kLeft);
  const auto add = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), text, std::forward<Args>(args)...);
  };
  for (const double y : y_ticks) {
    add(R"(<path d="M{:.1f} {:.1f}H{:.1f}" stroke="#e3e6ea"/>)"
        "\n",
        kLeft, py(y), kWidth - kRight);
    add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end" fill="#444c56">{:.6g}</text>)"
        "\n",
        kLeft - 8, py(y) + 4.5, std::abs(y) < 1e-12 ? 0.0 : y);
  }
  for (const double x : x_ticks)
    add(R"(<path d="M{0:.1f} {1:.1f}v5" stroke="#8a919a"/><text x="{0:.1f}" y="{2:.1f}" text-anchor="middle" fill="#444c56">{3:.6g}</text>)"
        "\n",
        px(x), kTop + kPlot, kTop + kPlot + 20, x);
  add(R"(<path d="M{:.1f} {:.1f}V{:.1f}H{:.1f}" fill="none" stroke="#8a919a"/>)"
      "\n",
      kLeft, kTop, kTop + kPlot, kWidth - kRight);
  add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" fill="#1b1f24">{}</text>)"
      "\n",
      (kLeft + kWidth - kRight) / 2, kTop + kPlot + 42, escape_xml(figure.x_label));
  add(R"svg(<text transform="translate(20 {:.1f}) rotate(-90)" text-anchor="middle" fill="#1b1f24">{}</text>)svg"
      "\n",
      kTop + kPlot / 2, escape_xml(figure.y_label));

  for (std::size_t k = 0; k < figure.series.size(); ++k) {
    const auto& s = figure.series[k];
    // Bars of different series stand side by side, not on top of each other.
    const double shift =
        (static_cast<double>(k) - (static_cast<double>(figure.series.size()) - 1) / 2) * 1.4;
    std::string path, bars, dots;
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (std::isnan(s.mean[i])) continue;
      const double x = px(s.x[i]) + shift, y = py(s.mean[i]);
      path += fmt::format("{}{:.2f} {:.2f}", path.empty() ? "M" : "L", x, y);
      if (s.spread[i] > 0) {
        const double top = py(s.mean[i] + s.spread[i]),
                     bottom = py(std::max(s.mean[i] - s.spread[i], y_ticks.front()));
        bars += fmt::format("M{0:.2f} {1:.2f}V{2:.2f}M{3:.2f} {1:.2f}h6M{3:.2f} {2:.2f}h6", x, top,
                            bottom, x - 3);
      }
      dots += detail::marker_path(s.style.marker, x, y, 4, s.style.color);
    }
    if (!bars.empty())
      add(R"(<path d="{}" stroke="{}" stroke-width="1.2" fill="none"/>)"
          "\n",
          bars, s.style.color);
    if (!path.empty())
      add(R"(<path d="{}" stroke="{}" stroke-width="1.8" fill="none"{}/>)"
          "\n",
          path, s.style.color,
          s.style.dash.empty() ? std::string()
                               : fmt::format(R"( stroke-dasharray="{}")", s.style.dash));
    svg += dots + "\n";
    const double lx = kLeft + static_cast<double>(k % 2) * (kWidth - kLeft - kRight) / 2;
    const double ly = kTop + kPlot + 70 + 22 * std::floor(static_cast<double>(k) / 2);
    add(R"(<path d="M{:.1f} {:.1f}h34" stroke="{}" stroke-width="1.8"{}/>)", lx, ly - 4,
        s.style.color,
        s.style.dash.empty() ? std::string()
                             : fmt::format(R"( stroke-dasharray="{}")", s.style.dash));
    svg += detail::marker_path(s.style.marker, lx + 17, ly - 4, 4, s.style.color);
    add(R"(<text x="{:.1f}" y="{:.1f}" fill="#1b1f24">{}</text>)"
        "\n",
        lx + 42, ly, escape_xml(s.label));
  }
  return svg + "</svg>\n";
}

}  // namespace serpette
