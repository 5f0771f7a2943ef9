#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/method/training_log.hpp"
#include "serpette_report/figure.hpp"

namespace serpette::cli {

/// A training's log as a picture (SVG): the loss, and below it AP50 where it was evaluated.
inline std::string training_svg(const TrainingLog& log, std::string_view attack) {
  const auto curve = [&](std::string label, SeriesStyle style, double LogRow::*value) {
    Series series{std::move(label), style, {}, {}, {}};
    for (const auto& row : log.rows()) {
      if (std::isnan(row.*value)) continue;
      series.x.push_back(static_cast<double>(row.step));
      series.mean.push_back(row.*value);
      series.spread.push_back(0);
    }
    return series;
  };
  auto loss = figure_svg({.title = "Loss of a training step",
                          .x_label = "step",
                          .y_label = "loss per image",
                          .series = {curve("training", SeriesStyle{}, &LogRow::loss)}});
  if (!log.best()) return loss;
  std::vector<Series> merits{curve("clean", series_style(0), &LogRow::ap50)};
  if (auto robust = curve(fmt::format("under {}", attack), series_style(1), &LogRow::robust_ap50);
      !robust.x.empty())
    merits.push_back(std::move(robust));
  auto ap = figure_svg(
      {.title = "AP50 on validation data", .x_label = "step", .y_label = "AP50", .series = merits});
  const auto height = [](const std::string& svg) {
    return std::stoi(svg.substr(svg.find("height=\"") + 8));
  };
  ap.insert(ap.find("<svg ") + 5, fmt::format("y=\"{}\" ", height(loss)));
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1}\" "
      "viewBox=\"0 0 {0:.0f} {1}\">\n{2}{3}</svg>\n",
      serpette::detail::FigureFrame::kWidth, height(loss) + height(ap), loss, ap);
}

}  // namespace serpette::cli
