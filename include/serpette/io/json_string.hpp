#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace serpette::detail {

/// A JSON string literal with its quotes; bytes that are no UTF-8 become U+FFFD.
inline std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace serpette::detail
