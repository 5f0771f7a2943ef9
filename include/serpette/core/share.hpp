#pragma once

namespace serpette {

/// Which part of the work is one process's: items rank, rank + size, rank + 2·size, …
struct Share {
  int rank = 0;  ///< 0 to size − 1.
  int size = 1;
};

}  // namespace serpette
