#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// @file
/// What scenarios are called, without what they do: the one list of ids and labels, for programs
/// and reports alike. Needs no LibTorch; the registry (scenario/registry.hpp) gives ids their
/// types.

namespace serpette {

/// What the paper has of a scenario.
enum class InPaper {
  kNo,
  kTables,  ///< One of the five of Tables V–XIV.
  kKernels  ///< Its structured scenario as the author reads it since: kernels, not whole filters.
};

/// A scenario under its names.
struct CatalogueEntry {
  std::string_view id;     ///< What people type and cells.csv holds.
  std::string_view label;  ///< What tables and figures print: the paper's words where it has some.
  InPaper paper = InPaper::kNo;
  std::size_t hue = 0;  ///< Index of its colour in every figure (serpette_report/palette.hpp).
};

/// The network as it came, before the study trained it under attack or pruned it: a line in every
/// figure. It is measured at ratio 0 alone.
inline constexpr std::string_view kOriginal = "original";

/// Every shipped scenario, in the order of tables and legends.
inline constexpr std::array kCatalogue{
    CatalogueEntry{kOriginal, "Original", InPaper::kNo, 9},
    CatalogueEntry{"unstructured_deeplift", "Unstructured DeepLIFT", InPaper::kTables, 0},
    CatalogueEntry{"unstructured_hydra", "Unstructured HYDRA", InPaper::kTables, 1},
    CatalogueEntry{"structured_deeplift", "Structured DeepLIFT", InPaper::kTables, 2},
    CatalogueEntry{"structured_hydra", "Structured HYDRA", InPaper::kTables, 3},
    CatalogueEntry{"unstructured_deeplift_greyscale", "Unstructured DeepLIFT Greyscale",
                   InPaper::kTables, 4},
    CatalogueEntry{"kernel_deeplift", "Kernel DeepLIFT", InPaper::kKernels, 5},
    CatalogueEntry{"kernel_hydra", "Kernel HYDRA", InPaper::kKernels, 8},
    CatalogueEntry{"unstructured_magnitude", "Unstructured Magnitude", InPaper::kNo, 7},
    CatalogueEntry{"structured_deeplift_greyscale", "Structured DeepLIFT Greyscale", InPaper::kNo,
                   6},
    CatalogueEntry{"unstructured_deeplift_box", "Unstructured DeepLIFT with box", InPaper::kNo, 6},
    CatalogueEntry{"unstructured_hydra_lamp", "Unstructured HYDRA by LAMP", InPaper::kNo, 10},
    CatalogueEntry{"structured_hydra_lamp", "Structured HYDRA by LAMP", InPaper::kNo, 11}};

/// The entry of an id; nothing for a scenario that is not shipped.
constexpr std::optional<CatalogueEntry> catalogued(std::string_view id) {
  const auto* const found = std::ranges::find(kCatalogue, id, &CatalogueEntry::id);
  return found == kCatalogue.end() ? std::nullopt : std::optional(*found);
}

/// Where tables list a scenario: the catalogue's place, behind all of them for others.
constexpr std::size_t catalogue_place(std::string_view id) {
  return static_cast<std::size_t>(std::ranges::find(kCatalogue, id, &CatalogueEntry::id) -
                                  kCatalogue.begin());
}

/// What readers call a scenario: the catalogue's label, else the id's words: "my_policy" → "My
/// Policy".
inline std::string scenario_label(std::string_view id) {
  if (const auto entry = catalogued(id)) return std::string(entry->label);
  std::string label;
  bool starts = true;
  for (const char c : id) {
    label += c == '_' ? ' ' : starts && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    starts = c == '_';
  }
  return label;
}

/// Whether files may be named by an id: letters, digits, underscores, hyphens and dots, a letter or
/// digit first, at most 100 in all.
constexpr bool is_file_id(std::string_view id) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !id.empty() && id.size() <= 100 && plain(id.front()) &&
         std::ranges::all_of(id,
                             [&](char c) { return plain(c) || c == '_' || c == '-' || c == '.'; });
}

}  // namespace serpette
