#include "serpette/app/setting_options.hpp"

#include "serpette/app/budget_options.hpp"
#include "support/catch.hpp"

namespace {

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

enum class Wood { kOak, kAsh };
constexpr auto words(Wood) {
  return std::array<Word<Wood>, 2>{{{"oak", Wood::kOak}, {"ash", Wood::kAsh}}};
}

struct Branch {
  double length = 1.5;
  bool green = false;
  Wood wood = Wood::kOak;
  static constexpr auto describe() {
    return settings(setting<&Branch::length>("Of the branch [m]", above(0, 40)),
                    setting<&Branch::green>("Is it green"),
                    setting<&Branch::wood>("What it is of"));
  }
};

/// Has a setting of the same name with other bounds.
struct Twig {
  double length = 90;
  static constexpr auto describe() {
    return settings(setting<&Twig::length>("Of the twig [mm]", above(0, 1000)));
  }
};

/// What people typed, read.
template <class... Offered>
cli::SettingOptions typed(const std::string& line, const Offered&... offered) {
  cli::SettingOptions options;
  (options.offer(offered, "tree"), ...);
  options.also("--wood", "--tree-wood");
  CLI::App app;
  options.add_to(app);
  app.parse(line);
  return options;
}

}  // namespace

TEST_CASE("described settings are options", "[app][settings]") {
  const auto with = [](const std::string& line) {
    return settings_text(typed(line, Branch{}).apply_to(Branch{}, "tree"));
  };
  CHECK(with("") == settings_text(Branch{}));
  CHECK(with("--tree-length 3 --tree-green --tree-wood ash") == "{length=3,green=true,wood=ash}");
  CHECK(with("--tree-green=false --wood=ash") == "{length=1.5,green=false,wood=ash}");
}

TEST_CASE("what a setting may not be is refused while the line is read", "[app][settings]") {
  const auto refused = [](const std::string& line, const std::string& message) {
    CHECK_THROWS_WITH(typed(line, Branch{}), ContainsSubstring(message));
  };
  refused("--tree-length 0", "--tree-length: should be a number above 0 to 40, got \"0\"");
  refused("--tree-length nan", "got \"nan\"");
  refused("--wood elm", "should be oak or ash, got \"elm\"");
  refused("--tree-height 3", "--tree-height");
}

TEST_CASE("two types share an option, each with its own bounds", "[app][settings]") {
  const auto options = typed("--tree-length 500", Branch{}, Twig{});
  CHECK(options.apply_to(Twig{}, "tree").length == 500);
  CHECK_THROWS_WITH(options.apply_to(Branch{}, "tree"),
                    "--tree-length: should be a number above 0 to 40, got \"500\"");
}

TEST_CASE("a setting that nothing at work has is refused", "[app][settings]") {
  const auto options = typed("--tree-wood ash", Branch{}, Twig{});
  (void)options.apply_to(Twig{}, "tree");
  CHECK_THROWS_WITH(options.require_used("twig"),
                    ContainsSubstring("--tree-wood: should be a setting of twig"));
  (void)options.apply_to(Branch{}, "tree");
  CHECK_NOTHROW(options.require_used("branch"));
}

TEST_CASE("a refusal says whose the setting is", "[app][settings]") {
  cli::SettingOptions options;
  options.offer(Branch{}, "tree", true, "branch");
  options.offer(Twig{}, "tree", true, "twig");
  CLI::App app;
  options.add_to(app);
  app.parse("--tree-wood ash");
  CHECK(options.names_given() == std::vector<std::string>{"--tree-wood"});
  CHECK_THROWS_WITH(options.require_used("twig (--tree-length)", {"twig"}),
                    "--tree-wood: should be a setting of twig (--tree-length), got one of branch");
  CHECK_THROWS_WITH(options.require_used("branch", {"branch"}),
                    "--tree-wood: should have an effect beside the other settings of branch, got "
                    "none");
}

TEST_CASE("momentum is SGD's alone", "[app][settings]") {
  const auto chosen = [](const std::string& line) {
    cli::BudgetOptions budget;
    CLI::App app;
    budget.add_to(app);
    app.parse(line);
    return budget.chosen();
  };
  CHECK(chosen("--budget smoke --finetune-momentum 0.5").finetune.momentum == 0.5);
  CHECK_THROWS_WITH(chosen("--budget demo --finetune-momentum 0.5"),
                    "--finetune-momentum: should come with --finetune-optimizer sgd, got adam, "
                    "which has its own");
  CHECK(
      chosen("--budget demo --finetune-momentum 0.5 --finetune-optimizer sgd").finetune.momentum ==
      0.5);
}

TEST_CASE("a budget's numbers are options: all stages, then one", "[app][settings]") {
  cli::BudgetOptions budget;
  CLI::App app;
  budget.add_to(app);
  app.parse("--budget smoke --finetune-batch-size 3 --batch-size 5 --score-steps 7 --test-limit 2");
  const auto chosen = budget.chosen();
  CHECK(chosen.pretrain.batch_size == 5);
  CHECK(chosen.finetune.batch_size == 3);
  CHECK(chosen.scores.steps == 7);
  CHECK(chosen.evaluate.images == 2);
  CHECK(chosen.pretrain.steps == budget_named("smoke").budget.pretrain.steps);
}
