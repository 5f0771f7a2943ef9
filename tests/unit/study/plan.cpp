#include "serpette/study/plan.hpp"

#include <set>

#include "support/catch.hpp"

using namespace serpette;

namespace {

std::vector<std::string> names(const std::vector<CellId>& plan) {
  std::vector<std::string> result;
  for (const auto& id : plan) result.push_back(cell_folder(id));
  return result;
}

}  // namespace

TEST_CASE(
    "shards are stretches of the plan: together all of it, equally long to within one, whole runs "
    "where they can",
    "[study][plan]") {
  const auto plan =
      plan_cells({"a", "b", "c"}, 4, {Ratio::percent(0), Ratio::percent(50)}, Seed(3));
  const int shards = GENERATE(1, 2, 4, 5, 7, 24, 30);
  std::vector<std::string> together;
  for (int i = 1; i <= shards; ++i) {
    const auto part = shard_of(plan, i, shards);
    const auto length = std::ssize(part), share = std::ssize(plan) / shards;
    CHECK((length == share || length == share + 1));
    std::set<int> runs;
    for (const auto& id : part) runs.insert(id.run);
    if (4 % shards == 0) CHECK(std::ssize(runs) == 4 / shards);
    for (auto& name : names(part)) together.push_back(std::move(name));
  }
  CHECK(together == names(plan));
  CHECK_THROWS_AS(shard_of(plan, 0, shards), Error);
  CHECK_THROWS_AS(shard_of(plan, shards + 1, shards), Error);
}

TEST_CASE("the plan is the table's cells in another order; the original network is in it at 0 %",
          "[study][plan]") {
  const std::vector ratios{Ratio::percent(25), Ratio::percent(50)};
  auto table = names(table_cells({"original", "b"}, 2, ratios));
  CHECK(table == std::vector<std::string>{"original-run1-ratio0", "original-run2-ratio0",
                                          "b-run1-ratio25", "b-run1-ratio50", "b-run2-ratio25",
                                          "b-run2-ratio50"});
  auto plan = names(plan_cells({"original", "b"}, 2, ratios, Seed(1)));
  std::ranges::sort(table);
  std::ranges::sort(plan);
  CHECK(plan == table);
}

TEST_CASE("a cell's folder is named by an id, and by nothing that leads elsewhere",
          "[study][plan]") {
  CHECK(cell_folder({"my-policy_2.b", 3, Ratio::percent(25)}) == "my-policy_2.b-run3-ratio25");
  for (const std::string id : {"/../../victim", "..", "", "a/b", "-x", ".hidden", "a b", "a\nb"})
    CHECK_THROWS_AS(cell_folder({id, 1, Ratio()}), Error);
}
