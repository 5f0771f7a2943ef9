#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"

namespace serpette::cli {

/// Which part of the cells this process does, and whether it computes any; without options all.
struct PartOptions {
  int shard = 1, shards = 1;
  bool collect = false;     ///< Merge and check what others wrote.
  bool dry_run = false;     ///< List and estimate.
  bool time_again = false;  ///< Time the networks that are there.

  void add_to(CLI::App& app) {
    auto* const part =
        app.add_option_function<std::string>(
               "--shard", [this](const std::string& text) { read(text); },
               "i/n: only the i-th of n stretches of the cells; shards may share --out")
            ->default_str("1/1");
    auto* const merge =
        app.add_flag("--collect", collect,
                     "Run nothing: merge what is there and check that no cell is missing")
            ->excludes(part);
    app.add_flag("--time-again", time_again,
                 "Run nothing: time the finished networks anew, on this machine")
        ->excludes(part)
        ->excludes(merge);
    app.add_flag("--dry-run", dry_run,
                 "List the cells with an estimate of time and disk, run nothing");
  }

  [[nodiscard]] bool whole() const { return shards == 1; }

  [[nodiscard]] bool writes_cells() const { return !dry_run && !collect; }

  /// What other processes know this one by: those of different names may share a folder.
  [[nodiscard]] std::string name() const {
    if (dry_run) return "plan";
    if (collect) return "collect";
    return whole() ? "all" : fmt::format("{}-of-{}", shard, shards);
  }

 private:
  void read(const std::string& text) {
    const std::string_view view = text;
    const auto slash = std::min(view.find('/'), view.size());
    shard = parse_number<int>(view.substr(0, slash)).value_or(0);
    shards = parse_number<int>(view.substr(std::min(slash + 1, view.size()))).value_or(0);
    require(1 <= shard && shard <= shards, "--shard", "should be i/n with 1 <= i <= n, got \"{}\"",
            text);
  }
};

}  // namespace serpette::cli
