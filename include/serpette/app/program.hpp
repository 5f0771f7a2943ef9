#pragma once

#include <fcntl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "serpette/concepts/observer.hpp"
#include "serpette/core/contract.hpp"

/// @file
/// The frame of every program; needs no LibTorch.

namespace serpette::cli {

/// What `parse` throws after it has printed help or a mistake in the options.
struct Exit {
  int status;
};

/// Reads the command line. `--help` ends the program with status 0, a mistake with one message and
/// status 2.
inline void parse(CLI::App& app, int argc, char** argv) {
  app.failure_message([](const CLI::App* read, const CLI::Error& error) {
    // A misspelt option tells more than the one that is missing for it.
    if (const auto unknown = read->remaining(); !unknown.empty())
      return fmt::format("error: {}: should be an option that --help lists, got an unknown one\n",
                         unknown.front());
    return fmt::format("error: {}; --help lists the options\n", error.what());
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    throw Exit{app.exit(error) == 0 ? 0 : 2};
  }
}

/// What an exception of a library says, without what LibTorch (c10::Error) puts behind it: where in
/// its own sources the error arose, and a backtrace.
inline std::string first_words(std::string_view what) {
  what = what.substr(0, what.find("\nException raised from"));
  what = what.substr(0, what.find("Exception raised from"));
  std::string line;
  for (const char c : what) line += c == '\n' ? ' ' : c;
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

/// Opens what the caller closed of standard input, output and error, so that no file of ours gets
/// their numbers and takes what is printed. Printing results then fails, as it should; messages go
/// nowhere.
inline void open_standard_streams() {
  for (int stream = 0; stream < 3; ++stream)
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF)
      ::open("/dev/null", stream == 1 ? O_RDONLY : O_WRONLY);
}

/// Prints why the program ends; where that cannot be printed, the exit status must do.
inline void complain(const std::string& why) { std::fputs(why.c_str(), stderr); }

/// @throws Error  if something that was printed did not arrive, as on a full disk.
inline void require_printed() {
  const bool streamed = static_cast<bool>(std::cout.flush());
  require(std::fflush(stdout) == 0 && streamed && std::ferror(stdout) == 0, "standard output",
          "should take what is printed, got an error ({})", std::strerror(errno));
}

/// The frame of every program: bad input ends in one message and exit status 2, and so does what a
/// library throws, and output that is lost.
/// @param body  returns nothing, or the exit status.
template <class Body>
int run_main(Body&& body) {
  open_standard_streams();
  try {
    int status = 0;
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Body&>>)
        body();
      else
        status = body();
    } catch (const Exit& exit) {
      status = exit.status;
    }
    if (status == 0) require_printed();
    return status;
  } catch (const Interrupted&) {
    complain("\nstopped\n");
    return 130;
  } catch (const Error& error) {
    complain(fmt::format("error: {}\n", error.what()));
  } catch (const std::bad_alloc&) {
    std::fputs(
        "error: memory should suffice for this, got no more of it; try a smaller batch or fewer "
        "workers\n",
        stderr);
  } catch (const std::exception& error) {
    complain(fmt::format("error: {}\n", detail::shortened(first_words(error.what()))));
  }
  return 2;
}

/// Refuses pipes where inputs are read more than once: the second time nothing would come.
/// @throws Error  naming the first pipe.
inline void require_files(std::initializer_list<std::filesystem::path> inputs) {
  std::error_code unknown;  // whoever reads it says what is wrong
  for (const auto& input : inputs)
    require(!std::filesystem::is_fifo(input, unknown), input.string(),
            "should be a file, got a pipe: it is read more than once");
}

/// The folder `name` of data that ships with serpette: `share/serpette/name` of the installation
/// that this program lies in, else `source`, where the program was built.
/// @param file    must be in it.
/// @throws Error  if it is in neither.
inline std::filesystem::path shared_folder(const std::string& name, const std::string& file,
                                           const std::filesystem::path& source) {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<fs::path> places;
  for (auto at = fs::read_symlink("/proc/self/exe", code).parent_path(); at.has_relative_path();
       at = at.parent_path())
    places.push_back(at / "share" / "serpette" / name);
  places.push_back(source);
  for (const auto& place : places)
    if (fs::exists(place / file, code)) return place;
  fail(places.front().string(),
       "should hold {}, which ships with serpette; got neither that nor {}", file,
       (source / file).string());
}

}  // namespace serpette::cli
