#include "serpette/app/cli.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "serpette/app/budget_options.hpp"
#include "serpette/core/ratio.hpp"

// A word a line, as a program gets them: options of every kind, read and applied.
SERPETTE_FUZZ_TARGET(command_line) {
  using namespace serpette;
  std::vector<std::string> words{""};
  for (const char c : test::text(data, size)) {
    if (c == '\n')
      words.emplace_back();
    else if (c != '\0')  // ends a word of argv
      words.back() += c;
  }
  std::ranges::reverse(words);  // as CLI11 takes them
  return test::accept_or_refuse([&] {
    CLI::App app("fuzz");
    std::string annotations, ratios;
    std::vector<std::string> scenarios;
    double confidence = 0;
    std::int64_t steps = 0;
    std::uint64_t seed = 0;
    bool strict = false;
    app.add_option("--annotations", annotations)->required();
    app.add_option("--scenarios", scenarios)->delimiter(',');
    app.add_option("--ratio", ratios);
    app.add_option("--confidence", confidence)->check(cli::kFraction)->excludes("--annotations");
    app.add_option("--steps", steps)->check(cli::kSome);
    app.add_option("--seed", seed)->check(cli::kSeed);
    app.add_flag("--strict", strict);
    cli::BudgetOptions budget;
    budget.add_to(app);
    try {
      app.parse(words);
    } catch (const CLI::ParseError&) {  // help, or a mistake that is told
      return;
    }
    (void)budget.chosen();
    (void)Ratio::parse(ratios);
  });
}
