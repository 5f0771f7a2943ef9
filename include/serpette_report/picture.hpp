#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

namespace serpette {

/// Draws an SVG file as PNG beside it at twice its size, with `rsvg-convert` (librsvg) if the
/// machine has it.
/// @return  "" if it was drawn, else why not.
inline std::string draw_png(const std::filesystem::path& svg) {
  auto png = svg;
  png.replace_extension(".png");
  auto part = png;
  part += ".part";
  std::error_code code;
  std::vector<std::string> words{"rsvg-convert", "--zoom=2", "--output", part.string(),
                                 svg.string()};
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quiet;  // the caller says what went wrong
  ::posix_spawn_file_actions_init(&quiet);
  ::posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &quiet, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&quiet);
  if (failed != 0) return "no rsvg-convert here (package librsvg2-bin)";
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    std::filesystem::rename(part, png, code);
    if (!code) return {};
  }
  std::filesystem::remove(part, code);
  return "rsvg-convert could not draw " + png.string();
}

}  // namespace serpette
