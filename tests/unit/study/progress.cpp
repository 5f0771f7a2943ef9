#include "serpette/study/progress.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <utility>

#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/small_study.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

/// What `body` prints on standard error, which is no terminal meanwhile.
template <class Body>
std::string printed(Body&& body) {
  const test::Scratch folder;
  const auto file = folder / "stderr";
  std::fflush(stderr);
  const int kept = ::dup(STDERR_FILENO);
  const int other = ::open(file.c_str(), O_CREAT | O_WRONLY, 0600);
  REQUIRE((kept >= 0 && other >= 0));
  ::dup2(other, STDERR_FILENO);
  body();
  std::fflush(stderr);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  ::close(other);
  return read_file(file);
}

}  // namespace

TEST_CASE("in a pipe a study tells during its first cell how far it is and how long it takes",
          "[study][progress]") {
  const auto steps = [](Progress& progress) {
    progress.on_plan({{"robust pre-training", 4}, {"evaluation", 100}}, 1);
    progress.on_cell_begin();
    progress.on_stage("robust pre-training", 4);
    for (int i = 1; i <= 4; ++i) progress.on_step(i, 0.5);
  };
  const auto often = printed([&] {
    Progress progress(1, std::chrono::seconds(0));
    steps(progress);
  });
  CHECK_THAT(often, ContainsSubstring("[0/1, 1 running, 0:00 left] robust pre-training 4/4"));
  const auto minutes = printed([&] {
    Progress progress(1);
    steps(progress);
  });
  CHECK(minutes.empty());
}

TEST_CASE("a limit of the test images is what evaluations count to", "[study][progress]") {
  test::SmallStudy study;  // 4 images
  const auto [limit, counted] = GENERATE(std::pair(0, 4), std::pair(3, 3), std::pair(9, 4));
  study.budget.evaluate.images = limit;
  const test::Scratch folder;
  const auto store = study.open(folder.path());
  const auto lab = study.experiment();
  const ErasedScenario scenario{Scenario<Hydra, Filter, Pgd, Rgb>{}};
  for (const auto& cell : study.plan()) {  // what dry runs and the time left are made of
    const auto work = work_of(scenario, lab, store, cell);
    CHECK(work.at("evaluation") == counted);
    CHECK(work.at("evaluation under attack") == counted);
  }
  const auto told = printed([&] {
    Progress progress(1, std::chrono::seconds(0));
    CHECK(run_cells(study.plan(), lab, store, false, study.workers, progress, study.dispatch) == 0);
  });
  for (const auto* stage : {"evaluation", "evaluation under attack"})
    CHECK_THAT(told, ContainsSubstring(fmt::format("{} {}/{}", stage, counted, counted)));
}

TEST_CASE("steps that an earlier run made are no measure of the rest", "[study][progress]") {
  Estimate fresh, resumed;
  for (auto* estimate : {&fresh, &resumed}) estimate->plan({{"robust fine-tuning", 100}});
  fresh.did("robust fine-tuning", 10, 20);
  resumed.drop({{"robust fine-tuning", 90}});
  CHECK_FALSE(resumed.known());
  resumed.did("robust fine-tuning", 1, 2);
  CHECK(fresh.left(1) == Catch::Approx(180));
  CHECK(resumed.left(1) == Catch::Approx(18));
}

TEST_CASE("what others did, an earlier run made or a failure spares is no part of the time left",
          "[study][progress]") {
  // What stands on the line behind a step of 20 ms or more, after `body`.
  const auto left_after = [](const Work& plan, const auto& body) {
    return printed([&] {
      Progress progress(2, std::chrono::seconds(0));
      progress.on_plan(plan, 1);
      body(progress);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      progress.on_step(1000, 0.5);
    });
  };
  CHECK_THAT(left_after({{"robust pre-training", 1000}},
                        [](Progress& progress) {  // which goes on
                          progress.on_shared_begin({{"robust pre-training", 1000}});
                          progress.on_stage("robust pre-training", 1000);
                          progress.on_known_steps(999);
                        }),
             ContainsSubstring(", 0:00 left] robust pre-training 1000/1000"));
  CHECK_THAT(left_after({{"robust pre-training", 5000}, {"evaluation", 1000}},
                        [](Progress& progress) {
                          progress.on_shared_begin({{"robust pre-training", 5000}});
                          progress.on_stage("waiting for another process", 0);
                          progress.on_shared();
                          progress.on_stage("evaluation", 1000);
                        }),
             ContainsSubstring(", 0:00 left] evaluation 1000/1000"));
  // A cell that failed before its first step says nothing of how long others take.
  CHECK_THAT(left_after({{"robust fine-tuning", 1000000}, {"evaluation", 1000}},
                        [](Progress& progress) {
                          progress.on_cell_begin({{"robust fine-tuning", 500000}});
                          progress.on_stage("robust fine-tuning", 500000);
                          progress.on_failed_cell("a cell", "a reason");
                          progress.on_stage("evaluation", 1000);
                        }),
             ContainsSubstring("1 failed") && !ContainsSubstring(" 0:00 left] evaluation"));
}

TEST_CASE("that others computed while times were taken is said once, and how to take them again",
          "[study][progress]") {
  // Others are a process of ours: whatever else runs here adds to what it does.
  const auto while_others_compute = [](Progress& progress) {
    const auto alone = progress.alone();
    const auto other = ::fork();
    if (other == 0) {
      while (std::clock() < CLOCKS_PER_SEC / 2) {
      }
      std::_Exit(0);
    }
    int status = 0;
    REQUIRE((other > 0 && ::waitpid(other, &status, 0) == other));
  };
  const auto told = printed([&] {
    Progress progress(1);
    while_others_compute(progress);
    while_others_compute(progress);
  });
  CHECK_THAT(told, ContainsSubstring("note: other processes kept ") &&
                       ContainsSubstring("--time-again takes them anew"));
  CHECK(std::ranges::count(told, '\n') == 1);
}

TEST_CASE("a signal that was ignored stays ignored", "[study][progress]") {
  const auto before = std::signal(SIGHUP, SIG_IGN);  // as nohup does
  const Progress progress;
  std::raise(SIGHUP);
  CHECK_FALSE(progress.stop_requested());
  std::signal(SIGHUP, before);
}

TEST_CASE("the second signal of a kind ends the process, unless both were one",
          "[study][progress]") {
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const Progress progress;
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    if (!progress.stop_requested()) ::_exit(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    std::raise(SIGTERM);
    ::_exit(2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
}
