#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "serpette_report/markup.hpp"
#include "serpette_report/page_style.hpp"
#include "serpette_report/palette.hpp"

namespace serpette::detail {

/// A page that opens offline: what is shown in the house's style, light and dark.
/// @param title   plain text.
/// @param body    header, main and footer, as they stand.
/// @param script  what runs once all is there.
/// @param style   beside the house's.
inline std::string framed_page(std::string_view title, std::string_view body,
                               std::string_view script, std::string_view style = "") {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{}</title><style>{}{}{}</style></head><body>\n{}<script>{}</script></body></html>\n",
      escape_xml(title), theme_style(), kPageStyle, style, body, script);
}

}  // namespace serpette::detail
