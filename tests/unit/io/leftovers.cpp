#include "serpette/io/leftovers.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "serpette/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

TEST_CASE("writing a file clears its folder of what killed processes left half written",
          "[io][leftovers]") {
  const serpette::test::Scratch folder;
  const auto dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const auto mark = serpette::detail::part_mark();
  const auto left = [&](const std::string& name) {
    std::ofstream(folder / name) << "half";
    return folder / name;
  };
  std::filesystem::create_directory(folder / "below");
  const auto gone = left(fmt::format("x.onnx{}{}", mark, dead)),
             also_gone = left(fmt::format("other{}{}", mark, dead)),
             of_living = left(fmt::format("x.onnx{}{}", mark, ::getppid())),
             of_elsewhere = left(fmt::format("x.onnx.part-elsewhere-{}", dead)),
             of_container =
                 left(fmt::format("x.onnx{}1-{}", mark.substr(0, mark.size() - 1), dead)),
             no_temporary = left(fmt::format("x.onnx{}", mark)),
             below = left(fmt::format("below/x{}{}", mark, dead));
  serpette::write_file(folder / "x.onnx", std::string_view("whole"));
  CHECK_FALSE(std::filesystem::exists(gone));
  CHECK_FALSE(std::filesystem::exists(also_gone));
  for (const auto& file : {of_living, of_elsewhere, of_container, no_temporary, below})
    CHECK(std::filesystem::exists(file));
}
