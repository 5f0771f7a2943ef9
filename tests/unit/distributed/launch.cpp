#include "serpette/distributed/launch.hpp"

#include <map>

#include "support/catch.hpp"

using namespace serpette;

namespace {

/// Sets variables as long as it lives; all that a launcher may have set are gone meanwhile.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& wanted) {
    for (const auto* name :
         {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "OMPI_COMM_WORLD_RANK",
          "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
          "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NODELIST",
          "SLURM_JOB_ID", "SLURM_NTASKS"}) {
      if (const auto value = serpette::detail::variable(name)) before_[name] = *value;
      ::unsetenv(name);
      names_.emplace_back(name);
    }
    for (const auto& [name, value] : wanted) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& name : names_) ::unsetenv(name.c_str());
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::string> before_;
};

Launch launched(const std::map<std::string, std::string>& variables) {
  const Environment environment(variables);
  return launch_from_environment();
}

}  // namespace

TEST_CASE("a process that nobody launched is alone", "[distributed][launch]") {
  CHECK(launched({}).size == 1);
  CHECK(launched({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).size ==
        1);  // sbatch without srun
}

TEST_CASE("torchrun's variables", "[distributed][launch]") {
  const auto launch = launched({{"RANK", "5"},
                                {"WORLD_SIZE", "8"},
                                {"LOCAL_RANK", "1"},
                                {"MASTER_ADDR", "gpu1"},
                                {"MASTER_PORT", "1234"}});
  CHECK(launch.rank == 5);
  CHECK(launch.size == 8);
  CHECK(launch.local_rank == 1);
  CHECK(launch.address == "gpu1");
  CHECK(launch.port == 1234);
}

TEST_CASE("mpirun's variables need an address where machines are several",
          "[distributed][launch]") {
  std::map<std::string, std::string> mpi{{"OMPI_COMM_WORLD_RANK", "1"},
                                         {"OMPI_COMM_WORLD_SIZE", "4"},
                                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};
  CHECK(launched(mpi).rank == 1);
  CHECK(launched(mpi).address == "127.0.0.1");
  mpi["OMPI_COMM_WORLD_LOCAL_SIZE"] = "2";
  CHECK_THROWS_WITH(launched(mpi), Catch::Matchers::ContainsSubstring("MASTER_ADDR"));
  mpi["MASTER_ADDR"] = "10.0.0.1";
  CHECK(launched(mpi).address == "10.0.0.1");
}

TEST_CASE("srun's variables: process 0 is on the first machine", "[distributed][launch]") {
  const auto launch = launched({{"SLURM_PROCID", "3"},
                                {"SLURM_STEP_NUM_TASKS", "4"},
                                {"SLURM_LOCALID", "1"},
                                {"SLURM_STEP_NODELIST", "node[003-004]"},
                                {"SLURM_JOB_ID", "123456"}});
  CHECK(launch.rank == 3);
  CHECK(launch.local_rank == 1);
  CHECK(launch.address == "node003");
  CHECK(launch.port == 23456);
  CHECK(serpette::detail::first_host("vm") == "vm");
  CHECK(serpette::detail::first_host("a1,b[2-3]") == "a1");
  CHECK(serpette::detail::first_host("b[12,14-15],c") == "b12");
}

TEST_CASE("a variable that makes no sense is named", "[distributed][launch]") {
  CHECK_THROWS_WITH(launched({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
                    Catch::Matchers::ContainsSubstring("environment/RANK"));
  CHECK_THROWS_WITH(launched({{"RANK", "0"}, {"WORLD_SIZE", "two"}}),
                    Catch::Matchers::ContainsSubstring("\"two\""));
  CHECK_THROWS_WITH(launched({{"WORLD_SIZE", "2"}}),
                    Catch::Matchers::ContainsSubstring("environment/RANK"));
  CHECK_THROWS_WITH(
      launched(
          {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "99999"}}),
      Catch::Matchers::ContainsSubstring("MASTER_PORT"));
}
