#include "serpette/prune/schedule.hpp"

#include "support/catch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<std::string> texts(const Schedule auto& schedule, int percent) {
  std::vector<std::string> all;
  for (const auto& ratio : schedule.ratios(Ratio::percent(percent))) all.push_back(ratio.str());
  return all;
}

}  // namespace

TEST_CASE("schedules reach their ratio in their rounds", "[prune][schedule]") {
  using Texts = std::vector<std::string>;
  CHECK(texts(OneShot{}, 90) == Texts{"90"});
  // 1 − ½, 1 − ¼: half of what is left each time.
  CHECK(texts(Iterative{.rounds = 2}, 75) == Texts{"50", "75"});
  // 80 · (1 − (1 − k/4)³) = 80 · 37/64, 80 · 56/64, 80 · 63/64.
  CHECK(texts(Cubic{.rounds = 4}, 80) == Texts{"46.25", "70", "78.75", "80"});
  for (const int percent : {0, 1, 50, 99})
    for (const auto& ratios :
         {Iterative{}.ratios(Ratio::percent(percent)), Cubic{}.ratios(Ratio::percent(percent))}) {
      CHECK(ratios.size() == 5);
      CHECK(std::ranges::is_sorted(ratios));
      CHECK(ratios.back() == Ratio::percent(percent));
    }
}

TEST_CASE("rounds are any of the schedules, and one shot is one round", "[prune][schedule]") {
  const auto last = Ratio::percent(80);
  CHECK((Rounds{}.ratios(last) == OneShot{}.ratios(last)));
  CHECK((Rounds{Curve::kIterative, 3}.ratios(last) == Iterative{3}.ratios(last)));
  CHECK((Rounds{Curve::kCubic, 4}.ratios(last) == Cubic{4}.ratios(last)));
  CHECK_NOTHROW(check_settings(Rounds{Curve::kCubic, 2}));
  CHECK_THROWS_WITH(check_settings(Rounds{Curve::kOneShot, 5}),
                    ContainsSubstring("got 5 with one-shot"));
  CHECK_THROWS_WITH(check_settings(Rounds{Curve::kCubic, 1}),
                    ContainsSubstring("got 1 with cubic"));
}
