#include "serpette/io/atomic_file.hpp"

#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using serpette::read_file;
using serpette::write_file;

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
  if (!fs::exists("/dev/full")) SKIP("no /dev/full here");
  // A path whose temporary lands on the full device: <path>.part-<host>-<pid> is a link to it.
  const serpette::test::Scratch folder;
  const auto path = folder / "x";
  write_file(path, std::string_view("old"));
  fs::create_symlink("/dev/full", serpette::detail::temporary_name(path));
  CHECK_THROWS_WITH(write_file(path, std::string_view("new")),
                    ContainsSubstring(path.string()) && ContainsSubstring("No space left"));
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
}
