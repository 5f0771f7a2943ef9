#include "serpette/study/store.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "serpette/app/used_folder.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

Configuration trained_with(std::string seed, std::string timing = "50") {
  return {.training = {{"seed", std::move(seed)}},
          .measuring = {{"--timing-images", std::move(timing)}},
          .machines = {"AVX2, 1 thread a cell"}};
}

StageResult ones() { return {.tensors = {at::ones({3})}, .seconds = 2, .unreadable = 1}; }

}  // namespace

TEST_CASE("one process works on a part at a time, and says so", "[study][store]") {
  const test::Scratch folder;
  const Store store(folder / "out");
  CHECK_THROWS_WITH(Store(folder / "out"),
                    ContainsSubstring(fmt::format("process {} on ", ::getpid())) &&
                        ContainsSubstring("works in it"));
  for (const char* reads : {"plan", "collect"}) CHECK_NOTHROW(Store(folder / "out", {}, reads));
}

TEST_CASE("a cell is of one part at a time, whatever the parts are called", "[study][store]") {
  const test::Scratch folder;
  const auto open = [&](const char* part, const std::vector<std::string>& cells) {
    return Store(folder / "out", {}, part, cells);
  };
  { const auto ended = open("1-of-1", {"a", "b", "c", "d"}); }  // its file stays
  const auto first = open("1-of-2", {"a", "b"});
  CHECK_NOTHROW(open("2-of-2", {"c", "d"}));
  CHECK_NOTHROW(open("collect", {}));
  for (const auto& [part, cells] : {std::pair{"1-of-3", std::vector<std::string>{"b"}},
                                    std::pair{"all", std::vector<std::string>{"c", "b", "d"}}})
    CHECK_THROWS_WITH(open(part, cells),
                      ContainsSubstring(fmt::format("at the cells of part {}, but process {} on ",
                                                    part, ::getpid())) &&
                          ContainsSubstring("works on part 1-of-2, which has b, too"));
  CHECK_NOTHROW(open("3-of-3", {"c", "d"}));
}

TEST_CASE("a folder is anybody's until it holds a result, then it holds one training's",
          "[study][store]") {
  const test::Scratch folder;
  { const Store refused(folder / "out", trained_with("1")); }
  {
    const Store store(folder / "out", trained_with("2"));
    store.stage("pretrain", "key", ones);
  }
  CHECK_THROWS_WITH(Store(folder / "out", trained_with("1")),
                    ContainsSubstring("seed: 2 there, 1 here"));
  CHECK_NOTHROW(Store(folder / "out", trained_with("2")));
}

TEST_CASE("a dry run takes its folder away, but none that a run has begun in meanwhile",
          "[study][store][dry_run]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  {
    const Store store(out, trained_with("1"), "plan");
    cli::remove_if_unused(out);
    CHECK_FALSE(std::filesystem::exists(out));
  }
  const Store store(out, trained_with("1"), "plan");
  const Store begun(out, trained_with("1"), "all");  // without a result yet
  cli::remove_if_unused(out);
  CHECK(std::filesystem::exists(out / ".lock-all"));
  begun.begin();
  cli::remove_if_unused(out);
  CHECK(std::filesystem::exists(out / "configuration.txt"));
}

TEST_CASE(
    "two that start at once with different configurations do not mix: the second to have a "
    "result is refused",
    "[study][store]") {
  const test::Scratch folder;
  const Store one(folder / "out", trained_with("1"), "1-of-2");
  const Store two(folder / "out", trained_with("2"), "2-of-2");
  one.stage("pretrain", "one", ones);
  CHECK_THROWS_AS(two.stage("pretrain", "two", ones), OtherConfiguration);
  CHECK(one.has("pretrain", "one"));
  CHECK_FALSE(one.has("pretrain", "two"));
}

TEST_CASE("of shards that are forced into a used folder at once, one moves what was there",
          "[study][store][force]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  Store(out, trained_with("1")).begin();
  write_file(out / "cells.csv", std::string_view("of 1"));
  std::atomic<int> failed = 0;
  const auto start = [&](int shard) {
    const auto part = fmt::format("{}-of-4", shard);
    try {
      const auto store =
          cli::open_used(out, true, [&] { return Store(out, trained_with("2"), part); });
      store.begin();
      write_file(out / fmt::format("cells of {}", part), std::string_view("of 2"));
    } catch (const Error&) {
      ++failed;
    }
  };
  {
    std::vector<std::jthread> shards;
    for (int i = 1; i <= 4; ++i) shards.emplace_back(start, i);
  }
  CHECK(failed == 0);
  const auto kept = [](const std::filesystem::path& root) {
    return Configuration::parse(read_file(root / "configuration.txt")).training;
  };
  CHECK((kept(out) == trained_with("2").training));
  CHECK(cli::results_in(out).size() == 5);
  CHECK((kept(folder / "out.1") == trained_with("1").training));
  CHECK(cli::results_in(folder / "out.1").size() == 2);
  CHECK_FALSE(std::filesystem::exists(folder / "out.2"));
  // What a process works on is not moved under it.
  const Store at_work(out, trained_with("2"), "2-of-4");
  CHECK_THROWS_WITH(cli::open_used(out, true, [&] { return Store(out, trained_with("3")); }),
                    ContainsSubstring("should be free") && ContainsSubstring(".lock-2-of-4"));
  CHECK(cli::results_in(out).size() == 5);
}

TEST_CASE("who is forced into a folder does not look at it while another one does",
          "[study][store][force]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  Store(out, trained_with("1")).begin();
  std::atomic<bool> looked = false;
  std::jthread late;
  {
    const FileLock one(out / cli::kForce);
    late = std::jthread([&] {
      (void)cli::open_used(out, true, [&] {
        looked = true;
        return Store(out, trained_with("1"));
      });
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK_FALSE(looked);
  }
  late.join();
  CHECK(looked);
}

TEST_CASE("nobody begins in a folder while its results are moved", "[study][store][force]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  Store(out, trained_with("1")).begin();
  std::jthread late;
  std::atomic<bool> came_in = false;
  CHECK(cli::move_results(out, [&] {
    late = std::jthread([&] {
      const Store store(out, trained_with("1"));  // of the settings whose results are moved
      came_in = true;
      store.begin();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return !came_in;
  }));
  late.join();
  // What it finds is an empty folder, and it says whose that is before its first result.
  CHECK(std::filesystem::exists(folder / "out.1" / "configuration.txt"));
  CHECK(std::filesystem::exists(out / "configuration.txt"));
  CHECK_THROWS_AS(Store(out, trained_with("2")).begin(), OtherConfiguration);
}

TEST_CASE("results that are others' than those that were looked at are not moved unseen",
          "[study][store][force]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  Store(out, trained_with("1")).begin();
  int asked = 0;
  {
    const auto store = cli::open_used(out, true, [&] {
      if (++asked > 1) return Store(out, trained_with("2"));
      std::filesystem::remove(out / "configuration.txt");  // people made room, and began anew
      Store(out, trained_with("2")).begin();
      throw OtherConfiguration("as it was a moment ago");
    });
  }
  CHECK(asked == 2);
  CHECK_FALSE(std::filesystem::exists(folder / "out.1"));
}

TEST_CASE("where one result cannot be moved none is", "[study][store][force]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  write_file(out / "a", std::string_view("first"));
  write_file(out / "b" / "c", std::string_view("second"));
  CHECK_THROWS_WITH(cli::set_aside(out, {out / "a", out / "b", out / "missing", out / "d"}),
                    ContainsSubstring("missing: should be movable to") &&
                        !ContainsSubstring("could not go back"));
  CHECK(read_file(out / "a") == "first");
  CHECK(read_file(out / "b" / "c") == "second");
  CHECK_FALSE(std::filesystem::exists(folder / "out.1"));
}

TEST_CASE("results behind a link are set aside beside what it leads to", "[study][store][force]") {
  const test::Scratch folder;
  Store(folder / "disk" / "out", trained_with("1")).begin();
  std::filesystem::create_directory(folder / "here");
  std::filesystem::create_directory_symlink(folder / "disk" / "out", folder / "here" / "link");
  const auto root = folder / "here" / "link";
  const auto aside = cli::set_aside(root, cli::results_in(root));
  CHECK(std::filesystem::equivalent(aside, folder / "disk" / "out.1"));
  CHECK(std::filesystem::exists(aside / "configuration.txt"));
  CHECK_FALSE(std::filesystem::exists(folder / "here" / "link.1"));
}

TEST_CASE("a program refuses the results of another one, and of a study, and the other way round",
          "[study][store]") {
  const test::Scratch folder;
  const std::vector<ConfigurationLine> lines{{"seed", "1"}};
  const auto study = [&](const char* name) {
    return cli::open_used(folder / name, false,
                          [&] { return Store(folder / name, trained_with("1")); });
  };
  cli::open_results(folder / "found", false, "detect", lines).begin();
  cli::open_results(folder / "found", false, "detect", lines).begin();
  study("study").begin();
  study("study").begin();
  CHECK_THROWS_WITH(
      cli::open_results(folder / "found", false, "robustness", lines),
      ContainsSubstring("program: detect there, robustness here") && ContainsSubstring("--force"));
  CHECK_THROWS_WITH(cli::open_results(folder / "study", false, "robustness", lines),
                    ContainsSubstring("program: none") && ContainsSubstring("robustness here"));
  CHECK_THROWS_WITH(study("found"), ContainsSubstring("program: detect there, none"));
}

TEST_CASE("a run into a folder of its inputs finds its own configuration there, and no label",
          "[study][store]") {
  const test::Scratch folder;
  const auto out = folder / "out";
  const auto allowed = [&](const char* output, const std::filesystem::path& input) {
    return [&, output, input] { cli::require_no_input_in(out, {output}, {input}); };
  };
  write_file(out / "configuration.txt", std::string_view("seed: 1\n"));
  write_file(out / "labels.txt", std::string_view("0 0.5 0.5 0.1 0.1\n"));
  CHECK_NOTHROW(allowed("configuration.txt", folder.path())());
  CHECK_THROWS_AS(allowed("configuration.txt", out / "configuration.txt")(), Error);
  CHECK_THROWS_AS(allowed("labels.txt", folder.path())(), Error);
}

TEST_CASE(
    "another way of measuring, other scenarios and another kind of machine are noted, not "
    "refused",
    "[study][store]") {
  const test::Scratch folder;
  Store(folder / "out", trained_with("1")).begin();
  auto other = trained_with("1", "100");
  other.training.push_back({"scenario b", "B{}"});
  other.machines = {"AVX512, 1 thread a cell"};
  {
    const Store store(folder / "out", other);
    REQUIRE(store.notes().size() == 2);
    CHECK_THAT(store.notes()[0], ContainsSubstring("--timing-images: 50 there, 100 here"));
    CHECK_THAT(store.notes()[1], ContainsSubstring("AVX2"));
    store.begin();
  }
  const auto kept = Configuration::parse(read_file(folder / "out" / "configuration.txt"));
  CHECK((kept.training == other.training));
  CHECK((kept.measuring == other.measuring));
  CHECK(kept.machines ==
        std::vector<std::string>{"AVX2, 1 thread a cell", "AVX512, 1 thread a cell"});
  CHECK(Configuration::parse(kept.text()).text() == kept.text());
}

TEST_CASE("a stage that several want at once is computed by one, the others wait for it",
          "[study][store]") {
  const test::Scratch folder;
  std::atomic<int> computed{0};
  std::vector<double> found(4);
  {
    const Store one(folder / "out", {}, "1-of-2"), two(folder / "out", {}, "2-of-2");
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < found.size(); ++i)
      threads.emplace_back([&, i] {
        const auto result = (i % 2 ? one : two).stage("slow", "key", [&]() -> StageResult {
          std::this_thread::sleep_for(std::chrono::milliseconds(200));
          return {.tensors = {at::full({1}, ++computed)}};
        });
        found[i] = result.tensors[0].item<double>();
      });
  }
  CHECK(computed == 1);
  CHECK(found == std::vector<double>(4, 1));
  CHECK(std::distance(std::filesystem::directory_iterator(folder / "out" / "stages"), {}) ==
        1);  // no lock is left
}

TEST_CASE("a kept stage comes back whole; a damaged one is computed anew", "[study][store]") {
  const test::Scratch folder;
  const Store store(folder.path());
  store.stage("pretrain", "key", ones);
  const auto again = store.stage("pretrain", "key", []() -> StageResult {
    FAIL("computed twice");
    return {};
  });
  CHECK(at::equal(again.tensors.at(0), at::ones({3})));
  CHECK(again.tensors.size() == 1);
  CHECK(again.seconds == 2);
  CHECK(again.unreadable == 1);
  const auto file = std::filesystem::directory_iterator(folder / "stages")->path();
  const auto whole = read_file(file);
  for (const auto& damaged : {whole.substr(0, 100), std::string(), [&] {
                                auto bytes = whole;  // one bit of a weight
                                bytes[bytes.find("\x80\x3f") + 1] ^= 1;
                                return bytes;
                              }()}) {
    write_file(file, damaged);
    CHECK(at::equal(store.stage("pretrain", "key", ones).tensors.at(0), at::ones({3})));
    CHECK(std::filesystem::file_size(file) == whole.size());
  }
}

TEST_CASE("what killed processes left half written goes, what a living one writes stays",
          "[study][leftovers]") {
  const test::Scratch folder;
  const auto left = [&](const std::filesystem::path& file, const std::string& mark) {
    write_file(file.string() + mark, "half");
    return std::filesystem::path(file.string() + mark);
  };
  std::vector<std::filesystem::path> gone, stay;
  for (const auto& file : {folder / "cells.csv", folder / "stages" / "scores-1.pt",
                           folder / "cells" / "s-run1-ratio0" / "network.weights"}) {
    gone.push_back(left(file, ".part-serpette-elsewhere-1-0"));
    const auto days_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(48);
    std::filesystem::last_write_time(gone.back(), days_ago);
    stay.push_back(left(file, ".partial"));
  }
  const StagedFile being_written(folder / "stages" / "scores-2.pt", std::string_view("half"));
  const Store store(folder.path());
  const auto is_part = [](const auto& entry) {
    return serpette::detail::host_of_part(entry.path().filename().string()).has_value();
  };
  CHECK(std::ranges::count_if(std::filesystem::directory_iterator(folder / "stages"), is_part) ==
        1);
  for (const auto& file : gone) CHECK_FALSE(std::filesystem::exists(file));
  for (const auto& file : stay) CHECK(std::filesystem::exists(file));
}
