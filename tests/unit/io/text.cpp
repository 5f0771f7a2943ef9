#include "serpette/io/text.hpp"

#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("lines of any system are the same lines", "[io][text]") {
  const std::vector<std::string_view> wanted{"a", "", "b c"};
  CHECK(lines_of("a\n\nb c") == wanted);
  CHECK(lines_of("a\n\nb c\n") == wanted);
  CHECK(lines_of("\xEF\xBB\xBF"
                 "a\r\n\r\n\tb c \r\n") == wanted);
  CHECK(lines_of("").empty());
  CHECK(lines_of("\n").size() == 1);
}

TEST_CASE("class names read alike from an editor of any system", "[io][class_names]") {
  const test::Scratch folder;
  const auto names = [&](std::string_view text) {
    write_file(folder / "x.names", text);
    return load_class_names(folder / "x.names");
  };
  const std::vector<std::string> wanted{"red cell", "white cell"};
  CHECK(names("red cell\nwhite cell\n") == wanted);
  CHECK(names("\xEF\xBB\xBFred cell  \r\nwhite cell\t\r\n\r\n") == wanted);
  CHECK_THROWS_WITH(names(" \r\n"), ContainsSubstring("one a line, got none"));
  CHECK_THROWS_WITH(names("a\nb\na"), ContainsSubstring("got \"a\" twice"));
  CHECK_THROWS_WITH(load_class_names(folder / "none"), ContainsSubstring("readable"));
}
