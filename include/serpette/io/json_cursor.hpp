#pragma once

/// @internal How coco_json.hpp and detections.hpp walk through a file.

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "serpette/core/box.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/text.hpp"

namespace serpette {

/// Walks a JSON file from front to back (simdjson, on demand: no tree is built) and knows where it
/// is, so that every error says `file: annotations[17].bbox: should be …, got …`.
class JsonCursor {
 public:
  using Value = simdjson::ondemand::value;

  explicit JsonCursor(const std::filesystem::path& path)
      : file_(path.string()), text_(read_file(path, simdjson::SIMDJSON_PADDING)) {}

  /// Calls `visit(*this, document)` with the file's root, which is closed behind it.
  /// @throws Error  if the file is no JSON.
  template <class Visit>
  void root(Visit&& visit) {
    try {
      simdjson::ondemand::parser parser;
      const auto text = without_mark(text_);
      simdjson::ondemand::document document = parser.iterate(simdjson::padded_string_view(
          text.data(), text.size(), text_.capacity() - (text_.size() - text.size())));
      visit(document);
      const char* rest = nullptr;
      require(document.current_location().get(rest) != simdjson::SUCCESS, file_,
              "should end with the JSON value");
    } catch (const simdjson::simdjson_error& error) {
      fail(place(), "should be JSON, got \"{}\"", error.what());
    }
  }

  /// Calls `visit(key, value)` for each field of an object (the root document or a value).
  template <class Any, class Visit>
  void fields(Any&& any, Visit&& visit) {
    simdjson::ondemand::object object;
    check(any.get_object().get(object), "an object {…}", any);
    const auto depth = place_.size();
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (depth > 0) place_.push_back('.');
      place_.append(key);
      visit(key, Value(field.value()));
      place_.resize(depth);
    }
  }

  /// Calls `visit(value)` for each element of a list.
  template <class Any, class Visit>
  void elements(Any&& any, Visit&& visit) {
    simdjson::ondemand::array array;
    check(any.get_array().get(array), "a list […]", any);
    const auto depth = place_.size();
    std::size_t index = 0;
    for (auto element : array) {
      fmt::format_to(std::back_inserter(place_), "[{}]", index++);
      visit(Value(element.value()));
      place_.resize(depth);
    }
  }

  double number(Value value) {
    double number = 0;
    if (value.get_double().get(number) != simdjson::SUCCESS || !std::isfinite(number))
      refuse("a finite number", value);
    return number;
  }

  /// Ids; 7.0 is accepted for 7, as Python's comparison does.
  std::int64_t whole(Value value) {
    simdjson::ondemand::number number;
    if (value.get_number().get(number) != simdjson::SUCCESS) {
      if (is_integer(token(value))) refuse_size(value);
      refuse("a whole number", value);
    }
    if (number.is_int64()) return number.get_int64();
    const double real = number.as_double();
    if (real != std::floor(real)) refuse("a whole number", value);
    // Of larger ones written with a point or an exponent, not every one is a double.
    if (number.is_uint64() || std::abs(real) > 0x1p53) refuse_size(value);
    return static_cast<std::int64_t>(real);
  }

  /// true, false, 0 or 1.
  bool flag(Value value) {
    bool flag = false;
    if (value.get_bool().get(flag) == simdjson::SUCCESS) return flag;
    return whole(value) != 0;
  }

  std::string string(Value value) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) refuse("a string", value);
    return std::string(text);
  }

  /// [x, y, width, height], the size not negative.
  Box box(Value value) {
    double corner[4] = {};
    std::size_t count = 0;
    elements(value, [&](Value element) {
      const double read = number(element);
      if (count < 4) corner[count] = read;
      ++count;
    });
    require(count == 4, place(), "should be [x, y, width, height], got {} numbers", count);
    require(corner[2] >= 0 && corner[3] >= 0, place(),
            "width and height should not be negative, got [{}, {}, {}, {}]", corner[0], corner[1],
            corner[2], corner[3]);
    return {corner[0], corner[1], corner[2], corner[3]};
  }

  /// `file: annotations[17].bbox`, or the file alone at its root.
  [[nodiscard]] std::string place() const {
    return place_.empty() ? file_ : fmt::format("{}: {}", file_, place_);
  }
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  // A wrong type is the file's author's business and told in words; a broken text is thrown to
  // root().
  template <class Any>
  void check(simdjson::error_code code, std::string_view wanted, Any&& any) {
    if (code == simdjson::INCORRECT_TYPE) refuse(wanted, any);
    if (code != simdjson::SUCCESS) throw simdjson::simdjson_error(code);
  }

  /// A value as it is written, the beginning of it.
  template <class Any>
  static std::string_view token(Any&& any) {
    std::string_view raw;
    if constexpr (requires { any.raw_json_token(); })
      if (simdjson::simdjson_result<std::string_view>(any.raw_json_token()).get(raw) !=
          simdjson::SUCCESS)
        raw = {};
    return raw.substr(0, std::min(raw.find_last_not_of(" \n\r\t") + 1, std::size_t{40}));
  }

  static bool is_integer(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  [[noreturn]] void refuse_size(Value value) {
    if (token(value).starts_with('-'))
      refuse("a whole number from -2^63 (-9223372036854775808)", value, ", which is too small");
    refuse("a whole number below 2^63 (9223372036854775808)", value, ", which is too large");
  }

  template <class Any>
  [[noreturn]] void refuse(std::string_view wanted, Any&& any, std::string_view why = "") {
    const auto raw = token(any);
    fail(place(), "should be {}, got {}{}", wanted, raw.empty() ? "something else" : raw, why);
  }

  std::string file_, text_;
  std::string place_;
};

}  // namespace serpette
