#pragma once

#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/method/tensor_file.hpp"
#include "serpette/method/training_state.hpp"

namespace serpette {

/// A stopped training on disk: its state, what it depends on, and what it has noted so far.
struct Checkpoint {
  std::string configuration;  ///< All that the result depends on, `name: value` a line.
  std::string notes;          ///< The caller's, such as its log.
  double learning_rate = 0;   ///< Its peak, where that was found and not given.
  TrainingState training;
};

namespace detail {

inline at::Tensor text_tensor(std::string_view text) {
  auto bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.mutable_data_ptr<std::uint8_t>(), text.data(), text.size());
  return bytes;
}
inline std::string tensor_text(const at::Tensor& bytes) {
  const auto whole = bytes.contiguous();
  return {reinterpret_cast<const char*>(whole.const_data_ptr<std::uint8_t>()),
          static_cast<std::size_t>(whole.numel())};
}

}  // namespace detail

/// Writes a checkpoint so that a kill or a power cut leaves this one or the one before.
inline void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  const auto& t = checkpoint.training;
  std::vector<at::Tensor> all{detail::text_tensor(checkpoint.configuration),
                              detail::text_tensor(checkpoint.notes),
                              detail::text_tensor(t.optimizer),
                              t.generators,
                              at::scalar_tensor(t.step, at::kLong),
                              at::scalar_tensor(t.averaged_steps, at::kDouble),
                              at::scalar_tensor(std::ssize(t.moved), at::kLong),
                              at::scalar_tensor(checkpoint.learning_rate, at::kDouble)};
  all.insert(all.end(), t.moved.begin(), t.moved.end());
  all.insert(all.end(), t.averages.begin(), t.averages.end());
  write_file(path, tensor_bytes(std::move(all)));
}

/// The checkpoint there; none if there is no file, or it is not a whole one.
inline std::optional<Checkpoint> read_checkpoint(const std::filesystem::path& path) {
  constexpr std::size_t kHead = 8;
  const auto all = read_tensors(path);
  if (!all || all->size() < kHead) return std::nullopt;
  const auto& a = *all;
  const auto moved = a[6].item<std::int64_t>();
  if (moved < 0 || moved > std::ssize(a) - static_cast<std::int64_t>(kHead)) return std::nullopt;
  return Checkpoint{.configuration = detail::tensor_text(a[0]),
                    .notes = detail::tensor_text(a[1]),
                    .learning_rate = a[7].item<double>(),
                    .training = {.step = a[4].item<std::int64_t>(),
                                 .averaged_steps = a[5].item<double>(),
                                 .moved = {a.begin() + kHead, a.begin() + kHead + moved},
                                 .averages = {a.begin() + kHead + moved, a.end()},
                                 .optimizer = detail::tensor_text(a[2]),
                                 .generators = a[3]}};
}

/// The checkpoint there; none if there is no file.
/// @throws Error  if the file is damaged.
inline std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  auto found = read_checkpoint(path);
  require(found.has_value(), path.string(),
          "should be a whole checkpoint, got a damaged one; delete it to begin anew");
  return found;
}

}  // namespace serpette
