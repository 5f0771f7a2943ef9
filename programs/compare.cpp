// Two studies side by side: a user's new policy against the paper's scenarios, or a rerun against
// the first run.
//
//   compare out/demo/cells.csv out/mine/cells.csv --out out/compare

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "serpette/app/program.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/study/cells.hpp"
#include "serpette/study/configuration.hpp"
#include "serpette_report/comparison.hpp"

namespace serpette::compare_program {

namespace {

/// What a study was measured with, by the configuration.txt that it leaves beside its cells;
/// nothing where there is none. A suite's settings bear on evaluations.csv alone, which is not
/// compared.
std::vector<ConfigurationLine> measured_with(const std::filesystem::path& cells) {
  auto file = cells;
  file.replace_filename("configuration.txt");
  if (!std::filesystem::is_regular_file(file)) return {};
  auto lines = Configuration::parse(read_file(file)).measuring;
  std::erase_if(lines, [](const auto& line) { return line.name.starts_with("suite "); });
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    CLI::App app(
        "Compares two studies (cells.csv each) ratio by ratio: means, differences with intervals, "
        "Welch's test with\n"
        "Holm's correction, effect sizes. Scenarios that both have are compared with themselves; "
        "where the studies share\n"
        "none, every scenario of B is compared with every one of A.");
    std::string a, b, out, profile, name_a, name_b;
    StudyRules rules;
    app.add_option("A", a, "cells.csv of the first study, the reference")->required();
    app.add_option("B", b, "cells.csv of the second")->required();
    app.add_option("--out", out, "Folder for compare.csv, figures and index.html; made if missing")
        ->required();
    app.add_option("--profile", profile,
                   "standard (confidence 0.001) or paper (0.5); default: standard if both have it");
    app.add_option("--name-a", name_a, "What readers know A by; default: its folder's name");
    app.add_option("--name-b", name_b, "What readers know B by; default: its folder's name");
    app.add_flag("--partial", rules.partial, "Accept studies of which cells are missing");
    app.footer("Example:\n  compare out/demo/cells.csv out/mine/cells.csv --out out/compare");
    cli::parse(app, argc, argv);
    const auto name = [](const std::string& given, const std::string& file, const char* otherwise) {
      if (!given.empty()) return given;
      const auto folder = std::filesystem::absolute(file).parent_path().filename().string();
      return folder.empty() ? std::string(otherwise) : folder;
    };
    name_a = name(name_a, a, "A"), name_b = name(name_b, b, "B");
    if (name_a == name_b) name_a += ", A", name_b += ", B";
    const Study first(read_cells(a), a, rules), second(read_cells(b), b, rules);
    if (profile.empty())
      profile = first.main_profile() == second.main_profile() ? first.main_profile() : "paper";
    for (const auto* study : {&first, &second})
      require(std::ranges::find(study->profiles(), profile) != study->profiles().end(),
              study->place(), "should have the profile \"{}\", got {}", profile,
              fmt::join(study->profiles(), ", "));
    std::vector<std::string> notes;
    if (const auto differ = differences(measured_with(a), measured_with(b)); !differ.empty())
      notes.push_back(
          fmt::format("The studies were measured with other settings, and what differs may come of "
                      "that ({} is there, {} is here): {}.",
                      name_a, name_b, fmt::join(differ, "; ")));
    const auto sentences =
        write_comparison(contenders(first, second, name_a, name_b), profile, out, notes);
    for (const auto& note : notes) fmt::print("{}\n", note);
    for (const auto& sentence : sentences) fmt::print("{}\n", sentence);
    fmt::print("{}\n", (std::filesystem::path(out) / "index.html").string());
  });
}

}  // namespace serpette::compare_program
