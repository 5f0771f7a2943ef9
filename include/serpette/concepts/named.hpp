#pragma once

#include <concepts>
#include <string_view>

#include "serpette/core/settings.hpp"  // so that every policy can describe its own

/// @namespace serpette::req
/// The atoms of serpette's concepts: one requirement each, named by the word a compiler error
/// shows. Look the word up here or in docs/policies/.
namespace serpette::req {

/// `P::name`: the label of the policy in tables and reports, in the paper's words where the paper
/// has some.
template <class P>
concept Named = requires {
  { P::name } -> std::convertible_to<std::string_view>;
};

/// A policy is a value: it can be copied, and equal settings give equal runs.
template <class P>
concept Value = std::copyable<P>;

}  // namespace serpette::req
