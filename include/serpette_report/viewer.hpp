#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/io/draw.hpp"
#include "serpette_report/base64.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/viewer_assets.hpp"

namespace serpette {

namespace detail {

inline std::string hex_color(Rgb8 color) {
  return fmt::format("#{:02x}{:02x}{:02x}", color[0], color[1], color[2]);
}

/// JSON that may stand in a script element: "</script" would end it, and "<!--" before "<script"
/// would keep it from its end.
inline std::string script_json(const nlohmann::ordered_json& data) {
  std::string text;
  for (const char c : data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace))
    if (c == '<')  // stands in strings alone
      text += "\\u003c";
    else
      text += c;
  return text;
}

/// Boxes as flat whole numbers, six each: x, y, width, height in tenths of a pixel, percent, class.
inline std::vector<std::int64_t> flat_boxes(const std::vector<SampleBox>& boxes) {
  std::vector<std::int64_t> flat;
  for (const auto& b : boxes) {
    for (const double v : {b.box.x, b.box.y, b.box.width, b.box.height})
      flat.push_back(std::llround(10 * v));
    flat.push_back(std::llround(100 * b.confidence));
    flat.push_back(b.category);
  }
  return flat;
}

/// Whether a scenario's networks see grey pictures.
inline bool is_grey(const Study& study, std::string_view scenario) {
  const auto cell = std::ranges::find(study.cells(), scenario, &CellRow::scenario);
  return cell != study.cells().end() && cell->color == "Greyscale";
}

/// Makes what it is put on grey.
inline constexpr std::string_view kGreyFilter =
    R"(<filter id="grey" color-interpolation-filters="sRGB"><feColorMatrix values=".299 .587 .114 0 0 .299 .587 .114 0 0 .299 .587 .114 0 0 0 0 0 1 0"/></filter>)";

/// Boxes on a picture, in its pixels, the surest on top; wrong ones are dashed.
/// @param found  the surest first.
/// @param scale  by which the picture is drawn, so that lines and letters have one size in all.
/// @param least  boxes of lower confidence are not drawn.
inline std::string boxes_svg(const std::vector<SampleBox>& found, const SamplePicture& shown,
                             const std::vector<std::string>& categories, double scale,
                             double least) {
  std::string svg;
  const auto add = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), text, std::forward<Args>(args)...);
  };
  const auto right = right_boxes(found, shown.truth);
  for (std::size_t i = found.size(); i-- > 0;) {
    if (found[i].confidence < least) continue;
    const auto& b = found[i].box;
    const auto color = hex_color(class_color(found[i].category));
    add(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="none" stroke="{}" stroke-width="{:.2f}"{}/>)",
        b.x, b.y, b.width, b.height, color, 2 / scale,
        right[i] ? "" : fmt::format(R"( stroke-dasharray="{0:.2f} {0:.2f}")", 4 / scale));
    const bool at_the_edge = b.x > 0.6 * shown.width;
    add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="{:.2f}" stroke="#ffffff" stroke-width="{:.2f}" paint-order="stroke" fill="#000000">{} {:.2f}</text>)",
        at_the_edge ? static_cast<double>(shown.width) : std::max(b.x, 0.0),
        std::max(b.y - 2 / scale, 10 / scale), at_the_edge ? "end" : "start", 10 / scale,
        2.5 / scale, escape_xml(categories[static_cast<std::size_t>(found[i].category)]),
        found[i].confidence);
  }
  return svg;
}

/// What the page's viewer reads.
inline std::string viewer_data(const Samples& samples) {
  using nlohmann::ordered_json;
  ordered_json data;
  for (std::size_t i = 0; i < samples.categories.size(); ++i)
    data["categories"].push_back(
        {{"name", samples.categories[i]}, {"color", hex_color(class_color(static_cast<int>(i)))}});
  for (const auto& p : samples.pictures)
    data["pictures"].push_back({{"name", p.name},
                                {"w", p.width},
                                {"h", p.height},
                                {"src", picture_address(p.jpeg, p.name)},
                                {"truth", flat_boxes(p.truth)}});
  for (const auto& [key, cell] : samples.cells) {
    const auto& [scenario, ratio, run] = key;
    for (const auto& [name, found] :
         {std::pair("clean", &cell.clean), {"attacked", &cell.attacked}})
      for (const auto& boxes : *found)
        data[name][scenario][ratio][fmt::to_string(run)].push_back(flat_boxes(boxes));
  }
  return script_json(data);
}

}  // namespace detail

/// The page's section in which a reader picks metric, scenario, ratio, run and picture, and sees
/// the boxes; needs `viewer_data` and the viewer's script in the page.
inline std::string viewer_section(const Samples& samples) {
  std::string html(detail::kViewerSection);
  html += "<script type=\"application/json\" id=\"boxes\">" + detail::viewer_data(samples) +
          "</script></section>\n";
  return html;
}

/// Fig. 3: one picture across scenario × ratio, with the boxes of one run.
/// @param least  boxes of lower confidence are not drawn.
inline std::string sample_figure_svg(const Samples& samples, const Study& study, std::int64_t run,
                                     std::size_t picture = 0, double least = 0.5) {
  const auto& shown = samples.pictures.at(picture);
  constexpr double kSide = 200, kGap = 10, kLine = 26;
  const double scale = kSide / std::max(shown.width, shown.height);
  const double w = scale * shown.width, h = scale * shown.height;
  const double width = kGap + static_cast<double>(study.ratios().size()) * (w + kGap);
  const double height = kLine + static_cast<double>(study.scenarios().size()) * (kLine + h + kGap);
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#1b1f24"><rect width="100%" height="100%" fill="#ffffff"/>)"
      R"(<defs>{5}<image id="picture" width="{2}" height="{3}" xlink:href="{4}"/></defs>)"
      "\n",
      width, height, shown.width, shown.height, picture_address(shown.jpeg, shown.name),
      detail::kGreyFilter);
  const auto add = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), text, std::forward<Args>(args)...);
  };
  for (std::size_t c = 0; c < study.ratios().size(); ++c)
    add(R"(<text x="{:.1f}" y="18" text-anchor="middle">{} %</text>)",
        kGap + static_cast<double>(c) * (w + kGap) + w / 2, study.ratios()[c]);
  double top = kLine;
  for (const auto& scenario : study.scenarios()) {
    add(R"(<text x="{:.1f}" y="{:.1f}" font-weight="bold">{}</text>)"
        "\n",
        kGap, top + 17, escape_xml(scenario_label(scenario)));
    top += kLine;
    for (std::size_t c = 0; c < study.ratios().size(); ++c) {
      const auto cell = samples.cells.find({scenario, study.ratios()[c], run});
      add(R"svg(<g transform="translate({:.2f} {:.2f}) scale({:.5f})">)svg",
          kGap + static_cast<double>(c) * (w + kGap), top, scale);
      if (cell == samples.cells.end()) {
        add(R"(<rect width="{}" height="{}" fill="#e1e1e1"/></g>)", shown.width, shown.height);
        continue;
      }
      add(R"svg(<use xlink:href="#picture"{}/>)svg",
          detail::is_grey(study, scenario) ? R"svg( filter="url(#grey)")svg" : "");
      svg +=
          detail::boxes_svg(cell->second.clean[picture], shown, samples.categories, scale, least);
      svg += "</g>\n";
    }
    top += h + kGap;
  }
  return svg + "</svg>\n";
}

}  // namespace serpette
