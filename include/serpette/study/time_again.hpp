#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette/study/sweep.hpp"

namespace serpette {

namespace detail {

/// A cell's table with other times; all else keeps its bytes.
/// @param times  per profile and column.
inline std::string with_times(const std::filesystem::path& table,
                              const std::map<std::string, std::map<std::string, double>>& times) {
  CsvReader csv(table, {"profile"});
  CsvWriter changed;
  changed.row_of(csv.header());
  while (csv.next()) {
    const auto& of_row = times.at(std::string(csv.text(0)));
    std::vector<std::string> fields;
    for (std::size_t k = 0; k < csv.header().size(); ++k) {
      const auto found = of_row.find(csv.header()[k]);
      fields.push_back(found == of_row.end() ? std::string(csv.at(k))
                                             : fmt::to_string(found->second));
    }
    changed.row_of(fields);
  }
  return std::string(changed.text());
}

}  // namespace detail

/// Times the networks of a plan's finished cells anew, one after the other: where shards ran on
/// several machines, or since inference has become faster, all cells then have times of one
/// machine and one version. Nothing else of their tables changes.
/// @return  how many cells are not finished, and so were not timed.
template <Detector D, Dataset Train, Dataset Test, Observer O, class Dispatch>
std::int64_t time_again(const std::vector<CellId>& plan,
                        const Experiment<D, Train, Test>& experiment, const Store& store,
                        O& observer, Dispatch&& dispatch) {
  std::int64_t unfinished = 0, timed = 0;
  notify::stage(observer, "timing", std::ssize(plan));
  Silent silent;
  for (const auto& id : plan) {
    if (const CellFiles files(store, id); files.finished()) {
      auto network = D::load(files.folder() / "network.cfg", files.folder() / "network.weights");
      network.to(experiment.device);
      std::map<std::string, std::map<std::string, double>> times;
      dispatch(id.scenario, [&](const auto& scenario) {
        const auto [paper, standard] = cell_times(scenario, experiment, network, silent);
        times = {{"paper", columns_of(paper)}, {"standard", columns_of(standard)}};
      });
      for (const char* table : {"details.csv", "cells.csv"})
        write_file(files.folder() / table, detail::with_times(files.folder() / table, times));
    } else {
      ++unfinished;
    }
    notify::step(observer, ++timed, std::nan(""));
  }
  return unfinished;
}

}  // namespace serpette
