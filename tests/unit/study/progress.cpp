#include "serpette/study/progress.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

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
