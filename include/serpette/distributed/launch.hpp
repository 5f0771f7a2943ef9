#pragma once

#include <cstdlib>
#include <optional>
#include <string>

#include "serpette/core/contract.hpp"

namespace serpette {

/// Where this process stands among those that were started together, as torchrun, mpirun or srun
/// tell it.
struct Launch {
  int rank = 0, size = 1;             ///< Of all processes.
  int local_rank = 0;                 ///< Of those on this machine: the number of its GPU.
  std::string address = "127.0.0.1";  ///< Of the machine of process 0.
  int port = 29500;                   ///< Where they meet on that machine.
  bool hosted =
      false;  ///< Whether the launcher itself listens there, as torchrun does; else process 0 will.
};

namespace detail {

inline std::optional<std::string> variable(const char* name) {
  const char* text = std::getenv(name);
  return text && *text ? std::optional<std::string>(text) : std::nullopt;
}

inline int number_in(const char* name, int low, int high) {
  const auto text = variable(name).value_or("");
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  require(!text.empty() && *end == '\0' && value >= low && value <= high,
          std::string("environment/") + name, "should be a whole number in [{}, {}], got \"{}\"",
          low, high, text);
  return static_cast<int>(value);
}

/// The first machine of Slurm's list: "node[003-004,7],gpu1" → "node003".
inline std::string first_host(const std::string& hosts) {
  const auto bracket = hosts.find('['), comma = hosts.find(',');
  if (bracket == std::string::npos || comma < bracket) return hosts.substr(0, comma);
  const auto digits = hosts.find_first_not_of("0123456789", bracket + 1);
  return hosts.substr(0, bracket) + hosts.substr(bracket + 1, digits - bracket - 1);
}

}  // namespace detail

/// Reads the environment of torchrun (RANK, WORLD_SIZE, LOCAL_RANK), else of Open MPI's mpirun
/// (OMPI_COMM_WORLD_…), else of a step of srun (SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID);
/// a process started by none of them is alone. MASTER_ADDR and MASTER_PORT say where process 0 is;
/// without them srun's first machine is taken, or this one if all processes are here, and port
/// 29500 (under srun a port of its own per job).
/// @throws Error  naming the variable that is missing or makes no sense.
inline Launch launch_from_environment() {
  using detail::number_in, detail::variable;
  constexpr int kMost = 1 << 20;
  Launch launch;
  const auto read = [&](const char* rank, const char* size, const char* local_rank) {
    launch.size = number_in(size, 1, kMost);
    launch.rank = number_in(rank, 0, launch.size - 1);
    launch.local_rank = number_in(local_rank, 0, launch.size - 1);
  };
  bool address_known = false;
  if (variable("WORLD_SIZE")) {
    read("RANK", "WORLD_SIZE", variable("LOCAL_RANK") ? "LOCAL_RANK" : "RANK");
    launch.hosted = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  } else if (variable("OMPI_COMM_WORLD_SIZE")) {
    read("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK");
    address_known = variable("OMPI_COMM_WORLD_LOCAL_SIZE") == variable("OMPI_COMM_WORLD_SIZE");
  } else if (variable("SLURM_STEP_NUM_TASKS")) {
    read("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID");
    if (const auto hosts = variable("SLURM_STEP_NODELIST")) {
      launch.address = detail::first_host(*hosts);
      address_known = true;
    }
    if (variable("SLURM_JOB_ID"))
      launch.port = 20000 + number_in("SLURM_JOB_ID", 0, 1 << 30) % 10000;
  }
  if (variable("MASTER_PORT")) launch.port = number_in("MASTER_PORT", 1, 65535);
  if (const auto address = variable("MASTER_ADDR")) {
    launch.address = *address;
    address_known = true;
  }
  require(
      launch.size == 1 || address_known, "environment/MASTER_ADDR",
      "should name the machine of process 0, since {} processes were started on several machines",
      launch.size);
  return launch;
}

}  // namespace serpette
