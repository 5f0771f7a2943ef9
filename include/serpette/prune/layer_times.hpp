#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// What a network's convolutions take, by a table that was measured once: how a budget of time is
/// counted. A layer of which a part is gone takes
///
///   time = measured time · multiply-adds that are left / multiply-adds it was measured with,
///
/// so that a layer is as dear as its multiply-adds are slow on the machine of the table: large maps
/// with few channels, small maps with many. Layers without weights are not counted, nor is what a
/// sparse form costs beside a dense one, which scales all layers by about the same factor; what a
/// finished network really takes `prune --max-ms` and `profile` measure.
///
/// The table is a text, "conv_0:1.25,conv_2:0.5", milliseconds by the layers' names: it is a part
/// of the settings that results are kept under, and equal tables give equal masks on any machine.
/// The program profile writes one (times.txt) of a dense network.
class LayerTimes {
 public:
  /// @throws Error  if the table does not name every convolution of the network once, each with a
  /// time above 0 and of at most 10 s.
  LayerTimes(const Graph& graph, std::string_view table) {
    const auto convolutions = graph.convolutions();
    std::vector<double> each(convolutions.size(), 0);
    for (std::size_t begin = 0; begin < table.size();) {
      const auto end = std::min(table.find(',', begin), table.size());
      const auto entry = table.substr(begin, end - begin);
      const auto colon = std::min(entry.find(':'), entry.size());
      const auto name = entry.substr(0, colon),
                 text = entry.substr(std::min(colon + 1, entry.size()));
      const auto ms = parse_number<double>(text);
      require(ms > 0, kPlace, "should be NAME:MILLISECONDS with commas between, got \"{}\"", entry);
      require(*ms <= kMost, kPlace, "should have at most {} ms for a layer, got \"{}\"", kMost,
              entry);
      std::size_t i = 0;
      while (i < each.size() && graph[convolutions[i]].name != name) ++i;
      require(i < each.size(), kPlace, "should name convolutions of the network, got \"{}\"", name);
      require(each[i] == 0, kPlace, "should name each layer once, got {} twice", name);
      each[i] = *ms;
      begin = end + 1;
    }
    for (std::size_t i = 0; i < each.size(); ++i) {
      require(each[i] > 0, kPlace, "should have a time for every convolution, got none for {}",
              graph[convolutions[i]].name);
      rates_.push_back(kUnits * each[i] / static_cast<double>(macs(graph, convolutions[i])));
    }
  }

  /// Of one convolution, of as many multiply-adds [10⁻¹⁵ s]: whole numbers, so that sums are exact.
  /// @param position  in `Graph::convolutions()` of the network that was measured.
  [[nodiscard]] std::int64_t of(std::size_t position, std::int64_t multiply_adds) const {
    return std::llround(rates_[position] * static_cast<double>(multiply_adds));
  }

  /// Of all convolutions of a network, that which was measured or one that channels of it were cut
  /// out of [10⁻¹⁵ s].
  [[nodiscard]] std::int64_t of(const Graph& graph) const {
    const auto convolutions = graph.convolutions();
    std::int64_t all = 0;
    for (std::size_t i = 0; i < convolutions.size(); ++i)
      all += of(i, macs(graph, convolutions[i]));
    return all;
  }

 private:
  static constexpr std::string_view kPlace = "times";
  static constexpr double kUnits = 1e12;  // 10⁻¹⁵ s in a millisecond
  static constexpr double kMost = 1e4;    // [ms]: of 900 such layers the sum is a whole number yet

  std::vector<double> rates_;  // 10⁻¹⁵ s a multiply-add, by position
};

/// Refuses a ratio of time without a table.
/// @param policy  that has the ratio.
/// @param option  that the table is given by, as a rule.
inline void require_times(std::string_view table, std::string_view policy,
                          std::string_view option) {
  require(
      !table.empty(), policy,
      "should come with the milliseconds of each convolution where its ratio is one of time ({} "
      "\"$(cat times.txt)\", which profile writes), got none",
      option);
}

}  // namespace serpette
