#include "serpette/io/file_lock.hpp"

#include <atomic>
#include <optional>
#include <thread>

#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;

TEST_CASE("who comes second waits until the first is done", "[io][file_lock]") {
  const test::Scratch folder;
  std::optional<FileLock> first(std::in_place, folder / "a/lock");
  std::atomic<bool> waited{false}, entered{false};
  std::jthread other([&] {
    const FileLock second(folder / "a/lock", [&] { waited = true; });
    entered = true;
  });
  while (!waited) std::this_thread::yield();
  CHECK_FALSE(entered);
  first.reset();
  other.join();
  CHECK(entered);
}

TEST_CASE("waiting can be given up", "[io][file_lock]") {
  const test::Scratch folder;
  struct Enough {};
  {
    const FileLock first(folder / "lock");
    CHECK_THROWS_AS(FileLock(folder / "lock", [] { throw Enough{}; }), Enough);
  }
  bool waited = false;
  const FileLock again(folder / "lock", [&] { waited = true; });
  CHECK_FALSE(waited);
}
