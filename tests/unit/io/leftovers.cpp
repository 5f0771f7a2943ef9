#include "serpette/io/leftovers.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "serpette/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

TEST_CASE("writing a file clears its folder of what killed processes left half written",
          "[io][leftovers]") {
  const serpette::test::Scratch folder;
  const auto left = [&](const std::string& name) {
    std::ofstream(folder / name) << "half";
    const auto days_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(48);
    std::filesystem::last_write_time(folder / name, days_ago);
    return folder / name;
  };
  std::filesystem::create_directory(folder / "below");
  const auto own = serpette::detail::part_name(folder / "x.onnx", 4'000'000'000);
  std::vector<std::filesystem::path> gone{own}, stay{folder / "young.part-serpette-elsewhere-1-0"};
  for (const auto& young : {gone.front(), stay.front()}) std::ofstream(young) << "half";
  for (const char* name : {"x.onnx.part-serpette-elsewhere-1-0", "other.part-serpette-a-host-17-3",
                           "no-host.part-serpette--1-0"})
    gone.push_back(left(name));
  const auto read_only = gone.emplace_back(left("secret.part-serpette-elsewhere-1-0"));
  std::filesystem::permissions(read_only, std::filesystem::perms(0400));
  for (const char* name : {"x.onnx", "x.onnx.part-serpette-", "x.onnx.part-serpette-elsewhere-1-",
                           "x.onnx.part-serpette-elsewhere-1-x", "x.onnx.part-serpette-1-0",
                           "x.onnx.part-serpette-elsewhere-x-0", ".part-serpette-elsewhere-1-0",
                           "x.onnx.part-elsewhere-1", "below/x.onnx.part-serpette-elsewhere-1-0"})
    stay.push_back(left(name));
  stay.push_back(folder / "link.part-serpette-elsewhere-1-0");
  std::filesystem::create_symlink("x.onnx", stay.back());
  const auto locked = stay.emplace_back(left("x.onnx.part-serpette-elsewhere-1-1"));
  const int file = ::open(locked.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(serpette::detail::lock_at_once(file) == 0);
  serpette::write_file(folder / "x.onnx", std::string_view("whole"));
  for (const auto& path : gone) CHECK_FALSE(std::filesystem::exists(path));
  for (const auto& path : stay) CHECK(std::filesystem::exists(path));
  ::close(file);
  serpette::remove_leftovers(folder.path());
  CHECK_FALSE(std::filesystem::exists(locked));
  CHECK_FALSE(std::filesystem::exists(folder / "below/x.onnx.part-serpette-elsewhere-1-0"));
}

TEST_CASE("a half-written file is there as long as its process, however that ends",
          "[io][leftovers]") {
  const serpette::test::Scratch folder;
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  const auto process = ::fork();
  if (process == 0) {
    const serpette::StagedFile staged(folder / "x", std::string_view("half"));
    (void)!::write(ends[1], "!", 1);
    for (;;) ::pause();
  }
  char staged = 0;
  CHECK(::read(ends[0], &staged, 1) == 1);
  const auto count = [&] {
    serpette::remove_leftovers(folder.path());
    return std::distance(std::filesystem::directory_iterator(folder.path()), {});
  };
  CHECK(count() == 1);
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  CHECK(count() == 0);
  for (const int end : ends) ::close(end);
}

TEST_CASE("who clears a folder takes no file from those who write there", "[io][leftovers]") {
  const serpette::test::Scratch folder;
  constexpr int kFiles = 500;
  std::atomic<int> writing = 2, failed = 0;
  const auto write = [&](const char* name) {
    for (int i = 0; i < kFiles; ++i) try {
        serpette::write_file(folder / name, std::string_view("whole"), false);
      } catch (const serpette::Unwritable&) {
        ++failed;
      }
    --writing;
  };
  {
    std::vector<std::jthread> threads;
    for (const char* name : {"a", "b"}) threads.emplace_back(write, name);
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([&] {
        while (writing > 0) serpette::remove_leftovers(folder.path());
      });
  }
  CHECK(failed == 0);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

TEST_CASE("names that processes called alike have taken are passed over", "[io][leftovers]") {
  using serpette::detail::kMostParts, serpette::detail::open_part, serpette::detail::part_name;
  const serpette::test::Scratch folder;
  const auto path = folder / "x";
  const auto next = [&] {  // its number
    const auto name = open_part(path, 0666).name();
    return static_cast<unsigned>(std::stoul(name.substr(name.rfind('-') + 1))) + 1;
  };
  const auto take = [&](unsigned from, unsigned count) {
    for (auto n = from; n < from + count; ++n) std::ofstream(part_name(path, n)) << "half";
  };
  const auto first = next();
  take(first, 3);
  CHECK(open_part(path, 0666).name() == part_name(path, first + 3));
  take(first + 4, kMostParts);
  CHECK(open_part(path, 0666).reason() == EEXIST);
  CHECK(next() == first + 4 + kMostParts + 1);
}

TEST_CASE("a file that is being written is for no program that is started, and no stream",
          "[io][leftovers]") {
  const serpette::test::Scratch folder;
  const auto part = serpette::detail::open_part(folder / "x", 0666);
  REQUIRE(part.file() >= 0);
  CHECK((::fcntl(part.file(), F_GETFD) & FD_CLOEXEC) != 0);
  const auto process = ::fork();
  if (process == 0) {
    ::close(STDOUT_FILENO);
    ::_exit(serpette::detail::open_part(folder / "y", 0666).file() > STDERR_FILENO ? 0 : 1);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  CHECK(status == 0);
}
