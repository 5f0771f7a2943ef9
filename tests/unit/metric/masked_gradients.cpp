#include "serpette/metric/masked_gradients.hpp"

#include "support/catch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

/// What a network that is as robust as it seems leaves behind.
std::vector<UnderAttack> honest() {
  return {{"None", Access::kNone, 0, 0, 0.6},
          {"Noise", Access::kNoise, 0.05, 0, 0.58},
          {"PGD-5", Access::kGradient, 0.05, 5, 0.25},
          {"PGD-50", Access::kGradient, 0.05, 50, 0.2},
          {"APGD", Access::kGradient, 0.05, 50, 0.19},
          {"Square", Access::kLoss, 0.05, 0, 0.4},
          {"Transfer", Access::kTransfer, 0.05, 50, 0.35},
          {"PGD curve", Access::kGradient, 0.01, 20, 0.5},
          {"PGD curve", Access::kGradient, 0.1, 20, 0.05},
          {"PGD curve", Access::kGradient, 1, 20, 0.01}};
}

std::vector<std::string> signs(const std::vector<UnderAttack>& all, GradientFlow flow = {100, 0}) {
  return signs_of_masking(all, flow.share());
}

/// The one sign when AP50 of an attack is another.
std::string sign_if(std::string_view attack, double ap50, double epsilon = 0.05) {
  auto all = honest();
  for (auto& one : all)
    if (one.attack == attack && (one.epsilon == epsilon)) one.ap50 = ap50;
  const auto found = signs(all);
  REQUIRE(found.size() == 1);
  return found.front();
}

}  // namespace

TEST_CASE("an honest network shows no sign of masked gradients", "[metric][masked_gradients]") {
  CHECK(signs(honest()).empty());
  CHECK(signs({}, {}).empty());
  // Neither does one that was trained and attacked in a small Euclidean ball.
  CHECK(signs({{"None", Access::kNone, 0, 0, 0.6}, {"PGD", Access::kGradient, 0.5, 0, 0.55}})
            .empty());
  // A network that is not robust at all is no masked one.
  CHECK(signs({{"None", Access::kNone, 0, 0, 0.6},
               {"Noise", Access::kNoise, 0.05, 0, 0.5},
               {"PGD-5", Access::kGradient, 0.05, 5, 0.01},
               {"PGD-50", Access::kGradient, 0.05, 50, 0},
               {"Square", Access::kLoss, 0.05, 0, 0.02}})
            .empty());
}

TEST_CASE("every sign of masked gradients is said in words", "[metric][masked_gradients]") {
  CHECK_THAT(signs(honest(), {100, 30}).at(0), ContainsSubstring("on 30 % of the images"));
  CHECK_THAT(sign_if("PGD curve", 0.55, 0.1), ContainsSubstring("rises from 0.500 at ε 0.01"));
  auto flat = honest();
  for (auto& one : flat)
    if (one.attack == "PGD curve") one.ap50 = 0.4;
  CHECK_THAT(signs(flat).at(0), ContainsSubstring("is still 0.400 at ε 1"));
  CHECK_THAT(sign_if("Square", 0.1), ContainsSubstring("which sees no gradient"));
  CHECK_THAT(sign_if("Transfer", 0.1), ContainsSubstring("another network's gradient"));
  CHECK_THAT(sign_if("Noise", 0.2), ContainsSubstring("Random noise of ε 0.05 costs 0.400"));
  CHECK_THAT(sign_if("PGD-50", 0.3), ContainsSubstring("more steps should find at least as much"));
  CHECK_THAT(sign_if("PGD-5", 0.5), ContainsSubstring("sees little of how weak"));
  // However many steps a suite's PGD takes.
  auto short_suite = honest();
  for (auto& one : short_suite)
    if (one.attack == "PGD-50") one = {"PGD-20", Access::kGradient, 0.05, 20, 0.3};
  REQUIRE(signs(short_suite).size() == 1);
  CHECK_THAT(signs(short_suite).at(0), ContainsSubstring("PGD-5 leaves AP50 0.250 and PGD-20 0.3"));
  // Of every strength, and whatever lies between: what a weaker attack found counts.
  auto twice = honest();
  twice.push_back({"PGD", Access::kGradient, 0.1, 5, 0.2});
  twice.push_back({"Square", Access::kLoss, 0.1, 0, 0.01});
  CHECK_THAT(signs(twice).at(0), ContainsSubstring("Square, which sees no gradient, leaves AP50 "
                                                   "0.010 where the best white box (PGD curve)"));
  auto wave = honest();
  wave.push_back({"PGD curve", Access::kGradient, 0.2, 20, 0.065});
  wave.push_back({"PGD curve", Access::kGradient, 0.3, 20, 0.08});
  CHECK_THAT(signs(wave).at(0), ContainsSubstring("from 0.050 at ε 0.1 to 0.080 at ε 0.3"));
  CHECK(signs_of_masking(honest(), NAN).empty());
}

TEST_CASE("labels of evaluations.csv say what an attack sees", "[metric][masked_gradients]") {
  const auto all = honest();
  for (const auto& one : all) {
    const auto read = under_attack(one.attack, one.epsilon, one.ap50);
    INFO(one.attack);
    CHECK(read.access == one.access);
    if (one.attack.starts_with("PGD-")) CHECK(read.steps == one.steps);
  }
  CHECK(under_attack("PGD-20 curve", 0.1, 0.5).steps == 20);
  // Beside a scenario's own attack of that label.
  CHECK(under_attack("Square (suite)", 0.05, 0.5).access == Access::kLoss);
  CHECK(under_attack("PGD-50 (suite)", 0.05, 0.5).steps == 50);
}
