#include "serpette/study/sweep.hpp"

#include <atomic>
#include <set>

#include "serpette/study/store.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;

namespace {

std::vector<std::string> names(const std::vector<CellId>& plan) {
  std::vector<std::string> result;
  for (const auto& id : plan) result.push_back(id.folder());
  return result;
}

}  // namespace

TEST_CASE(
    "shards are stretches of the plan: together all of it, equally long to within one, whole runs "
    "where they can",
    "[pipeline][sweep]") {
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

TEST_CASE("a stage that several want at once is computed by one, the others wait for it",
          "[pipeline][store]") {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("serpette-sweep-{}", ::getpid());
  std::atomic<int> computed{0};
  std::vector<double> found(4);
  {
    const Store one(folder, "same", "1-of-2"), two(folder, "same", "2-of-2");
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < found.size(); ++i)
      threads.emplace_back([&, i] {
        const auto result = (i % 2 ? one : two).stage("slow", "key", [&] {
          std::this_thread::sleep_for(std::chrono::milliseconds(200));
          return std::vector{at::full({1}, ++computed)};
        });
        found[i] = result.tensors[0].item<double>();
      });
  }
  CHECK(computed == 1);
  CHECK(found == std::vector<double>(4, 1));
  CHECK(std::distance(std::filesystem::directory_iterator(folder / "stages"), {}) ==
        1);  // no lock is left
  std::filesystem::remove_all(folder);
}

TEST_CASE("a cell whose tables were damaged is not finished", "[pipeline][sweep]") {
  const test::Scratch folder;
  const Store store(folder / "out", "same");
  const CellFiles files(store, {"s", 1, Ratio::percent(50)});
  CHECK_FALSE(files.finished());
  std::vector<CellRow> rows(2);
  for (auto& row : rows) {
    row.scenario = "s";
    row.details = {{"APs", 0.25}};
  }
  const auto write = [&](std::string_view cells, std::string_view details) {
    write_file(files.folder() / "cells.csv", cells);
    write_file(files.folder() / "details.csv", details);
    return files.finished();
  };
  const auto cells = cells_csv(rows), details = details_csv(rows);
  CHECK(write(cells, details));
  for (const std::size_t size : {std::size_t{0}, std::size_t{20}, cells.size() / 2,
                                 cells.find('\n', cells.find('\n') + 1) + 1, cells.size() - 2})
    CHECK_FALSE(write(cells.substr(0, size), details));
  CHECK_FALSE(write(cells, details.substr(0, details.size() - 3)));
  CHECK_FALSE(write("garbage\n", details));
}
