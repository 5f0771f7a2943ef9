#include "serpette/io/atomic_file.hpp"

#include <sys/stat.h>

#include <csignal>

#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"
#include "support/resource_limit.hpp"
#include "support/scratch.hpp"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using serpette::read_file;
using serpette::write_file;

namespace {

/// As long as it lives what this process writes to files beyond so many bytes fails, as on a full
/// disk ("File too large"). Tests say what they found afterwards: their output may be a file.
class NoRoom {
 public:
  explicit NoRoom(::rlim_t bytes) : limit_(RLIMIT_FSIZE, bytes) {}
  NoRoom(const NoRoom&) = delete;
  NoRoom& operator=(const NoRoom&) = delete;
  ~NoRoom() { std::signal(SIGXFSZ, before_); }

 private:
  void (*before_)(int) = std::signal(SIGXFSZ, SIG_IGN);
  serpette::test::ResourceLimit limit_;
};

}  // namespace

TEST_CASE("a written file reads back, replaces the old one and leaves nothing else",
          "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  const auto path = folder / "made" / "on" / "the way.txt";
  write_file(path, std::string_view("first"));
  write_file(path, std::string_view("second\0!", 8));
  CHECK(read_file(path) == std::string("second\0!", 8));
  CHECK(std::distance(fs::directory_iterator(path.parent_path()), {}) == 1);
}

TEST_CASE("a full disk is an error and leaves no file", "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  const auto path = folder / "x";
  write_file(path, std::string_view("old"));
  {
    const NoRoom from_now_on(2);
    CHECK_THROWS_WITH(
        write_file(path, std::string_view("new")),
        path.string() + ": should be writable, got \"File too large\" while writing 3 bytes");
  }
  CHECK(read_file(path) == "old");
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a folder that cannot be one is named", "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  write_file(folder / "file", std::string_view(""));
  CHECK_THROWS_WITH(write_file(folder / "file" / "below", std::string_view("")),
                    ContainsSubstring("should be a folder"));
  CHECK_THROWS_WITH(read_file(folder / "missing"), ContainsSubstring("should be a readable file"));
  CHECK_THROWS_WITH(read_file(folder.path()), ContainsSubstring("got a folder"));
  CHECK(read_file(folder / "file").empty());
}

TEST_CASE("no folder is made at the root", "[io][atomic_file]") {
  const fs::path file = "/no-such-folder-of-serpette/below/x.weights";
  CHECK_THROWS_WITH(serpette::require_writable(file), ContainsSubstring("at the root"));
  CHECK_THROWS_WITH(write_file(file, std::string_view("")), ContainsSubstring("at the root"));
  CHECK_FALSE(fs::exists("/no-such-folder-of-serpette"));
}

TEST_CASE("what cannot be written is refused before the work", "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  write_file(folder / "file", std::string_view("old"));
  using serpette::require_writable;
  CHECK_NOTHROW(require_writable(folder / "file"));
  CHECK_NOTHROW(require_writable(folder / "new" / "file"));
  CHECK(read_file(folder / "file") == "old");
  CHECK_FALSE(fs::exists(folder / "new" / "file"));
  CHECK(fs::is_empty(folder / "new"));
  CHECK_THROWS_WITH(require_writable(folder.path()), ContainsSubstring("got \"a folder\""));
  CHECK_THROWS_WITH(require_writable(folder / "file" / "x"), ContainsSubstring("Not a directory"));
  if (fs::exists("/sys"))  // why it cannot be made, not that it is missing
    CHECK_THROWS_WITH(require_writable("/sys/serpette/x"), !ContainsSubstring("No such file"));
  CHECK_THROWS_WITH(require_writable(""), "output: should have the name of a file, got none");
  CHECK_THROWS_WITH(write_file("", std::string_view("x")), ContainsSubstring("got none"));
  // A folder that is not there yet is none to write over, either.
  for (const char* name : {"later/", "later/.", "later/.."})
    CHECK_THROWS_WITH(require_writable(folder / name), ContainsSubstring("got \"a folder\""));
  CHECK_FALSE(fs::exists(folder / "later"));
}

TEST_CASE("a file that is replaced keeps its mode, and a link stays one", "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  const auto path = folder / "secret", link = folder / "link";
  write_file(path, std::string_view("old"));
  const auto mode = GENERATE(fs::perms(0600), fs::perms(0664));
  fs::permissions(path, mode);
  fs::create_symlink("secret", link);
  write_file(link, std::string_view("new"));
  CHECK(fs::is_symlink(link));
  CHECK(read_file(path) == "new");
  CHECK(fs::status(path).permissions() == mode);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 2);
  fs::remove(path);  // the link now leads nowhere
  write_file(link, std::string_view("again"));
  CHECK(fs::is_symlink(link));
  CHECK(read_file(path) == "again");
}

TEST_CASE("a device or a pipe is written to, never replaced", "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  CHECK_NOTHROW(serpette::require_writable("/dev/null"));
  write_file("/dev/null", std::string_view("lost"));
  CHECK(fs::is_character_file("/dev/null"));
  CHECK_THROWS_WITH(write_file("/dev/full", std::string_view("x")),
                    ContainsSubstring("/dev/full") && ContainsSubstring("No space left"));
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  CHECK_NOTHROW(serpette::require_writable(pipe));
  write_file(pipe, std::string_view("through"));
  char got[16] = {};
  CHECK(::read(reader, got, sizeof got) == 7);
  CHECK(std::string_view(got) == "through");
  ::close(reader);
  CHECK(fs::is_fifo(pipe));
  // One that has no name, as /dev/stdout before a | and a shell's >(…).
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  const auto unnamed = fmt::format("/proc/self/fd/{}", ends[1]);
  fs::create_symlink(unnamed, folder / "link");
  for (const fs::path& way : {fs::path(unnamed), folder / "link"}) {
    CHECK_NOTHROW(serpette::require_writable(way));
    write_file(way, std::string_view("again"));
    CHECK(::read(ends[0], got, sizeof got) == 5);
    CHECK(std::string_view(got, 5) == "again");
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("output that names an input is refused", "[io][atomic_file]") {
  const serpette::test::Scratch folder;
  const auto input = folder / "input";
  write_file(input, std::string_view("precious"));
  fs::create_symlink("input", folder / "other name");
  CHECK_THROWS_WITH(serpette::require_no_input(folder / "other name", {folder / "x", input}),
                    ContainsSubstring("should be another file than the input"));
  CHECK_NOTHROW(serpette::require_no_input(folder / "new", {input, folder / "none", ""}));
  fs::create_directory(folder / "pictures");
  CHECK_THROWS_WITH(serpette::require_no_input(folder / "pictures/.", {folder / "pictures"}),
                    ContainsSubstring("should be another folder than the input"));
  CHECK_NOTHROW(serpette::require_no_input("/dev/null", {"/dev/null"}));
  // What a folder of data holds is an input as well; what else stands there is none.
  for (const char* name :
       {"pictures/a.JPG", "pictures/deep/b.png", "pictures/a.xml", "pictures/a.txt"}) {
    INFO(name);
    CHECK_NOTHROW(serpette::require_no_input(folder / name, {folder / "pictures"}));
    write_file(folder / name, std::string_view("of the data"));
    CHECK_THROWS_WITH(
        serpette::require_no_input(folder / name, {folder / "x", folder / "pictures"}),
        ContainsSubstring("should be another file than those of the input"));
    CHECK_NOTHROW(serpette::require_no_input(folder / name, {folder / "pictures/deeper"}));
  }
  write_file(folder / "pictures/summary.json", std::string_view("{}"));
  CHECK_NOTHROW(
      serpette::require_no_input(folder / "pictures/summary.json", {folder / "pictures"}));
}

TEST_CASE("a file that cannot be read to its end is an error, and so is one without an end",
          "[io][read_file]") {
  CHECK_THROWS_WITH(read_file("/proc/self/mem"), ContainsSubstring("Input/output error"));
  CHECK_THROWS_WITH(read_file("/dev/zero"), "/dev/zero: should be a file, got a device");
  const serpette::test::Scratch folder;
  write_file(folder / "large", std::string_view(""));
  fs::resize_file(folder / "large", serpette::limits::kFileBytes + 1);  // a hole
  CHECK_THROWS_WITH(read_file(folder / "large"),
                    ContainsSubstring("should have at most 4294967296 bytes, got 4294967297"));
}

TEST_CASE("a message stays short, whatever it quotes", "[core][contract]") {
  const std::string many(10'000'000, ',');
  try {
    serpette::fail("file", "got {}ü", many);
  } catch (const serpette::Error& error) {
    const std::string_view what = error.what();
    CHECK(what.size() < 4100);
    CHECK(what.starts_with("file: got ,,"));
    CHECK(what.ends_with(",ü"));
  }
}
