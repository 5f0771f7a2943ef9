#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette_report/base64.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/page_frame.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/text_table.hpp"
#include "serpette_report/viewer.hpp"

/// @file
/// One network before and after it was pruned: a table, and a page that opens offline.

namespace serpette {

/// A number of a network before and after.
struct BeforeAfter {
  std::string name;
  double before = NAN, after = NAN;  ///< NaN: not measured.
  int decimals = 3;                  ///< 0 for a count.
  bool more_is_better = true;

  /// After ÷ before; NaN where one was not measured, or before is printed as 0.
  [[nodiscard]] double left() const {
    return std::round(before * std::pow(10, decimals)) > 0 ? after / before : NAN;
  }
};

/// A convolution before and after.
struct LayerBeforeAfter {
  std::string name;
  std::int64_t before = 0, after = 0;  ///< Weights other than 0.
  std::string form = {};               ///< What it runs as in the plan.
};

/// What the page of a pruned network shows; what is empty is left out.
struct BeforeAfterPage {
  std::string title;              ///< Plain text, as all of these.
  std::string introduction = {};  ///< A sentence or two.
  std::vector<BeforeAfter> numbers = {};
  std::vector<LayerBeforeAfter> layers = {};  ///< In the network's order.
  const Samples* samples = nullptr;
  SampleKey before = {}, after = {};  ///< Of the two among the samples.
  bool greyscale = false;             ///< Whether the pruned network sees luma alone.
  std::string attack = {};            ///< That the samples were attacked with.
  TextTable tried = {};               ///< Of a search, without rows where there was none.
  std::vector<std::pair<std::string, std::string>> facts =
      {};  ///< How it was made: name and value.
};

/// The table of before and after, numbers in full.
inline TextTable before_after_table(std::span<const BeforeAfter> numbers) {
  TextTable table{.name = "before_and_after",
                  .title = "",
                  .header = {"", "as it came", "pruned", "of it"},
                  .rows = {}};
  const auto printed = [](double value, int decimals) {
    return std::isnan(value) ? std::string("–") : fmt::format("{:.{}f}", value, decimals);
  };
  for (const auto& n : numbers)
    table.rows.push_back({n.name, printed(n.before, n.decimals), printed(n.after, n.decimals),
                          std::isnan(n.left()) ? "–" : fmt::format("{:.0f} %", 100 * n.left())});
  return table;
}

namespace detail {

/// A figure of a page, at most `width` wide, in the page's own colours.
inline std::string page_svg(int width, int height, std::string_view label, std::string_view parts) {
  return fmt::format(
      R"svg(<div class="chart"><svg width="{0}" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}</svg></div>)svg"
      "\n",
      width, height, escape_xml(label), parts);
}

/// A bar per number: what is left of it, on a track that is as long as the whole.
inline std::string shares_svg(std::span<const BeforeAfter> numbers) {
  constexpr int kWidth = 540, kLeft = 190, kRight = 148, kStep = 26, kTop = 8;
  constexpr double kMost = 1.5;  // a share beyond is drawn so long
  double most = 1;
  for (const auto& n : numbers)
    if (n.left() > most) most = std::min(kMost, n.left());
  const double whole = (kWidth - kLeft - kRight) / most;
  std::string svg;
  const auto out = std::back_inserter(svg);
  int y = kTop;
  for (const auto& n : numbers) {
    const double share = n.left();
    if (std::isnan(share)) continue;
    const auto number = [&](double value) {
      return n.decimals == 0 ? short_count(value) : fmt::format("{:.{}f}", value, n.decimals);
    };
    fmt::format_to(
        out,
        R"svg(<text x="{}" y="{}" text-anchor="end">{}</text><rect x="{}" y="{}" width="{:.1f}" height="16" fill="var(--grid)"/><rect x="{}" y="{}" width="{:.1f}" height="16" fill="var(--h{})"><title>{}: {:.1f} %</title></rect><text x="{}" y="{}">{} → {}</text>)svg"
        "\n",
        kLeft - 8, y + 13, escape_xml(n.name), kLeft, y, whole, kLeft, y,
        whole * std::min(share, most), n.more_is_better ? 0 : 1, escape_xml(n.name), 100 * share,
        kWidth - kRight + 8, y + 13, number(n.before), number(n.after));
    y += kStep;
  }
  return page_svg(kWidth, y, "What is left of each number", svg);
}

/// A column per convolution: the share of its weights that is left.
inline std::string layers_svg(std::span<const LayerBeforeAfter> layers) {
  constexpr int kWidth = 540, kLeft = 48, kTop = 10, kPlot = 170, kHeight = kTop + kPlot + 26;
  const double step = double(kWidth - kLeft) / double(std::max<std::size_t>(layers.size(), 1));
  const double gap = step > 8 ? 2 : 1;
  const auto y = [](double share) { return kTop + kPlot * (1 - share); };
  std::string svg;
  const auto out = std::back_inserter(svg);
  for (const int percents : {0, 50, 100})
    fmt::format_to(
        out,
        R"svg(<path d="M{} {:.1f}H{}" stroke="var(--line)"/><text x="{}" y="{:.1f}" text-anchor="end">{} %</text>)svg",
        kLeft, y(percents / 100.0), kWidth, kLeft - 6, y(percents / 100.0) + 4, percents);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& l = layers[i];
    const double share = l.before > 0 ? double(l.after) / double(l.before) : 0;
    const double x = kLeft + step * double(i) + gap / 2;
    fmt::format_to(
        out,
        R"svg(<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="var(--grid)"/><rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="var(--h0)"><title>{}: {:.1f} % of {} weights</title></rect>)svg"
        "\n",
        x, kTop, step - gap, kPlot, x, y(share), step - gap, kPlot * share, escape_xml(l.name),
        100 * share, short_count(double(l.before)));
  }
  fmt::format_to(
      out, R"svg(<text x="{}" y="{}">{}</text><text x="{}" y="{}" text-anchor="end">{}</text>)svg",
      kLeft, kHeight - 8, layers.empty() ? "" : escape_xml(layers.front().name), kWidth,
      kHeight - 8, layers.size() < 2 ? "" : escape_xml(layers.back().name));
  return page_svg(kWidth, kHeight, "Weights left of each convolution", svg);
}

inline std::string layers_table(std::span<const LayerBeforeAfter> layers) {
  TextTable table{.name = "layers",
                  .title = "",
                  .header = {"Convolution", "Weights", "Left", "Of it", "Runs as"},
                  .rows = {}};
  for (const auto& l : layers)
    table.rows.push_back(
        {l.name, fmt::to_string(l.before), fmt::to_string(l.after),
         l.before > 0 ? fmt::format("{:.1f} %", 100 * double(l.after) / double(l.before)) : "–",
         l.form.empty() ? "–" : l.form});
  return to_html(table);
}

/// A picture as both networks see it, side by side; below them the same under attack, if kept.
/// @param number  of the picture: names in one page differ by it.
inline std::string two_views_svg(const BeforeAfterPage& page, std::size_t number, double least) {
  constexpr double kWidth = 540, kGap = 8, kLine = 22, kSide = (kWidth - kGap) / 2;
  const auto& shown = page.samples->pictures.at(number);
  const double scale = kSide / shown.width, h = scale * shown.height;
  std::string svg;
  const auto out = std::back_inserter(svg);
  double top = 0;
  const auto views = [&](std::string_view words, auto boxes) {
    double left = 0;
    for (const auto& [key, name, grey] :
         {std::tuple{&page.before, "As it came", false}, {&page.after, "Pruned", page.greyscale}}) {
      const auto cell = page.samples->cells.find(*key);
      if (cell == page.samples->cells.end() || (cell->second.*boxes).empty()) continue;
      fmt::format_to(
          out,
          R"svg(<text x="{:.1f}" y="{:.1f}">{}{}</text><g transform="translate({:.1f} {:.1f}) scale({:.5f})"><use href="#picture-{}"{}/>{}</g>)svg"
          "\n",
          left, top + 15, name, words, left, top + kLine, scale, number,
          grey ? R"svg( filter="url(#grey)")svg" : "",
          boxes_svg((cell->second.*boxes).at(number), shown, page.samples->categories, scale,
                    least));
      left += kSide + kGap;
    }
    if (left > 0) top += kLine + h + kGap;
  };
  views("", &SampleCell::clean);
  views(fmt::format(", under {}", escape_xml(page.attack.empty() ? "attack" : page.attack)),
        &SampleCell::attacked);
  if (top == 0) return {};
  return fmt::format(
      R"svg(<figure><svg width="{0:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-size="13" fill="#1b1f24" role="img" aria-label="{2}"><defs>{3}<image id="picture-{4}" width="{5}" height="{6}" href="{7}"/></defs>{8}</svg><figcaption>{2}</figcaption></figure>)svg"
      "\n",
      kWidth, top, escape_xml(shown.name), number == 0 ? kGreyFilter : std::string_view(), number,
      shown.width, shown.height, picture_address(shown.jpeg, shown.name), svg);
}

}  // namespace detail

/// The page of a pruned network: opens offline, in the style of the reports' pages.
/// @param least  boxes of lower confidence are not drawn.
inline std::string before_after_html(const BeforeAfterPage& page, double least = 0.25) {
  std::string navigation, main;
  const auto section = [&](std::string_view id, std::string_view title, const std::string& html) {
    navigation += fmt::format("<a href=\"#{}\">{}</a>", id, title);
    main += fmt::format("<section id=\"{}\"><h2>{}</h2>{}</section>\n", id, title, html);
  };
  section("numbers", "Before and after",
          "<div class=\"two\"><div>" + to_html(before_after_table(page.numbers)) + "</div><div>" +
              detail::shares_svg(page.numbers) +
              "<p class=\"soft\">What is left of each number; the pale track behind a bar is the "
              "whole. Of blue bars longer is better, of orange ones shorter.</p></div></div>");
  std::string views;
  if (page.samples != nullptr)
    for (std::size_t i = 0; i < page.samples->pictures.size(); ++i)
      views += detail::two_views_svg(page, i, least);
  if (!views.empty())
    section("pictures", "What both find",
            fmt::format("<p class=\"soft\">Boxes of confidence {:g} or more on test pictures; "
                        "dashed are those that no object of their class lies under.{}</p><div "
                        "class=\"two\">{}</div>",
                        least,
                        page.attack.empty() ? ""
                                            : " Under attack the pictures are changed, each "
                                              "against its network; shown are the clean ones.",
                        views));
  if (!page.layers.empty())
    section("layers", "Layer by layer",
            "<div class=\"two\"><div><p class=\"soft\">Weights other than 0 that are left of each "
            "convolution, in the network's order.</p>" +
                detail::layers_svg(page.layers) + "</div><div>" +
                detail::layers_table(page.layers) + "</div></div>");
  if (!page.tried.rows.empty()) section("tried", "Ratios that were tried", to_html(page.tried));
  std::string facts;
  for (const auto& [name, value] : page.facts)
    facts += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_xml(name), escape_xml(value));
  if (!facts.empty()) section("made", "How it was made", "<dl>" + facts + "</dl>");
  return detail::framed_page(
      page.title,
      fmt::format("<header><h1>{}</h1><p class=\"soft\">{}</p><nav>{}</nav></header>\n<main>\n{}"
                  "</main>\n<footer>Made by serpette.</footer>\n",
                  escape_xml(page.title), escape_xml(page.introduction), navigation, main),
      detail::kScrollScript);
}

}  // namespace serpette
