#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "serpette/core/contract.hpp"

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

  /// What other processes know this one by: those of different names may share a folder.
  [[nodiscard]] std::string name() const {
    if (dry_run) return "plan";
    if (collect) return "collect";
    return whole() ? "all" : fmt::format("{}-of-{}", shard, shards);
  }

 private:
  void read(const std::string& text) {
    const auto number = [](std::string_view digits) {
      int value = 0;
      const char* const end = digits.data() + digits.size();
      const auto [stop, code] = std::from_chars(digits.data(), end, value);
      return code == std::errc{} && stop == end ? value : 0;
    };
    const auto slash = std::min(text.find('/'), text.size());
    shard = number(std::string_view(text).substr(0, slash));
    shards = number(std::string_view(text).substr(std::min(slash + 1, text.size())));
    require(1 <= shard && shard <= shards, "--shard", "should be i/n with 1 <= i <= n, got \"{}\"",
            text);
  }
};

}  // namespace serpette::cli
