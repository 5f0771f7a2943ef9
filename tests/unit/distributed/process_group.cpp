#include "serpette/distributed/process_group.hpp"

#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "serpette/method/loader.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/scratch.hpp"
#include "support/together.hpp"

using namespace serpette;

#ifdef USE_C10D_GLOO

namespace {

constexpr TrainSettings kSettings{.steps = 4, .batch_size = 8, .learning_rate = 1e-3, .clip = 50};

/// Runs a hidden test of this program in `size` processes that meet on a free port, and waits for
/// them.
/// @return  whether each ended well.
std::vector<bool> in_processes(int size, const char* test, const std::filesystem::path& out) {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(probe, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  const int port = ntohs(address.sin_port);
  ::close(probe);

  std::vector<pid_t> processes;
  for (int rank = 0; rank < size; ++rank) {
    std::vector<std::string> variables{fmt::format("RANK={}", rank),
                                       fmt::format("LOCAL_RANK={}", rank),
                                       fmt::format("WORLD_SIZE={}", size),
                                       "MASTER_ADDR=127.0.0.1",
                                       fmt::format("MASTER_PORT={}", port),
                                       "OUT=" + out.string(),
                                       "OMP_NUM_THREADS=1"};
    std::vector<char*> environment;
    for (auto& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string program = "/proc/self/exe", name = test;
    char* arguments[] = {program.data(), name.data(), nullptr};
    pid_t process = 0;
    REQUIRE(::posix_spawn(&process, std::filesystem::read_symlink(program).c_str(), nullptr,
                          nullptr, arguments, environment.data()) == 0);
    processes.push_back(process);
  }
  std::vector<bool> good;
  for (const auto process : processes) {
    int status = 0;
    ::waitpid(process, &status, 0);
    good.push_back(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  return good;
}

std::filesystem::path file_of(const std::filesystem::path& folder, const char* what, int rank) {
  return folder / fmt::format("{}-{}.pt", what, rank);
}

void save(const test::Trained& trained, const std::filesystem::path& folder, const char* what,
          int rank) {
  auto tensors = trained.tensors;
  tensors.insert(tensors.end(), trained.gradients.begin(), trained.gradients.end());
  tensors.push_back(at::tensor(trained.losses, at::kDouble));
  torch::save(tensors, file_of(folder, what, rank).string());
}

std::vector<at::Tensor> load(const std::filesystem::path& folder, const char* what, int rank) {
  std::vector<at::Tensor> tensors;
  torch::load(tensors, file_of(folder, what, rank).string());
  return tensors;
}

void compare(const test::Trained& alone, const std::filesystem::path& folder, const char* what,
             double tolerance) {
  const auto first = load(folder, what, 0), second = load(folder, what, 1);
  auto expected = alone.tensors;
  expected.insert(expected.end(), alone.gradients.begin(), alone.gradients.end());
  expected.push_back(at::tensor(alone.losses, at::kDouble));
  CHECK(test::distance(first, expected) < tolerance);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(at::equal(first[i], second[i]));
}

}  // namespace

TEST_CASE("one of several processes", "[.][process]") {
  const auto launch = launch_from_environment();
  const auto peers = join(launch, at::kCPU);
  const std::filesystem::path out = std::getenv("OUT");
  save(test::train_share(peers, Pgd{}, at::kDouble, kSettings), out, "double", launch.rank);
  save(test::train_share(peers, NoAttack{}, at::kFloat, kSettings), out, "float", launch.rank);
}

TEST_CASE("two processes train the network that one trains with whole batches",
          "[distributed][process_group]") {
  const test::Scratch scratch;
  REQUIRE(in_processes(2, "[process]", scratch.path()) == std::vector<bool>{true, true});
  compare(test::train_share({}, Pgd{}, at::kDouble, kSettings), scratch.path(), "double", 1e-10);
  compare(test::train_share({}, NoAttack{}, at::kFloat, kSettings), scratch.path(), "float", 1e-5);
}

TEST_CASE("one of several processes that dies", "[.][mortal]") {
  const auto launch = launch_from_environment();
  const auto peers = ProcessGroup(launch, at::kCPU, std::chrono::seconds(20)).peers();
  auto tensor = at::ones({3});
  peers.sum(tensor);
  REQUIRE(tensor.sum().item<double>() == 6);
  if (launch.rank == 1) ::_exit(1);
  CHECK_THROWS_WITH(peers.sum(tensor),
                    Catch::Matchers::ContainsSubstring("should reach all 2 processes"));
}

TEST_CASE("a process that dies ends the others with a message", "[distributed][process_group]") {
  const test::Scratch scratch;
  CHECK(in_processes(2, "[mortal]", scratch.path()) == std::vector<bool>{true, false});
}

TEST_CASE("processes that do not all come are waited for no longer than asked",
          "[distributed][process_group]") {
  const Launch launch{.rank = 1, .size = 2, .local_rank = 1, .port = 1};
  CHECK_THROWS_WITH(ProcessGroup(launch, at::kCPU, std::chrono::seconds(1)),
                    Catch::Matchers::ContainsSubstring("should reach all 2 processes"));
}

#else

TEST_CASE("two processes train the network that one trains with whole batches",
          "[distributed][process_group]") {
  CHECK_THROWS_WITH(join({.rank = 0, .size = 2}, at::kCPU),
                    Catch::Matchers::ContainsSubstring("Gloo's headers"));
  SKIP("built without Gloo's headers (Debian: libgloo-dev)");
}

#endif

TEST_CASE("a process alone needs no group", "[distributed][process_group]") {
  CHECK(join({}, at::kCPU).alone());

  const at::Device device = at::kCPU;
  Yolov3 detector(test::two_heads(), Seed(1));
  const test::NoiseData data(64, 1, 32);
  const Seed seed(1);
  constexpr int threads = 1;
  // [own_program]
  const auto peers = serpette::join(serpette::launch_from_environment(), device);  // or alone
  detector.set_peers(peers);  // for batch norm, and for what `train` does
  serpette::Loader loader(data, 64, seed, threads, peers.share);  // this process's part of 64
  // [own_program]
  CHECK(loader.next().images.size(0) == 64);
}
