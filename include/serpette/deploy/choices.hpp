#pragma once

#include <fmt/format.h>

#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette::deploy {

/// What a plan chose for one convolution.
struct LayerChoice {
  std::string layer;   ///< Its name in the graph.
  std::string form;    ///< The form's name.
  double density = 1;  ///< Nonzero weights ÷ weights, of the filters that are left.
};

/// Forms by layer, as text: a line `conv_7 winograd` per convolution. What a plan chose on one
/// machine can be kept and given to the next plan, which then is the same.
using Choices = std::map<std::string, std::string>;

inline std::string write_choices(const std::vector<LayerChoice>& choices) {
  std::string text;
  for (const auto& choice : choices) text += fmt::format("{} {}\n", choice.layer, choice.form);
  return text;
}

/// @param place  what an Error calls the text: a file's name.
/// @throws Error  for a line that is not a layer and a form, or a layer named twice. Empty lines
///                and those that begin with # do not count.
inline Choices parse_choices(std::string_view text, std::string_view place = "choices") {
  Choices choices;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string layer, form, more;
    if (!(words >> layer) || layer.front() == '#') continue;
    require(bool(words >> form) && !(words >> more), place,
            "line {} should be a layer and a form, got '{}'", number, line);
    require(choices.emplace(layer, form).second, place, "line {} names {} a second time", number,
            layer);
  }
  return choices;
}

}  // namespace serpette::deploy
