#include "serpette/core/in_parallel.hpp"

#include <atomic>
#include <new>
#include <numeric>
#include <set>
#include <stdexcept>

#include "support/catch.hpp"

using namespace serpette;

TEST_CASE("every job is done once, whatever the number of workers", "[core][in_parallel]") {
  const auto workers = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{100});
  std::vector<int> done(50);
  std::atomic<int> entered = 0;
  in_parallel(
      workers, done.size(), [&](std::size_t i) { ++done[i]; },
      [&](const auto& work) {
        ++entered;
        work();
      });
  CHECK(done == std::vector<int>(50, 1));
  CHECK(entered == static_cast<int>(std::clamp<std::size_t>(workers, 1, 50)));
  in_parallel(workers, 0, [](std::size_t) { throw std::logic_error("there is no job"); });
}

TEST_CASE("one worker is the calling thread", "[core][in_parallel]") {
  std::set<std::thread::id> threads;
  in_parallel(1, 5, [&](std::size_t) { threads.insert(std::this_thread::get_id()); });
  CHECK(threads == std::set{std::this_thread::get_id()});
}

TEST_CASE("what a worker throws comes out in the caller and ends the others",
          "[core][in_parallel]") {
  const auto workers = GENERATE(std::size_t{1}, std::size_t{4});
  std::atomic<std::size_t> begun = 0;
  CHECK_THROWS_AS(in_parallel(workers, 100'000'000,
                              [&](std::size_t i) {
                                ++begun;
                                if (i == 10) throw std::bad_alloc();
                              }),
                  std::bad_alloc);
  CHECK(begun < 100'000'000);
  CHECK_THROWS_AS(in_parallel(
                      workers, 4, [](std::size_t) {},
                      [](const auto&) { throw std::runtime_error("cannot begin"); }),
                  std::runtime_error);
}
