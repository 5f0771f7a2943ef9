#include "serpette/core/settings.hpp"

#include <fstream>
#include <optional>
#include <set>

#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/mtd.hpp"
#include "serpette/attack/noise.hpp"
#include "serpette/attack/pgd_l2.hpp"
#include "serpette/attack/restarts.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/core/settings_table.hpp"
#include "serpette/core/typed_settings.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/objective/distilled.hpp"
#include "serpette/objective/fast_adversarial.hpp"
#include "serpette/objective/free_adversarial.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "serpette/objective/trades_like.hpp"
#include "serpette/objective/under.hpp"
#include "serpette/prune/block.hpp"
#include "serpette/prune/both.hpp"
#include "serpette/prune/chosen_allocation.hpp"
#include "serpette/prune/global.hpp"
#include "serpette/prune/input_channel.hpp"
#include "serpette/prune/layers.hpp"
#include "serpette/prune/n_of_m.hpp"
#include "serpette/prune/schedule.hpp"
#include "serpette/scenario/paper.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "serpette/score/deep_lift_trained.hpp"
#include "serpette/score/normalised.hpp"
#include "support/catch.hpp"

namespace {

using namespace serpette;

enum class Wood { kOak, kAsh };
constexpr auto words(Wood) {
  return std::array<Word<Wood>, 2>{{{"oak", Wood::kOak}, {"ash", Wood::kAsh}}};
}

struct Branch {
  double length = 1.5;
  int twigs = 3;
  static constexpr auto describe() {
    return settings(setting<&Branch::length>("Of the branch [m]", above(0, 40)),
                    setting<&Branch::twigs>("On it", at_least(0)));
  }
};

/// More members than structured bindings are read of.
struct Tree {
  static constexpr std::string_view name = "Tree";
  int a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
  bool ever_green = false;
  Wood wood = Wood::kOak;
  std::string owner = "us";
  Branch lowest{}, highest{};

  static constexpr auto describe() {
    return settings(setting<&Tree::a>(""), setting<&Tree::b>(""), setting<&Tree::c>(""),
                    setting<&Tree::d>(""), setting<&Tree::e>(""), setting<&Tree::f>(""),
                    setting<&Tree::g>(""), setting<&Tree::h>(""), setting<&Tree::ever_green>(""),
                    setting<&Tree::wood>("What it is of"), setting<&Tree::owner>(""),
                    part<&Tree::lowest>("low"), part<&Tree::highest>("", {"twigs"}));
  }
  void check() const {
    require(lowest.length >= highest.length, name, "lowest should be longest, got {} under {}",
            lowest.length, highest.length);
  }
};

/// What an aggregate without a description gives: values, no names, no options.
struct Plain {
  static constexpr std::string_view name = "Plain";
  double x = 0.5;
  bool y = true;
  Wood wood = Wood::kAsh;
};

/// A policy with members of its own.
class Shut {
 public:
  static constexpr auto describe() { return settings(setting<&Shut::depth_>("How deep")); }

 private:
  int depth_ = 4;
};

/// One of whose settings means nothing without another.
struct Pot {
  bool planted = false;
  Branch plant{};

  static constexpr auto describe() {
    return settings(setting<&Pot::planted>(""), part<&Pot::plant>("plant"));
  }
  [[nodiscard]] bool has(std::string_view setting) const { return setting != "plant" || planted; }
};

std::set<std::string> options_of(const auto& value, Which which = Which::kAtWork,
                                 const std::string& prefix = {}) {
  std::set<std::string> names;
  each_setting(
      value,
      [&](const std::string& name, const auto&, const auto&) {
        CHECK(names.insert(name).second);  // no two alike
      },
      prefix, which);
  return names;
}

}  // namespace

TEST_CASE("a description names members, however many", "[core][settings]") {
  static_assert(Setting<&Tree::ever_green>::name == "ever_green");
  static_assert(Setting<&TogVanishing::steps>::name == "steps");
  CHECK(settings_text(Tree{}) ==
        "Tree{a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,ever_green=false,wood=oak,owner=\"us\","
        "lowest={length=1.5,twigs=3},highest={length=1.5,twigs=3}}");
  CHECK(settings_text(Plain{}) == "Plain{0.5,true,ash}");
  CHECK(settings_text(Shut{}) == "{depth_=4}");
  CHECK(settings_text(std::vector<double>{1, 2.5}) == "[1,2.5]");
  CHECK(settings_text(Pgd{}) ==
        "PGD{epsilon=0.05,step=0.02,steps=5,random_start=false,norm=linf,"
        "aim={goal=truth,box=1,objectness=1,classes=1,own=false}}");
  CHECK(settings_text(Weight{}) == "Unstructured{}");
}

TEST_CASE("options follow from descriptions, parts and all", "[core][settings]") {
  const auto names = options_of(Tree{});
  for (const char* name : {"ever-green", "wood", "owner", "low-length", "low-twigs", "length"})
    CHECK(names.contains(name));
  CHECK_FALSE(names.contains("twigs"));  // without effect in that place
  CHECK(options_of(Plain{}).empty());
  CHECK(settings_lines(Branch{.length = 2}, "branch") == "--branch-length 2\n--branch-twigs 3\n");
  const auto scenario = options_of(StructuredDeepLift{});
  for (const char* name :
       {"attack-epsilon", "attack-aim", "schedule", "allocation-spare", "score-reference"})
    CHECK(scenario.contains(name));
  CHECK_FALSE(scenario.contains("score-learning-rate"));  // HYDRA's
  options_of(Budget{});
}

TEST_CASE("settings without effect are no options of a value that is set so", "[core][settings]") {
  CHECK(options_of(Pot{}) == std::set<std::string>{"planted"});
  CHECK(options_of(Pot{.planted = true}).contains("plant-twigs"));
  CHECK(options_of(Pot{}, Which::kAll).contains("plant-twigs"));
  // What decides is read first.
  const auto typed = [](const std::string& option) {
    return option == "planted"       ? std::optional<std::string>("true")
           : option == "plant-twigs" ? std::optional<std::string>("9")
                                     : std::nullopt;
  };
  CHECK(with_settings(Pot{}, typed).plant.twigs == 9);
  // Nor do results differ by them.
  CHECK(settings_text(Pot{.plant = {.twigs = 9}}) == "{planted=false}");
  CHECK(settings_text(Pot{.planted = true}) == "{planted=true,plant={length=1.5,twigs=3}}");
  const auto of_goal = [](Aim::Goal goal) {
    return options_of(Aim{.goal = goal}, Which::kAtWork, "aim");
  };
  CHECK(of_goal(Aim::Goal::kTruth).size() == 5);
  CHECK(of_goal(Aim::Goal::kMislabel).size() == 5);
  CHECK(of_goal(Aim::Goal::kVanish) == std::set<std::string>{"aim", "aim-objectness"});
  CHECK(of_goal(Aim::Goal::kEvade) == std::set<std::string>{"aim", "aim-own"});
  CHECK_FALSE(options_of(Mtd{}).contains("aim-own"));  // its aims are its own
}

TEST_CASE("what people type is read within its bounds", "[core][settings]") {
  const auto read = [](auto value, std::string_view text, Bounds bounds = {}) {
    read_setting(text, value, bounds, "--x");
    return value;
  };
  CHECK(read(0.0, "1e-3") == 1e-3);
  CHECK(read(0, "-7") == -7);
  CHECK(read(std::int64_t{0}, "5000000000") == 5'000'000'000);
  CHECK(read(false, "true"));
  CHECK(read(Wood::kOak, "ash") == Wood::kAsh);
  CHECK(read(std::string(), "as it is") == "as it is");
  CHECK(read(std::string_view(), std::string(40, 'x')) ==
        std::string(40, 'x'));  // text that is gone
  const auto refused = [&](auto value, std::string_view text, Bounds bounds,
                           const std::string& what) {
    CHECK_THROWS_WITH(read(value, text, bounds),
                      "--x: should be " + what + ", got \"" + std::string(text) + "\"");
  };
  for (const char* text : {"nan", "inf", "", "1x", " 1", "-0.1", "1.5"})
    refused(0.0, text, from_to(0, 1), "a number from 0 to 1");
  refused(0.0, "0", above(0, 1), "a number above 0 to 1");
  refused(0, "1.5", at_least(0), "a whole number of at least 0");
  refused(0, "99999999999", {}, "a whole number");
  refused(true, "yes", {}, "true or false");
  refused(Wood::kOak, "elm", {}, "oak or ash");
  refused(Reference::kZeros, "other", {}, "zeros, grey, mean, blurred or clean-twin");
}

TEST_CASE("settings that depend on each other are checked together", "[core][settings]") {
  CHECK_NOTHROW(check_settings(Tree{}));
  CHECK_THROWS_AS(check_settings(Tree{.highest = {.length = 2}}), Error);
  CHECK_THROWS_WITH(check_settings(StructuredHydra{.attack = {.epsilon = 4}}),
                    "PGD: epsilon should be a pixel value from 0 to 1, got 4");
  CHECK_NOTHROW(check_settings(StructuredHydra{.attack = {.epsilon = 4, .norm = Norm::kL2}}));
}

TEST_CASE("docs/reference/settings.md says what the descriptions say", "[core][settings]") {
  std::string page =
      "# Settings\n\n"
      "What can be set of the shipped policies and budgets, with the options of programs that run\n"
      "scenarios. A policy of your own gets its options in the same way: from its `describe()`\n"
      "([how](../guides/custom_policy.md)). This page is made of the descriptions by a test;\n"
      "`SERPETTE_APPROVE=1 build/release/bin/unit_core \"[settings]\"` writes it anew.\n";
  const auto add = [&](const std::string& name, const std::string& table) {
    page += "\n## " + name + "\n\n" + table;
  };
  add("`Fgsm`", settings_table<Fgsm>("attack"));
  add("`Pgd`, `Mtd` (but for its aim)", settings_table<Pgd>("attack"));
  add("`PgdL2`", settings_table<PgdL2>("attack"));
  add("`Apgd`", settings_table<Apgd>("attack"));
  add("`CarliniWagner`", settings_table<CarliniWagner>("attack"));
  add("`Square`", settings_table<Square>("attack"));
  add("`TogUntargeted`, `TogVanishing`, `TogFabrication`, `TogMislabelling`",
      settings_table<TogVanishing>("attack"));
  add("`Noise`", settings_table<Noise>("attack"));
  add("`Restarts<Attack>`, here of `Pgd`", settings_table<Restarts<Pgd>>("attack"));
  add("`Hydra`", settings_table<Hydra>("score"));
  add("`DeepLift`, `DeepLiftOfFilters` (whose scores are divided by the layer's mean)",
      settings_table<DeepLift>("score"));
  add("`DeepLiftLayer`", settings_table<DeepLiftLayer>("score"));
  add("`DeepLiftTrained`", settings_table<DeepLiftTrained>("score"));
  add("`Normalised<Score>`, beside those of the score",
      settings_table<Normalised<Magnitude>>("score"));
  add("`Kernel`", settings_table<Kernel>("granularity"));
  add("`Filter`", settings_table<Filter>("granularity"));
  add("`InputChannel`", settings_table<InputChannel>("granularity"));
  add("`Layers`", settings_table<Layers>("granularity"));
  add("`Block<R, C>`", settings_table<Block<1, 4>>("granularity"));
  add("`NofM<N, M>`", settings_table<NofM<2, 4>>("granularity"));
  add("`Both<First, Second>`, here of `Filter` and `Weight`",
      settings_table<Both<Filter, Weight>>("granularity"));
  add("`Rounds`, the schedule of shipped scenarios", settings_table<Rounds>("schedule"));
  add("`Iterative`, `Cubic`", settings_table<Cubic>("schedule"));
  add("`PerLayer`, `ErdosRenyiKernel`, `Lamp`", settings_table<PerLayer>("allocation"));
  add("`Global`", settings_table<Global>("allocation"));
  add("`Learned`", settings_table<Learned>("allocation"));
  add("`ChosenAllocation`, any of these, of shipped scenarios",
      settings_table<ChosenAllocation>("allocation"));
  add("`PgdAdversarial`", settings_table<PgdAdversarial>("objective"));
  add("`FreeAdversarial`", settings_table<FreeAdversarial<4>>("objective"));
  add("`FastAdversarial`", settings_table<FastAdversarial>("objective"));
  add("`TradesLike`", settings_table<TradesLike>("objective"));
  add("`Distilled<Objective>`, here of `PgdAdversarial`",
      settings_table<Distilled<PgdAdversarial>>("objective"));
  add("`Under<Attack, Objective>`, here of `Fgsm` and `PgdAdversarial`",
      settings_table<Under<Fgsm, PgdAdversarial>>("objective"));
  add("`Budget` (numbers: those of a stage that no budget names)", settings_table<Budget>(""));
  const auto file = std::filesystem::path(SERPETTE_TESTS) / "../docs/reference/settings.md";
  if (std::getenv("SERPETTE_APPROVE")) write_file(file, page);
  CHECK(read_file(file) == page);
}
