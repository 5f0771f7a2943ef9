#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

namespace serpette::detail {

/// Opens a file that stays open for a while. Where a program was started with a closed stream, it
/// does not take that one's number: what is printed is not for this file.
/// @return  as ::open; the file is not handed to programs that are started meanwhile.
inline int open_above_streams(const char* name, int flags, ::mode_t mode) {
  const int file = ::open(name, flags | O_CLOEXEC, mode);
  if (file < 0 || file > STDERR_FILENO) return file;
  const int above = ::fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  ::close(file);
  return above;
}

}  // namespace serpette::detail
